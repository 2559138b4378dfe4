"""Static embeddings without a network: WordLlama's, from the `wordllama` package.

A word has one vector wherever it stands, and a text's is their mean: less exact than a model that
reads sentences, and a hundred times as fast. The weights and the vocabulary are read from the
package without importing it: its import sets up the root logger of the whole program.
"""

from __future__ import annotations

import hashlib
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from langchain_core.embeddings import Embeddings

from shoestring.budget.extras import MissingExtra, require

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODEL = "wordllama-l2-supercat-256"
# Of the two files in the wheel wordllama 0.4.0.post1.
SHA256 = {
    "weights/l2_supercat_256.safetensors": (
        "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5"
    ),
    "tokenizers/l2_supercat_tokenizer_config.json": (
        "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68"
    ),
}
_WEIGHTS, _VOCABULARY = SHA256
_PACKAGE = "wordllama"
_CURE = "Install it again: pip install --force-reinstall --no-deps wordllama==0.4.0.post1"
_LONGEST_TEXT = 20_000  # characters; a mean of more words says nothing any more


class WrongVectors(ValueError):  # noqa: N818 - named for what is wrong
    """The installed static vectors are not the ones the package is known to carry."""


class StaticEmbeddings(Embeddings):
    """LangChain embeddings by WordLlama on the CPU; get it from `static_embeddings()`.

    A vector has 256 numbers and length 1, so that a dot product is a cosine; a text without a token
    ("") has a vector of zeros. A text is read up to 20,000 characters. Any string will do, also one
    with lone surrogates. Threads may share it.

    Attributes:
        name: The model and the weights it was loaded from, for caches that must not mix vectors.
    """

    name = f"{MODEL}@{SHA256[_WEIGHTS][:8]}"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: tuple[NDArray[np.float32], Any] | None = None

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text, in order.

        Raises:
            MissingExtra: If the package, `tokenizers` or `safetensors` is not installed.
            WrongVectors: If the installed files are not those of the known package.
        """
        if not texts:
            return []
        with self._lock:
            table, tokenizer = self._loaded = self._loaded or _load()
        # One by one: a batch would start threads, about which the library warns after each fork.
        ids = [tokenizer.encode(_readable(text), add_special_tokens=False).ids for text in texts]
        vectors: list[list[float]] = _means(table, ids).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text."""
        return self.embed_documents([text])[0]


@cache
def static_embeddings() -> StaticEmbeddings:
    """The static embedder of this process; its vectors are loaded when the first text comes.

    Raises:
        MissingExtra: If the package, `tokenizers` or `safetensors` is not installed.
    """
    _folder()
    for needed in ("tokenizers", "safetensors"):
        if find_spec(needed) is None:
            require(needed, "offline")
    return StaticEmbeddings()


def _folder() -> Path:
    spec = find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if all((Path(folder) / name).is_file() for name in SHA256):
            return Path(folder)
    raise MissingExtra(f"this needs {_PACKAGE}: pip install 'shoestring[offline]'", name=_PACKAGE)


def _load() -> tuple[NDArray[np.float32], Any]:
    folder = _folder()
    content: dict[str, bytes] = {}
    for name, expected in SHA256.items():
        content[name] = (folder / name).read_bytes()
        found = hashlib.sha256(content[name]).hexdigest()
        if found != expected:
            raise WrongVectors(f"{folder / name} is not {MODEL}: its SHA-256 is {found}. {_CURE}")
    (table,) = require("safetensors.numpy", "offline").load(content[_WEIGHTS]).values()
    tokenizer = require("tokenizers", "offline").Tokenizer.from_buffer(content[_VOCABULARY])
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return np.ascontiguousarray(table, np.float32), tokenizer


def _means(table: NDArray[np.float32], ids: list[list[int]]) -> NDArray[np.float32]:
    """The mean of each text's word vectors, scaled to length 1."""
    means = np.zeros((len(ids), table.shape[1]), np.float32)
    for row, words in enumerate(ids):
        if words:
            means[row] = table[np.asarray(words)].mean(axis=0)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    means /= np.where(lengths > 0, lengths, 1)
    return means


def _readable(text: str) -> str:
    text = text[:_LONGEST_TEXT]
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
