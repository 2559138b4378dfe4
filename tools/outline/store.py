"""The store of an outline: its nodes, its passages and an index of their words, in SQLite.

One document is one transaction, so a build that is killed leaves whole documents, and the next one
goes on with the rest. Readers see the documents as they were when their step began, and wait for
nobody.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from shoestring.tools.outline.file import File
from shoestring.tools.outline.gists import lead
from shoestring.tools.outline.grow import Grown
from shoestring.tools.outline.node import Node
from shoestring.tools.words.words import has_unspaced, words

__all__ = ["DOCUMENT", "Held", "Passage", "Source", "Store"]

DOCUMENT = 2**32
"""Places that a document has: a node's place divided by it is the document's number."""
_SHORT = 10  # characters of an id: 50 bits tell the nodes of a million passages apart

_NODE = (
    "SELECT n.id, p.id, n.kind, n.title, d.source, n.start, n.end, n.tokens, n.gist, n.at, n.last,"
    " n.depth, n.head, d.place FROM nodes n LEFT JOIN nodes p ON p.at = n.parent"
    " JOIN documents d ON d.document = n.at >> 32 "
)


class Source(NamedTuple):
    """A document by name; `nth` counts the documents of that name before it."""

    name: str
    nth: int


class Held(NamedTuple):
    """A node with its place in the store."""

    node: Node
    at: int
    last: int
    """The place of the last node inside it."""
    depth: int
    head: str
    """For a passage in the middle of a table: the table's header."""
    place: int
    """The place of its document among all."""


class Passage(NamedTuple):
    """A passage with its text and the white space up to the next."""

    held: Held
    text: str


