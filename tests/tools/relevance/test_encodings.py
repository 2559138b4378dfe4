"""Encodings kept on disk: the same vectors, made once, whatever happens to the file."""

import asyncio
import os
import pickle
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from shoestring.tools.relevance.encodings import CachedEmbeddings, CacheUnusable, cache_folder


class Counting(Embeddings):
    """Vectors from a hash of the text; says what it was asked to encode."""

    name = "hash@1"

    def __init__(self, size: int = 8) -> None:
        self.size = size
        self.encoded: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.encoded += texts
        return [self._vector("d", text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.encoded.append(text)
        return self._vector("q", text)

    def _vector(self, role: str, text: str) -> list[float]:
        seed = sha256((role + text).encode(errors="surrogatepass")).digest()
        vector: list[float] = np.random.default_rng(list(seed)).normal(size=self.size).tolist()
        return vector


def rounded(vectors: Sequence[Sequence[float]]) -> list[list[float]]:
    told: list[list[float]] = np.asarray(vectors, np.float32).tolist()
    return told


def test_a_text_is_encoded_once(tmp_path: Path) -> None:
    """Across calls, runs and repeats in one call; queries and documents are told apart."""
    first = Counting()
    kept = CachedEmbeddings(first, path=tmp_path / "c")
    told = kept.embed_documents(["a", "b", "a"])
    assert first.encoded == ["a", "b"]
    assert told == rounded(Counting().embed_documents(["a", "b", "a"]))
    assert kept.embed_query("a") == rounded([Counting().embed_query("a")])[0]
    assert first.encoded == ["a", "b", "a"]

    later = Counting()
    again = CachedEmbeddings(later, path=tmp_path / "c")
    assert again.embed_documents(["b", "c", "a"])[::2] == told[1::-1]
    assert again.embed_query("a") == kept.embed_query("a")
    assert later.encoded == ["c"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=20), max_size=30))
