"""Encodings kept: a text is encoded once, whatever process or run asks for it.

LangChain's own `CacheBackedEmbeddings` stands in langchain-classic. It writes each vector as JSON
(about 8 kB for 384 numbers), encodes a text as often as a batch holds it, never forgets one, and
ends the call when its store fails; so the cache here is a file of its own.
"""

import os
import sqlite3
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from time import time
from typing import Literal

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

__all__ = ["CacheUnusable", "CachedEmbeddings", "cache_folder"]

Role = Literal["document", "query"]
Vector = NDArray[np.float32]

_ID = 0x53684531  # "ShE1" in SQLite's header: the file is a cache of this form, and no other's
_LIMIT = 512 * 2**20  # bytes; about 330,000 sentences of 384 numbers
_EVICTED = 0.9  # of the limit is left after an eviction, so that the next one is far
_PATIENCE = 2.0  # seconds that a write waits for another process; one takes milliseconds
_AT_ONCE = 400  # keys in one statement, well below what SQLite takes
_HOUR = 3600  # seconds; reads are noted this finely, so that most reads write nothing
_SCHEMA = (
    (
        "CREATE TABLE vectors (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, vector BLOB NOT NULL,"
        " used INTEGER NOT NULL)"
    ),
    "CREATE INDEX vectors_by_use ON vectors (used, id)",
    f"PRAGMA application_id = {_ID}",
)


class CacheUnusable(UserWarning):
    """The file of encodings cannot be used; the work goes on without it, only slower."""


def cache_folder() -> Path:
    """The folder in which this user's caches lie: `$XDG_CACHE_HOME/shoestring`, or `~/.cache/…`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shoestring"


class CachedEmbeddings(Embeddings):
    """The same embeddings, that remember on disk what they have encoded.

    A vector is found by the SHA-256 of the model's name, the role (query or document) and the text.
    It is kept as 32-bit floats and comes back so rounded also the first time: a warm cache changes
    no result. Threads and processes may share a file. A file that is damaged, locked, read-only or
    another program's is left alone: the embeddings work without it and warn once (`CacheUnusable`).

    Attributes:
        name: The model and its weights, as the cache tells them apart.

    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> fake = DeterministicFakeEmbedding(size=3)
    >>> kept = CachedEmbeddings(fake, name="fake@1", path=getfixture("tmp_path") / "cache")
    >>> kept.embed_query("a heron") == kept.embed_query("a heron")
    True
    """

    def __init__(
        self,
        embeddings: Embeddings,
        *,
        name: str | None = None,
        path: Path | str | None = None,
        limit: int = _LIMIT,
    ) -> None:
        """Keep what embeddings make.

        Args:
            embeddings: Any LangChain embeddings.
            name: The model, its weights and every setting that changes its vectors. Default: the
                embeddings' own `name`, which shoestring's have.
            path: The file. Default: `encodings.sqlite` in the user's cache folder.
            limit: The largest size of the file, in bytes; what was not used for longest goes first.

        Raises:
            ValueError: If the embeddings have no `name` and none is given, or `limit` is below 64 kB.
        """
        own = getattr(embeddings, "name", None)
        named = name or (own if isinstance(own, str) else "")
        if not named:
            raise ValueError(
                f"{type(embeddings).__name__} does not say which model and weights it is: give "
                "name=, and another one whenever the model or a setting of its vectors changes"
            )
        if limit < 2**16:
            raise ValueError(f"limit is {limit} bytes; give at least {2**16:,}")
        self.name = named
        self._inner = embeddings
        self._file = _File(Path(path) if path else cache_folder() / "encodings.sqlite", limit)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text, in order; only those that are new are encoded, each once."""
        return self._embed(texts, "document")

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text, encoded as a query."""
        return self._embed([text], "query")[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """As `embed_documents`, by the embeddings' own asynchronous call."""
        keys, found = self._known(texts, "document")
        if new := _missing(keys, texts, found):
            vectors = await self._inner.aembed_documents(list(new.values()))
            self._add(found, new, vectors)
        return [found[key].tolist() for key in keys]

    async def aembed_query(self, text: str) -> list[float]:
        """As `embed_query`, by the embeddings' own asynchronous call."""
        keys, found = self._known([text], "query")
        if new := _missing(keys, [text], found):
            self._add(found, new, [await self._inner.aembed_query(text)])
        vector: list[float] = found[keys[0]].tolist()
        return vector

    def _embed(self, texts: Sequence[str], role: Role) -> list[list[float]]:
        keys, found = self._known(texts, role)
        if new := _missing(keys, texts, found):
            if role == "query":
                vectors = [self._inner.embed_query(text) for text in new.values()]
            else:
                vectors = self._inner.embed_documents(list(new.values()))
            self._add(found, new, vectors)
        return [found[key].tolist() for key in keys]

    def _known(self, texts: Sequence[str], role: Role) -> tuple[list[bytes], dict[bytes, Vector]]:
        keys = [_key(self.name, role, text) for text in texts]
        return keys, self._file.read(dict.fromkeys(keys))

    def _add(
        self, found: dict[bytes, Vector], new: dict[bytes, str], vectors: Sequence[Sequence[float]]
    ) -> None:
        made = {
            key: np.asarray(vector, np.float32) for key, vector in zip(new, vectors, strict=True)
        }
        found |= made
        self._file.write({key: vector for key, vector in made.items() if _sound(vector)})


