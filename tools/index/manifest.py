"""The manifest of an index: which sources it holds, and their passages, in SQLite.

It alone says what is in the index. The vectors follow it: a passage is `embedded` once its vector
is known to be stored, and an id is a `stray` from the moment its passage goes until its vector is
known to be deleted. So a run that is killed at any point leaves work to do, never a wrong answer.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from langchain_core.documents import Document

from shoestring.tools.files.sqlite_file import SQLiteFile
from shoestring.tools.index.errors import IndexBusy, IndexCorrupt, IndexMismatch
from shoestring.tools.words.words import words

__all__ = ["Manifest", "Passage", "Source"]

_VERSION = 1
_PATIENCE = 30  # seconds; a write of another process takes milliseconds

# Text is stored as bytes: SQLite's own text cannot hold half of a surrogate pair. A number is never
# used again, or a ranking made before an update would lead to other passages.
_SCHEMA = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    (
        "CREATE TABLE sources (source BLOB NOT NULL, part INTEGER NOT NULL, hash TEXT NOT NULL,"
        " PRIMARY KEY (source, part)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE passages (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
        " source BLOB NOT NULL, part INTEGER NOT NULL, metadata TEXT NOT NULL, text BLOB NOT NULL,"
        " terms BLOB NOT NULL, embedded INTEGER NOT NULL DEFAULT 0)"
    ),
    "CREATE INDEX passages_by_source ON passages (source, part)",
    "CREATE INDEX passages_by_vector ON passages (embedded)",
    "CREATE TABLE strays (id TEXT PRIMARY KEY) WITHOUT ROWID",
    f"PRAGMA user_version = {_VERSION}",
)
_ADVANCE = (
    "INSERT INTO facts VALUES ('generation', '1') ON CONFLICT (name)"
    " DO UPDATE SET value = CAST(value AS INTEGER) + 1"
)


class Source(NamedTuple):
    """A source by name; `part` counts the times one update came back to the same name."""

    name: str
    part: int


class Passage(NamedTuple):
    """A passage as it is stored."""

    number: int
    id: str
    document: Document


class Manifest(SQLiteFile):
    """The manifest in a file; every method is one transaction."""

    def __init__(self, path: Path | None) -> None:
        """Open or create the manifest; None keeps it in memory."""
        super().__init__(path, wait=_PATIENCE)

    def _prepare(self) -> None:
        if self._path is not None:
            # Readers and the writer do not block each other.
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
        if self._version() == 0:
            with self._writing():
                # Another process may have been faster.
                for statement in _SCHEMA if self._version() == 0 else ():
                    self._db.execute(statement)
        if self._version() != _VERSION:
            raise IndexMismatch(
                f"the index {self._where()} was made by another version of shoestring: "
                f"delete it to build it anew"
            )

    def _version(self) -> int:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        return int(version)

    def _where(self) -> str:
        return repr(str(self._path.parent)) if self._path else "in memory"

    def _busy(self) -> IndexBusy:
        return IndexBusy(f"another process is writing to {self._where()}")

    def _unusable(self, error: sqlite3.OperationalError) -> IndexCorrupt:
        return IndexCorrupt(
            f"the index {self._where()} cannot be used ({error}): if the folder is writable "
            "and the disk not full, delete it to build it anew"
        )

    def _damaged(self, error: sqlite3.DatabaseError) -> IndexCorrupt:
        return IndexCorrupt(
            f"the index {self._where()} is damaged ({error}): delete it to build it anew"
        )

    # Facts: small values by name.

    def fact(self, name: str) -> str | None:
        """Return a stored fact."""
        with self._reading() as db:
            row = db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Store a fact."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def generation(self) -> int:
        """Return a number that grows with every change of passages, and once vectors are stored."""
        return int(self.fact("generation") or 0)

    # Sources.

    def hashes(self) -> dict[Source, str]:
        """Return the content hash of every source."""
        with self._reading() as db:
            rows = db.execute("SELECT source, part, hash FROM sources").fetchall()
        return {Source(_text(name), part): digest for name, part, digest in rows}

    def replace(self, source: Source, digest: str | None, passages: Sequence[Document]) -> None:
        """Make `passages` all there is of a source; a digest of None removes the source.

        A passage that was there as it is keeps its vector.
        """
        key = (_bytes(source.name), source.part)
        wanted = {_id(source, passage): passage for passage in passages}
        with self._writing() as db:
            rows = db.execute("SELECT id FROM passages WHERE source = ? AND part = ?", key)
            present = {str(name) for (name,) in rows}
            gone = [(name,) for name in present - wanted.keys()]
            db.executemany("DELETE FROM passages WHERE id = ?", gone)
            db.executemany("INSERT OR IGNORE INTO strays VALUES (?)", gone)
            db.executemany(
                "INSERT INTO passages (id, source, part, metadata, text, terms)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (name, *key, *_columns(passage))
                    for name, passage in wanted.items()
                    if name not in present
                ),
            )
            if digest is None:
                db.execute("DELETE FROM sources WHERE source = ? AND part = ?", key)
            else:
                db.execute("INSERT OR REPLACE INTO sources VALUES (?, ?, ?)", (*key, digest))
            db.execute(_ADVANCE)

    # Passages.

    def __len__(self) -> int:
        with self._reading() as db:
            return int(db.execute("SELECT count(*) FROM passages").fetchone()[0])

    def terms(self) -> tuple[int, list[tuple[int, str]]]:
        """Return the generation, and the number and terms of every passage."""
        with self._lock, self._checked():
            self._db.execute("BEGIN")  # one view of both
            try:
                generation = self.generation()
                rows = self._db.execute("SELECT number, terms FROM passages ORDER BY number")
                return generation, [(number, terms.decode()) for number, terms in rows]
            finally:
                self._db.execute("COMMIT")

    def passages(self, numbers: Sequence[int]) -> dict[int, Passage]:
        """Return passages by number; one that has gone since is left out."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT number, id, metadata, text FROM passages"
                " WHERE number IN (SELECT value FROM json_each(?))",
                (json.dumps(numbers),),
            ).fetchall()
        return {passage.number: passage for passage in map(_passage, rows)}

    def numbers(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the numbers of passages by id; an id without a passage is left out."""
        with self._reading() as db:
            return dict(
                db.execute(
                    "SELECT id, number FROM passages WHERE id IN (SELECT value FROM json_each(?))",
                    (json.dumps(ids),),
                ).fetchall()
            )

    # Vectors.

    def to_embed(self, most: int) -> list[Passage]:
        """Return the first passages without a vector."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT number, id, metadata, text FROM passages WHERE embedded = 0"
                " ORDER BY number LIMIT ?",
                (most,),
            ).fetchall()
        return [_passage(row) for row in rows]

    def count_embedded(self) -> int:
        """Return how many passages have a vector."""
        with self._reading() as db:
            row = db.execute("SELECT count(*) FROM passages WHERE embedded = 1").fetchone()
        return int(row[0])

    def has_embedded(self) -> bool:
        """Return whether any passage has a vector."""
        with self._reading() as db:
            row = db.execute("SELECT EXISTS (SELECT 1 FROM passages WHERE embedded = 1)").fetchone()
        return bool(row[0])

    def mark_embedded(self, numbers: Iterable[int]) -> None:
        """Record that the vectors of passages are stored."""
        with self._writing() as db:
            db.executemany(
                "UPDATE passages SET embedded = 1 WHERE number = ?", ((n,) for n in numbers)
            )

    def keep_embedded(self, ids: set[str]) -> None:
        """Record that only these vectors are stored."""
        with self._writing() as db:
            rows = db.execute("SELECT id FROM passages WHERE embedded = 1").fetchall()
            lost = ((name,) for (name,) in rows if name not in ids)
            db.executemany("UPDATE passages SET embedded = 0 WHERE id = ?", lost)
            known = {name for (name,) in db.execute("SELECT id FROM passages")}
            db.executemany(
                "INSERT OR IGNORE INTO strays VALUES (?)", ((name,) for name in ids - known)
            )

    def strays(self) -> list[str]:
        """Return ids whose vectors may be stored though their passages are gone."""
        with self._reading() as db:
            rows = db.execute("SELECT id FROM strays WHERE id NOT IN (SELECT id FROM passages)")
            return [str(name) for (name,) in rows]

    def forget_strays(self) -> None:
        """Record that no vector without a passage is left."""
        with self._writing() as db:
            db.execute("DELETE FROM strays")

    def advance(self) -> None:
        """Let the generation grow."""
        with self._writing() as db:
            db.execute(_ADVANCE)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def _id(source: Source, passage: Document) -> str:
    content = json.dumps([*source, _json(passage.metadata), passage.page_content])
    return blake2b(content.encode(), digest_size=16).hexdigest()


def _json(metadata: dict[str, Any]) -> str:
    return json.dumps(metadata, sort_keys=True, default=str)


def _columns(passage: Document) -> tuple[str, bytes, bytes]:
    title = str(passage.metadata.get("title", ""))
    terms = words(f"{title}\n{passage.page_content}")
    return _json(passage.metadata), _bytes(passage.page_content), _bytes(" ".join(terms))


def _passage(row: tuple[int, str, str, bytes]) -> Passage:
    number, name, metadata, text = row
    return Passage(number, name, Document(page_content=_text(text), metadata=json.loads(metadata)))