def test_any_texts_come_back_as_they_were_encoded(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    """Cold, warm and without a cache the vectors are the same, lone surrogates included."""
    path = tmp_path_factory.mktemp("c") / "c"
    expected = rounded(Counting().embed_documents(texts))
    assert CachedEmbeddings(Counting(), path=path).embed_documents(texts) == expected
    silent = Counting()
    assert CachedEmbeddings(silent, path=path).embed_documents(texts) == expected
    assert not silent.encoded


def test_models_do_not_mix(tmp_path: Path) -> None:
    """Another name has vectors of its own; embeddings without a name must be given one."""
    CachedEmbeddings(Counting(8), path=tmp_path / "c").embed_documents(["a"])
    other = CachedEmbeddings(Counting(4), name="hash@2", path=tmp_path / "c")
    assert len(other.embed_documents(["a"])[0]) == 4
    with pytest.raises(ValueError, match="name="):
        CachedEmbeddings(DeterministicFakeEmbedding(size=3), path=tmp_path / "c")
    with pytest.raises(ValueError, match="limit"):
        CachedEmbeddings(Counting(), path=tmp_path / "c", limit=100)


def test_asynchronous_calls_share_the_cache(tmp_path: Path) -> None:
    """What one kind of call encoded the other finds."""
    inner = Counting()
    kept = CachedEmbeddings(inner, path=tmp_path / "c")

    async def both() -> tuple[list[list[float]], list[float]]:
        return await kept.aembed_documents(["a", "b", "a"]), await kept.aembed_query("a")

    vectors, query = asyncio.run(both())
    assert inner.encoded == ["a", "b", "a"]
    assert kept.embed_documents(["a", "b", "a"]) == vectors
    assert kept.embed_query("a") == query
    assert len(inner.encoded) == 3


def test_the_file_stays_small(tmp_path: Path) -> None:
    """Above its limit what was not used for longest goes, and the file does not grow on."""
    path = tmp_path / "c"
    kept = CachedEmbeddings(Counting(256), path=path, limit=2**18)
    for batch in range(20):
        kept.embed_documents([f"{batch} {n}" for n in range(100)])
    assert path.stat().st_size < 2 * 2**18
    late, early = Counting(256), Counting(256)
    CachedEmbeddings(late, path=path, limit=2**18).embed_documents(["19 99", "19 98"])
    CachedEmbeddings(early, path=path, limit=2**18).embed_documents(["0 0", "0 1"])
    assert (late.encoded, early.encoded) == ([], ["0 0", "0 1"])


def test_what_was_used_lately_stays(tmp_path: Path) -> None:
    """A vector that is read counts as used, so an eviction takes another."""
    path = tmp_path / "c"
    kept = CachedEmbeddings(Counting(256), path=path, limit=2**18)
    kept.embed_documents([f"{n}" for n in range(100)])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE vectors SET used = 1")
    db.close()
    kept.embed_documents(["0"])
    kept.embed_documents([f"more {n}" for n in range(150)])
    silent = Counting(256)
    CachedEmbeddings(silent, path=path, limit=2**18).embed_documents(["0", "1"])
    assert silent.encoded == ["1"]


def broken(tmp_path: Path) -> dict[str, Path]:
    noise, other, short = tmp_path / "noise", tmp_path / "other", tmp_path / "short"
    noise.write_bytes(b"no database at all" * 1_000)
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE mine (text)")
    db.close()
    CachedEmbeddings(Counting(), path=short).embed_documents([str(n) for n in range(500)])
    data = short.read_bytes()
    for left in tmp_path.glob("short-*"):
        left.unlink()
    short.write_bytes(data[: len(data) // 2])
    return {"noise": noise, "other": other, "short": short, "folder": tmp_path}


@pytest.mark.parametrize("kind", ["noise", "other", "short", "folder", "nowhere"])
def test_without_a_usable_file_it_works_and_warns_once(kind: str, tmp_path: Path) -> None:
    """Noise, another program's database, half a file, no place: the vectors are right all the same."""
    path = broken(tmp_path).get(kind, Path("/proc/nowhere/cache"))
    before = path.read_bytes() if path.is_file() and kind != "short" else None
    kept = CachedEmbeddings(Counting(), path=path)
    with pytest.warns(CacheUnusable, match="without the cache") as caught:
        told = kept.embed_documents([str(n) for n in range(500)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kept.embed_documents(["a"]) == rounded(Counting().embed_documents(["a"]))
    assert len(caught) == 1
    assert told == rounded(Counting().embed_documents([str(n) for n in range(500)]))
    assert before is None or path.read_bytes() == before


def test_a_locked_file_does_not_stop_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process holds the file, vectors are made, and found again once it lets go."""
    monkeypatch.setattr("shoestring.tools.relevance.encodings._PATIENCE", 0.05)
    path = tmp_path / "c"
    CachedEmbeddings(Counting(), path=path).embed_documents(["a"])
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    kept = CachedEmbeddings(Counting(), path=path)
    with pytest.warns(CacheUnusable, match="locked"):
        assert kept.embed_documents(["b"]) == rounded(Counting().embed_documents(["b"]))
    holder.execute("ROLLBACK")
    holder.close()
    kept.embed_documents(["b"])
    silent = Counting()
    CachedEmbeddings(silent, path=path).embed_documents(["a", "b"])
    assert not silent.encoded


@pytest.mark.parametrize("blob", [b"", b"123", np.full(8, np.nan, "<f4").tobytes(), "text"])
def test_a_damaged_vector_is_made_anew(tmp_path: Path, blob: object) -> None:
    """A row that is no vector is not believed, and is replaced."""
    path = tmp_path / "c"
    CachedEmbeddings(Counting(), path=path).embed_documents(["a"])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE vectors SET vector = ?", (blob,))
    db.close()
    expected = rounded(Counting().embed_documents(["a"]))
    assert CachedEmbeddings(Counting(), path=path).embed_documents(["a"]) == expected
    silent = Counting()
    assert CachedEmbeddings(silent, path=path).embed_documents(["a"]) == expected
    assert not silent.encoded


def test_vectors_that_are_no_numbers_are_not_kept(tmp_path: Path) -> None:
    """What embeddings failed to encode is tried again the next time."""

    class Failing(Counting):
        def _vector(self, role: str, text: str) -> list[float]:
            return [float("nan")] * 8

    CachedEmbeddings(Failing(), path=tmp_path / "c").embed_documents(["a"])
    later = Counting()
    CachedEmbeddings(later, path=tmp_path / "c").embed_documents(["a"])
    assert later.encoded == ["a"]


def test_errors_of_the_embeddings_pass_through(tmp_path: Path) -> None:
    """A provider's error is the caller's to handle; nothing is stored."""

    class Down(Counting):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise ConnectionError("down")

    kept = CachedEmbeddings(Down(), path=tmp_path / "c")
    with pytest.raises(ConnectionError):
        kept.embed_documents(["a"])


def test_threads_and_pickled_copies_share_a_file(tmp_path: Path) -> None:
    """Eight threads and a copy sent to another process ask at once and get what they asked for."""
    kept = CachedEmbeddings(Counting(), path=tmp_path / "c")
    texts = [[f"{n % 50}" for n in range(start, start + 40)] for start in range(0, 80, 10)]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(kept.embed_documents, texts))
    assert told == [rounded(Counting().embed_documents(some)) for some in texts]
    copy = pickle.loads(pickle.dumps(kept))
    assert copy.embed_documents(texts[0]) == told[0]


def test_processes_share_a_file_and_a_fork_is_safe(tmp_path: Path) -> None:
    """Four processes write one new file at once; each text is found by the next run."""
    code = (
        "import sys; from langchain_core.embeddings import DeterministicFakeEmbedding as E;"
        "from shoestring.tools.relevance.encodings import CachedEmbeddings as C;"
        "c = C(E(size=64), name='e', path=sys.argv[1]);"
        "[c.embed_documents([f'{b} {n}' for n in range(20)]) for b in range(20)]"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "c")]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate()[1] for process in running] == [""] * 4
    kept = CachedEmbeddings(Counting(64), name="e", path=tmp_path / "c")
    kept.embed_documents([f"{b} {n}" for b in range(20) for n in range(20)])
    assert kept._inner.encoded == []  # type: ignore[attr-defined]
    pid = os.fork()
    if pid == 0:
        ok = kept.embed_documents(["0 0", "new"]) and not kept._file._warned
        os._exit(0 if ok else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert kept.embed_documents(["0 1"])


def test_the_file_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies in the user's cache folder, readable by nobody else, and holds no text."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    CachedEmbeddings(Counting()).embed_documents(["my secret sentence"])
    (path,) = cache_folder().glob("*.sqlite")
    assert path.parent == tmp_path / "shoestring"
    assert path.stat().st_mode & 0o077 == 0
    assert not any(b"secret" in file.read_bytes() for file in path.parent.iterdir())
