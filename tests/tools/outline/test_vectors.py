"""An outline and a vector store that follows it: here, and on a Chroma server."""

import gc
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from shoestring.tools import Outline

# What means the same: a stand-in for an embedder that knows it.
MEANING = {"automobile": "car", "vehicle": "car", "physician": "doctor"}


class Meanings(Embeddings):
    """Texts that mean the same words are near; counts what it is asked to embed."""

    def __init__(self) -> None:
        self.embedded = 0

    def embed_query(self, text: str) -> list[float]:
        vector = np.full(64, 1e-3)
        for word in text.lower().replace(".", "").split():
            known = MEANING.get(word, word)
            vector[blake2b(known.encode(), digest_size=1).digest()[0] % 64] += len(known) > 2
        return [float(value) for value in vector / np.linalg.norm(vector)]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.embedded += len(texts)
        return [self.embed_query(text) for text in texts]


def corpus(number: int = 450) -> list[Document]:
    texts = [f"Entry {n} tells of item{n} and nothing else." for n in range(number)]
    texts[77] = "The physician sold his automobile."
    return [Document(text, metadata={"source": f"{n:03}"}) for n, text in enumerate(texts)]


def follows(vectors: VectorStore, counted: Meanings, stored: Any) -> None:
    """Hold an outline with its vectors to what it promises."""
    built = Outline.build(corpus(), vectors=vectors)
    assert stored() == counted.embedded == 450
    kept = built.read("vehicle of the doctor", 30, fill="budget")
    assert "automobile" in kept.text
    changed = corpus()
    changed[10] = Document("Another text.", metadata={"source": "010"})
    built.update(changed[:449])
    assert counted.embedded == 451
    assert stored() == 449
    built.update(changed[:449])
    assert counted.embedded == 451


def test_a_vector_store_in_memory() -> None:
    """What words do not lead to is found by meaning; only what changed is embedded again."""
    counted = Meanings()
    vectors = InMemoryVectorStore(counted)
    follows(vectors, counted, lambda: len(vectors.store))


def test_a_store_that_fails_is_made_up_for(tmp_path: Path) -> None:
    """An outline whose vector store broke off sends the rest at the next update."""

    class Failing(InMemoryVectorStore):
        calls = 0

        def add_documents(self, documents: Any, ids: Any = None, **more: Any) -> list[str]:
            self.calls += 1
            if self.calls == 2:
                raise ConnectionError("the server went away")
            return super().add_documents(documents, ids, **more)

    vectors = Failing(Meanings())
    with pytest.raises(ConnectionError):
        Outline.build(corpus(), tmp_path / "o", vectors=vectors)
    assert 0 < len(vectors.store) < 450
    with Outline.build(corpus(), tmp_path / "o", vectors=vectors):
        assert len(vectors.store) == 450


@pytest.fixture
def chroma(tmp_path: Path) -> Iterator[int]:
    """Run a Chroma server, and give its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = Path(sys.executable).with_name("chroma")
    args = ["run", "--path", str(tmp_path / "chroma"), "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        [command, *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, "the server did not start"
                assert time.monotonic() < end, "the server did not start in time"
        yield port
    finally:
        server.terminate()
        server.wait()


@pytest.mark.slow
def test_a_chroma_server(chroma: int) -> None:
    """The same on a real Chroma server, through LangChain's own vector store."""
    import chromadb
    from chromadb.api.client import Client
    from chromadb.config import Settings
    from langchain_chroma import Chroma

    settings = Settings(anonymized_telemetry=False)
    client = chromadb.HttpClient("127.0.0.1", chroma, settings=settings)
    assert isinstance(client, Client)
    counted = Meanings()
    vectors = Chroma("passages", counted, client=client)
    try:
        follows(vectors, counted, client.get_collection("passages").count)
    finally:
        client.close()
        del client, vectors
        with warnings.catch_warnings():  # chromadb closes its sockets when it is collected
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