class Store(File):
    """The nodes in a file; every method is one transaction."""

    # Writing.

    def hashes(self) -> dict[Source, str]:
        """Return the content hash of every document."""
        with self._reading() as db:
            rows = db.execute("SELECT source, nth, hash FROM documents").fetchall()
        return {Source(_text(name), nth): digest for name, nth, digest in rows}

    def place(self, places: dict[Source, int]) -> None:
        """Say in which order documents stand."""
        with self._writing() as db:
            db.executemany(
                "UPDATE documents SET place = ? WHERE source = ? AND nth = ? AND place != ?",
                ((at, _bytes(one.name), one.nth, at) for one, at in places.items()),
            )

    def replace(
        self, source: Source, digest: str | None, place: int, nodes: Iterator[Grown]
    ) -> None:
        """Make `nodes` all there is of a document; a digest of None removes it."""
        key = (_bytes(source.name), source.nth)
        with self._writing() as db:
            row = db.execute(
                "SELECT document FROM documents WHERE source = ? AND nth = ?", key
            ).fetchone()
            if row is not None:
                self._remove(db, int(row[0]))
            if digest is None:
                return
            document = db.execute(
                "INSERT INTO documents (source, nth, place, hash) VALUES (?, ?, ?, ?)",
                (*key, place, digest),
            ).lastrowid
            assert document is not None  # noqa: S101 - of an INSERT
            followed = db.execute("SELECT 1 FROM facts WHERE name = 'vectors'").fetchone()
            for node in nodes:
                self._insert(db, document * DOCUMENT, node)
                if followed and node.kind == "passage":
                    self._note(db, document * DOCUMENT + node.number)

    def _insert(self, db: sqlite3.Connection, base: int, node: Grown) -> None:
        at = base + node.number
        row = (
            *(at, base + node.last, base + node.parent if node.parent >= 0 else -1, node.depth),
            *(node.kind, node.id[:_SHORT], _bytes(node.title), node.start, node.end, node.tokens),
            *(_bytes(node.gist), _bytes(node.head)),
        )
        statement = "INSERT OR IGNORE INTO nodes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        if not db.execute(statement, row).rowcount:  # another node has that id
            db.execute(statement, (*row[:5], node.id, *row[6:]))
        if node.kind == "passage":
            db.execute("INSERT INTO texts VALUES (?, ?)", (at, _bytes(node.text)))
        db.execute(
            "INSERT INTO found (rowid, title, text) VALUES (?, ?, ?)",
            (at, *_searched(node.title, node.head, node.text)),
        )

    def _note(self, db: sqlite3.Connection, at: int) -> None:
        """Note a passage for a vector store; one that it has had all along needs no note."""
        name = "(SELECT id FROM nodes WHERE at = ?)"
        if not db.execute(f"DELETE FROM unsent WHERE gone = 1 AND id = {name}", (at,)).rowcount:  # noqa: S608 - ours
            db.execute(f"INSERT OR REPLACE INTO unsent SELECT {name}, 0", (at,))

    def _remove(self, db: sqlite3.Connection, document: int) -> None:
        span = (document * DOCUMENT, (document + 1) * DOCUMENT - 1)
        rows = db.execute(
            "SELECT n.at, n.title, n.head, t.text FROM nodes n LEFT JOIN texts t"
            " ON t.at = n.at WHERE n.at BETWEEN ? AND ?",
            span,
        )
        # An index without its content is told what it held.
        db.executemany(
            "INSERT INTO found (found, rowid, title, text) VALUES ('delete', ?, ?, ?)",
            (
                (at, *_searched(_text(title), _text(head), _text(text or b"")))
                for at, title, head, text in rows
            ),
        )
        db.execute(
            "INSERT INTO unsent SELECT id, 1 FROM nodes WHERE kind = 'passage' AND at BETWEEN ? AND ?"
            " AND EXISTS (SELECT 1 FROM facts WHERE name = 'vectors')"
            # It may never have been sent, so if the passage comes back, it is sent again.
            " ON CONFLICT (id) DO UPDATE SET gone = 2",
            span,
        )
        db.execute("DELETE FROM texts WHERE at BETWEEN ? AND ?", span)
        db.execute("DELETE FROM nodes WHERE at BETWEEN ? AND ?", span)
        db.execute("DELETE FROM documents WHERE document = ?", (document,))

    def send_all(self) -> None:
        """Note all passages for a vector store, unless one follows already."""
        with self._writing() as db:
            new = db.execute("INSERT OR IGNORE INTO facts VALUES ('vectors', '1')").rowcount
            if new:
                db.execute(
                    "INSERT OR REPLACE INTO unsent SELECT id, 0 FROM nodes WHERE kind = 'passage'"
                )

    def unsent(self, most: int, *, gone: bool) -> list[tuple[str, str]]:
        """Return passages that a vector store is to add or to delete: id and text."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT u.id, t.text FROM unsent u LEFT JOIN nodes n ON n.id = u.id"
                " LEFT JOIN texts t ON t.at = n.at WHERE (u.gone > 0) = ? ORDER BY u.id LIMIT ?",
                (int(gone), most),
            ).fetchall()
        return [(name, _text(text or b"").strip()) for name, text in rows]

    def sent(self, names: Sequence[str]) -> None:
        """Take note that a vector store has what it was to do."""
        with self._writing() as db:
            db.executemany("DELETE FROM unsent WHERE id = ?", ((name,) for name in names))

    def refine(self, at: int, gist: str, key: str | None = None) -> None:
        """Set the gist of a node, and remember it by the hash of what it was written from."""
        with self._writing() as db:
            db.execute("UPDATE nodes SET gist = ? WHERE at = ?", (_bytes(gist), at))
            if key is not None:
                db.execute("INSERT OR REPLACE INTO refined VALUES (?, ?)", (key, _bytes(gist)))

    def refined(self, key: str) -> str | None:
        """Return a gist that was remembered."""
        with self._reading() as db:
            row = db.execute("SELECT gist FROM refined WHERE hash = ?", (key,)).fetchone()
        return None if row is None else _text(row[0])

    # Reading.

    def __len__(self) -> int:
        with self._reading() as db:
            return int(db.execute("SELECT count(*) FROM nodes").fetchone()[0])

    def node(self, name: str) -> Held | None:
        """Return a node by id; None if there is none."""
        found = self._held("WHERE n.id = ?", (name,))
        return found[0] if found else None

    def roots(self, most: int) -> list[Held]:
        """Return the first documents in order."""
        return self._held("WHERE n.parent = -1 ORDER BY d.place, n.at LIMIT ?", (most,))

    def children(self, of: Held, most: int) -> list[Held]:
        """Return the first nodes that stand directly in one, in order."""
        return self._held("WHERE n.parent = ? ORDER BY n.at LIMIT ?", (of.at, most))

    def above(self, places: Sequence[int]) -> dict[int, list[Held]]:
        """Return the nodes that others stand in, by the others' places, the document first."""
        chains: dict[int, list[Held]] = {}
        known: dict[int, Held] = {}
        with self._reading() as db:
            rows = db.execute(
                "WITH RECURSIVE up(at, to_at) AS (SELECT value, value FROM json_each(?)"
                " UNION ALL SELECT up.at, n.parent FROM up JOIN nodes n ON n.at = up.to_at"
                " WHERE n.parent >= 0) SELECT at, to_at FROM up WHERE at != to_at",
                (json.dumps(list(places)),),
            ).fetchall()
        for held in self._held(
            "WHERE n.at IN (SELECT value FROM json_each(?))",
            (json.dumps(sorted({above for _, above in rows})),),
        ):
            known[held.at] = held
        for at, above in rows:
            chains.setdefault(at, []).append(known[above])
        for chain in chains.values():
            chain.sort(key=lambda held: held.depth)
        return {at: chains.get(at, []) for at in places}

    def size(self, under: Held | None, *, directly: bool = False) -> int:
        """Return how many nodes stand in one, or in all documents; those directly in it if so."""
        where, given = _directly(under) if directly else _inside(under)
        with self._reading() as db:
            (number,) = db.execute(f"SELECT count(*) FROM nodes n {where}", given).fetchone()  # noqa: S608 - ours
        return int(number)

    def largest(self, under: Held | None, most: int) -> list[Held]:
        """Return the nodes directly in one, or the documents, with the most tokens, largest first."""
        where, given = _directly(under)
        return self._held(f"{where} ORDER BY n.tokens DESC, n.at LIMIT ?", (*given, most))

    def level(self, under: Held | None, depth: int) -> list[Held]:
        """Return the nodes of one depth, passages aside, in reading order."""
        where, given = _inside(under)
        return self._held(
            f"{where} AND n.depth = ? AND n.kind != 'passage' ORDER BY d.place, n.at",
            (*given, depth),
        )

    def inside(self, under: Held | None, deepest: int, most: int) -> list[Held]:
        """Return the first nodes down to a depth, in reading order, without `under` itself."""
        where, given = _inside(under)
        return self._held(
            f"{where} AND n.depth <= ? ORDER BY d.place, n.at LIMIT ?", (*given, deepest, most)
        )

    def passages(self, first: int, last: int, most: int = -1) -> list[Passage]:
        """Return the passages between two places, in order."""
        found = self._held(
            "WHERE n.kind = 'passage' AND n.at BETWEEN ? AND ? ORDER BY n.at LIMIT ?",
            (first, last, most),
        )
        return self._with_texts(found)

    def search(self, terms: Sequence[str], under: Held | None, most: int) -> list[int]:
        """Return the places of the passages that hold some of the terms, best first by BM25.

        What the title of a part says counts for its passages nearby: where it stands first.
        """
        asked = " OR ".join('"' + term.replace('"', '""') + '"' for term in terms)
        first, last = (0, 2**62) if under is None else (under.at, under.last)
        with self._reading() as db:
            rows = db.execute(
                "SELECT f.rowid FROM found f JOIN texts t ON t.at = f.rowid"
                " WHERE found MATCH ? AND f.rowid BETWEEN ? AND ? ORDER BY rank LIMIT ?",
                (asked, first, last, most),
            ).fetchall()
        return [int(at) for (at,) in rows]

    def places(self, names: Sequence[str]) -> list[int]:
        """Return the places of passages by id, in the order of the ids; unknown ones left out."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT id, at FROM nodes WHERE id IN (SELECT value FROM json_each(?))",
                (json.dumps(list(names)),),
            ).fetchall()
        known = {str(name): int(at) for name, at in rows}
        return [known[name] for name in names if name in known]

    def count_passages(self, under: Held | None) -> int:
        """Return how many passages stand in a node, or in all documents."""
        first, last = (0, 2**62) if under is None else (under.at, under.last)
        with self._reading() as db:
            row = db.execute(
                "SELECT count(*) FROM texts WHERE at BETWEEN ? AND ?", (first, last)
            ).fetchone()
        return int(row[0])

    def passages_at(self, places: Iterable[int]) -> list[Passage]:
        """Return passages by place, in reading order; their nodes are without a gist."""
        found = self._held(
            "WHERE n.at IN (SELECT value FROM json_each(?)) AND n.kind = 'passage'"
            " ORDER BY d.place, n.at",
            (json.dumps(list(places)),),
            leads=False,
        )
        return self._with_texts(found)

    def _with_texts(self, found: Sequence[Held]) -> list[Passage]:
        with self._reading() as db:
            rows = db.execute(
                "SELECT at, text FROM texts WHERE at IN (SELECT value FROM json_each(?))",
                (json.dumps([held.at for held in found]),),
            ).fetchall()
        texts = {at: _text(text) for at, text in rows}
        return [Passage(held, texts[held.at]) for held in found if held.at in texts]

    def _held(self, where: str, given: tuple[object, ...], *, leads: bool = True) -> list[Held]:
        """Return nodes; a passage's first sentence is its gist, which takes time to find."""
        with self._reading() as db:
            rows = db.execute(_NODE + where, given).fetchall()
            told = {
                at: lead(_text(text))
                for at, text in db.execute(
                    "SELECT at, text FROM texts WHERE at IN (SELECT value FROM json_each(?))",
                    (json.dumps([row[9] for row in rows if leads and row[2] == "passage"]),),
                )
            }
        return [_as_held(row, told) for row in rows]


def _inside(under: Held | None) -> tuple[str, tuple[int, ...]]:
    if under is None:
        return "WHERE n.at >= ?", (0,)
    return "WHERE n.at > ? AND n.at <= ?", (under.at, under.last)


def _directly(under: Held | None) -> tuple[str, tuple[int, ...]]:
    return "WHERE n.parent = ?", (-1 if under is None else under.at,)


def _as_held(row: tuple[Any, ...], leads: dict[int, str]) -> Held:
    name, parent, kind, title, source, start, end, tokens, gist, at, last, depth, head, place = row
    told = leads.get(at, "") if kind == "passage" else _text(gist)
    node = Node(name, parent or "", kind, _text(title), _text(source), start, end, tokens, told)
    return Held(node, at, last, depth, _text(head), place)


def _searched(title: str, head: str, text: str) -> tuple[str, str]:
    """Give what is indexed of a node: words of scripts without spaces parted as `words` does."""
    return _indexed(f"{title} {head}"), _indexed(text)


def _indexed(text: str) -> str:
    """Part the words of scripts without spaces as `words` does; others SQLite knows to part."""
    if text.isascii():
        return text
    return " ".join(words(text)) if has_unspaced(text) else _text(text.encode(errors="replace"))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")