class _File:
    """The file of vectors; what goes wrong with it is warned of, never raised."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._owner = os.getpid()
        self._left: list[sqlite3.Connection | None] = []
        self._warned = False

    def __reduce__(self) -> tuple[type["_File"], tuple[Path, int]]:
        return _File, (self._path, self._limit)

    def read(self, keys: Iterable[bytes]) -> dict[bytes, Vector]:
        """Give the vectors that are there, and note that they were used."""
        found: dict[bytes, Vector] = {}
        self._attempt(lambda db: _read(db, list(keys), found))
        return found

    def write(self, vectors: Mapping[bytes, Vector]) -> None:
        """Store vectors, and make room for them."""
        if vectors:
            self._attempt(lambda db: self._write(db, vectors))

    def _write(self, db: sqlite3.Connection, vectors: Mapping[bytes, Vector]) -> None:
        hour = _this_hour()
        with _transaction(db):
            db.executemany(
                "INSERT INTO vectors (key, vector, used) VALUES (?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET vector = excluded.vector",
                [(key, vector.astype("<f4").tobytes(), hour) for key, vector in vectors.items()],
            )
            self._evict(db)

    def _evict(self, db: sqlite3.Connection) -> None:
        """Delete what was not used for longest, until there is room; its pages are used again."""
        while (size := _size(db)) > self._limit:
            (rows,) = db.execute("SELECT count(*) FROM vectors").fetchone()
            share = 1.0 - _EVICTED * self._limit / size
            going = max(1, round(rows * share))
            gone = db.execute(
                "DELETE FROM vectors WHERE id IN (SELECT id FROM vectors ORDER BY used, id LIMIT ?)",
                (going,),
            )
            if not gone.rowcount:
                return

    def _attempt(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do work in the file; its failure is only warned of."""
        if self._owner != os.getpid():
            # SQLite's connections and held locks must not cross a fork; nor may they be closed here.
            self._left.append(self._db)
            self._db, self._lock, self._owner = None, threading.Lock(), os.getpid()
        with self._lock:
            try:
                self._db = self._db or _opened(self._path, self._limit)
                work(self._db)
            except (sqlite3.Error, OSError) as error:
                self._warn(error)

    def _warn(self, error: Exception) -> None:
        if self._warned:
            return
        self._warned = True
        warnings.warn(
            f"texts are encoded without the cache {self._path} ({error}): if it is damaged, delete "
            "it; if its folder cannot be written, give another path=",
            CacheUnusable,
            stacklevel=2,
        )


def _read(db: sqlite3.Connection, keys: Sequence[bytes], found: dict[bytes, Vector]) -> None:
    """Add the vectors of these keys to those found."""
    hour = _this_hour()
    old: list[tuple[int, int]] = []
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        marks = ",".join("?" * len(some))
        rows = db.execute(
            f"SELECT id, key, vector, used FROM vectors WHERE key IN ({marks})",  # noqa: S608 - marks only
            some,
        )
        for number, key, blob, used in rows:
            if (vector := _vector(blob)) is None:
                continue
            found[key] = vector
            if used != hour:
                old.append((hour, number))
    if old:
        with _transaction(db):
            db.executemany("UPDATE vectors SET used = ? WHERE id = ?", old)


def _this_hour() -> int:
    return int(time()) // _HOUR


def _opened(path: Path, limit: int) -> sqlite3.Connection:
    """Open or make the file.

    Raises:
        OSError, sqlite3.Error: If it cannot be used, or is another program's.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Made here, since SQLite would let others read what texts were encoded.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        if not _is_ours(db):
            with _transaction(db):
                for statement in () if _is_ours(db) else _SCHEMA:  # another process may be faster
                    db.execute(statement)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")  # a lost write is only encoded again
        db.execute(f"PRAGMA journal_size_limit = {limit // 4}")
    except BaseException:
        db.close()
        raise
    return db


def _is_ours(db: sqlite3.Connection) -> bool:
    # The tables first: who sees them, sees the id that was written with them.
    with closing(db.execute("SELECT count(*) FROM sqlite_master")) as cursor:
        (tables,) = cursor.fetchone()
    (found,) = db.execute("PRAGMA application_id").fetchone()
    if tables and found != _ID:
        raise sqlite3.DatabaseError("it is no cache of encodings")
    return bool(tables)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Generator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.rollback()
        raise
    db.execute("COMMIT")


def _size(db: sqlite3.Connection) -> int:
    """The bytes in use."""
    pages, free, size = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _key(name: str, role: Role, text: str) -> bytes:
    head = f"{len(name)} {name} {role} ".encode(errors="surrogatepass")
    return sha256(head + text.encode(errors="surrogatepass")).digest()


def _missing(
    keys: Sequence[bytes], texts: Sequence[str], found: dict[bytes, Vector]
) -> dict[bytes, str]:
    return {key: text for key, text in zip(keys, texts, strict=True) if key not in found}


def _vector(blob: object) -> Vector | None:
    """Read a stored vector; None where it is damaged."""
    if not isinstance(blob, bytes) or len(blob) % 4:
        return None
    vector = np.frombuffer(blob, "<f4").astype(np.float32)
    return vector if _sound(vector) else None


def _sound(vector: Vector) -> bool:
    return bool(len(vector)) and bool(np.isfinite(vector).all())
