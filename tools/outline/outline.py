"""Outline: documents as trees, to be read roughly first and then where it matters."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import count as numbers
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from langchain_core.documents import Document

from shoestring.tools.index.index import Update
from shoestring.tools.outline.contents import Contents, contents
from shoestring.tools.outline.errors import UnknownNode
from shoestring.tools.outline.node import Node
from shoestring.tools.outline.opening import Opened, breadcrumb, opened
from shoestring.tools.outline.reading import Found, excerpt
from shoestring.tools.outline.refining import Refined, refined
from shoestring.tools.outline.store import Held, Source, Store
from shoestring.tools.outline.vectors import follow
from shoestring.tools.outline.workers import Change, default_count, grown
from shoestring.tools.relevance.tiers.tier import Tier
from shoestring.tools.trimming.trim import Fill, Trimmed

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.vectorstores import VectorStore

    from shoestring.budget import Ledger

__all__ = ["Outline"]

_GROWING = 1  # changes when trees are made differently, so that stored ones follow
_PIECE = 2**20  # characters of a text that are hashed together

Count = Callable[[str], int]


class Outline:
    r"""Documents as trees: sections, pages, clauses, tables or topics, and the passages in them.

    Every node has an id that is the same in every build of the same text, its place in the source,
    its tokens, and a gist that names what it covers, without a model. Sentences and table rows are
    found when a passage is read.

    An outline is built in memory or in a file. In a file it is built anew only where documents
    have changed, a build that is killed goes on where it ended, and several threads and processes
    may read it while one writes.

    >>> text = "# Cats\n\nThey purr when content.\n\n# Dogs\n\nThey bark at the postman."
    >>> outline = Outline.build([Document(text, metadata={"source": "pets.md"})])
    >>> [(node.kind, node.title) for node in outline.inside(outline.documents()[0].id)]
    [('section', 'Cats'), ('passage', ''), ('section', 'Dogs'), ('passage', '')]
    """

    def __init__(
        self,
        store: Store,
        *,
        tokens: int,
        count: Count | None,
        vectors: "VectorStore | None" = None,
    ) -> None:
        """See `build` and `load`."""
        self._vectors = vectors
        self._store = store
        self._tokens = tokens
        self._given = count
        self._count = count or default_count()

    @classmethod
    def build(
        cls,
        documents: Iterable[Document],
        path: str | Path | None = None,
        *,
        tokens: int = 200,
        count: Count | None = None,
        vectors: "VectorStore | None" = None,
        workers: int = 1,
        wait: float = 60,
    ) -> Self:
        """Build an outline, or bring the one in a file in line with the documents.

        Documents that follow each other and have one `source` are the parts of one: pages, passages
        or turns of a chat. Their metadata `title` ("Report > Notes"), `page` and `start` are used.

        Args:
            documents: For example from `read`; they are all there is: others are removed from the
                file, unless `documents` raises.
            path: A file, which is created; None keeps the outline in memory.
            tokens: The size of a passage, by estimate.
            count: Counts the tokens of a text; o200k_base by default.
            vectors: A LangChain vector store of the outline's own that follows it, for passages that
                say in other words what is asked; its errors pass through.
            workers: How many processes read documents, for a corpus of many megabytes; `count` must
                then be something that can be pickled, and a script begin with
                `if __name__ == "__main__":`.
            wait: How long to wait for another process that is writing, in seconds.

        Raises:
            ValueError: If `tokens` or `workers` is not positive.
            WorkerLost: If one of several workers was killed or could not start.
            OutlineCorrupt: If the file is damaged, or belongs to another program.
            OutlineMismatch: If another version of shoestring made it.
            OutlineBusy: If another process writes to it and does not finish in time.
        """
        if tokens <= 0:
            raise ValueError(f"tokens must be positive, not {tokens}")
        store = Store(None if path is None else Path(path), wait=wait, new=True)
        try:
            outline = cls(store, tokens=tokens, count=count, vectors=vectors)
            outline.update(documents, workers=workers)
        except BaseException:
            store.close()
            raise
        return outline

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        count: Count | None = None,
        vectors: "VectorStore | None" = None,
        wait: float = 60,
    ) -> Self:
        """Open an outline that was built in a file.

        Raises:
            FileNotFoundError: If there is none.
            OutlineCorrupt: If the file is damaged, or belongs to another program.
            OutlineMismatch: If another version of shoestring made it.
        """
        store = Store(Path(path), wait=wait, new=False)
        tokens = int(store.fact("tokens") or 200)
        return cls(store, tokens=tokens, count=count, vectors=vectors)

    def update(
        self, documents: Iterable[Document], *, whole: bool = True, workers: int = 1
    ) -> Update:
        """Bring the outline in line with documents; only those that changed are read anew.

        Args:
            documents: As for `build`. One document's parts are held in memory at a time, with
                several workers those of a few.
            whole: The documents are all there is; else others stay.
            workers: As for `build`.

        Raises:
            ValueError: If `workers` is not positive.
            WorkerLost: As for `build`.
        """
        if workers < 1:
            raise ValueError(f"workers must be 1 or more, not {workers}")
        self._store.set_fact("tokens", str(self._tokens))
        if self._vectors is not None:
            self._store.send_all()
        known = self._store.hashes()
        places: dict[Source, int] = {}
        added = changed = 0
        changes = self._changes(documents, known, places)
        for change, nodes in grown(changes, self._tokens, self._given, workers):
            self._store.replace(change.source, change.digest, change.place, nodes)
            added += change.new
            changed += not change.new
        # A source that came in fewer parts than before has changed, whatever else is kept.
        names = {source.name for source in places}
        gone = [source for source in known if whole or source.name in names]
        for source in gone:
            self._store.replace(source, None, 0, iter(()))
        if whole:
            self._store.place(places)
        if self._vectors is not None:
            follow(self._store, self._vectors)
        return Update(added, changed, len(places) - added - changed, len(gone))

    def _changes(
        self, documents: Iterable[Document], known: dict[Source, str], places: dict[Source, int]
    ) -> Iterator[Change]:
        """Yield the documents that are not as they are `known`; take those that came out of it.

        Args:
            documents: What there is.
            known: The hashes of the documents that the store has.
            places: Gets the place of each document.
        """
        seen: Counter[str] = Counter()
        for name, parts in _grouped(documents):
            source = Source(name, seen[name])
            seen[name] += 1
            place = places[source] = len(places)
            digest = self._digest(parts)
            before = known.pop(source, None)
            if before != digest:
                yield Change(source, place, digest, parts, before is None)

    # Looking.

    def __len__(self) -> int:
        """Return the number of nodes, passages included."""
        return len(self._store)

    def __getitem__(self, name: str) -> Node:
        """Return a node by id.

        Raises:
            UnknownNode: If this outline has none of that id.
        """
        return self._find(name).node

    def documents(self, most: int | None = None) -> list[Node]:
        """Return the documents in order; the first `most`, if that is given."""
        return [held.node for held in self._store.roots(-1 if most is None else most)]

    def children(self, name: str, most: int | None = None) -> list[Node]:
        """Return the nodes that stand directly in one, in order; the first `most`, if that is given."""
        found = self._store.children(self._find(name), -1 if most is None else most)
        return [held.node for held in found]

    def inside(self, name: str) -> list[Node]:
        """Return all nodes inside one, in reading order, parents first."""
        under = self._find(name)
        return [held.node for held in self._store.inside(under, 2**31, -1)]

    def above(self, name: str) -> list[Node]:
        """Return the nodes that one stands in, the document first."""
        held = self._find(name)
        return [above.node for above in self._store.above([held.at])[held.at]]

    def contents(self, tokens: int, under: str | None = None) -> Contents:
        """Return a table of contents, at the depth that fits.

        Args:
            tokens: Room, in model tokens. 0 gives an empty one.
            under: The id of a node whose parts are listed; None lists the documents.

        Raises:
            ValueError: If `tokens` is negative.
            UnknownNode: If no node has that id.
        """
        _check(tokens)
        return contents(self._store, self._under(under), tokens, self._count)

    def open(self, name: str, tokens: int) -> Opened:
        """Return the text of a node, from its beginning, as much as fits.

        Args:
            name: The id of any node.
            tokens: Room, in model tokens.

        Raises:
            ValueError: If `tokens` is negative.
            UnknownNode: If no node has that id.
        """
        _check(tokens)
        return opened(self._store, self._find(name), tokens, self._count)

    def passages(self, name: str) -> list[Document]:
        """Return the passages of a node in order, with their `source`, `start`, `end` and `title`.

        Raises:
            UnknownNode: If no node has that id.
        """
        held = self._find(name)
        found = self._store.passages(held.at, held.last)
        above = self._store.above([passage.held.at for passage in found])
        return [
            Document(
                page_content=passage.text.strip(),
                metadata={
                    "source": passage.held.node.source,
                    "start": passage.held.node.start,
                    "end": passage.held.node.end,
                    "title": breadcrumb([one.node for one in above[passage.held.at]]),
                },
            )
            for passage in found
        ]

    def read(
        self,
        query: str,
        tokens: int,
        under: str | None = None,
        *,
        fill: Fill = "relevant",
        tiers: Sequence[Tier] = (),
    ) -> Trimmed:
        """Return what tells most about a query, from wherever it stands, without a model.

        All levels are scored together: a sentence or table row by its own words, by those of its
        passage and its headings, and by what the part tells that it stands in. Names and numbers
        that the best passages tell of lead to others. Each piece stands under its headings; a
        table keeps its header, a clause its number, a turn of a chat its speaker.

        Args:
            query: What is asked.
            tokens: Room, in model tokens. 0 keeps nothing.
            under: The id of a node to read in; None reads all documents.
            fill: As for `trim`.
            tiers: As for `trim`.

        Returns:
            As of `trim`; `dropped` lists what was left out of the passages that were looked at.

        Raises:
            ValueError: If `tokens` is negative, the query is empty or `fill` unknown.
            UnknownNode: If no node has that id.
        """
        return self._excerpt(query, tokens, under, fill=fill, tiers=tiers).kept

    def search(self, query: str, tokens: int, under: str | None = None) -> Found:
        """Read as `read` does, with the id of its part above each piece, for a reader who may open it.

        Returns:
            What was kept, and as `missed` what was relevant and had no room.

        Raises:
            ValueError: If `tokens` is negative or the query is empty.
            UnknownNode: If no node has that id.
        """
        return self._excerpt(query, tokens, under, fill="relevant", ids=True)

    def refine(self, model: "BaseChatModel", ledger: "Ledger", under: str | None = None) -> Refined:
        """Let a model write the gists, the roughest level first, until the ledger's budget ends.

        Every call is reserved before it is made, as node "refine", and its output bounded. What a
        model wrote is kept in the outline by what it was shown, so it is asked once for the same
        content, also after a rebuild. Of each gist the part's own terms stay.

        Args:
            model: Any chat model; it is guarded here.
            ledger: Who pays.
            under: The id of a part to refine; None refines all.

        Returns:
            How many gists were written, known already, and left as they were.

        Raises:
            UnknownNode: If no node has that id.
        """
        return refined(self._store, model, ledger, self._under(under))

    def count(self, text: str) -> int:
        """Count the tokens of a text, as everything here is counted."""
        return self._count(text)

    def _excerpt(
        self,
        query: str,
        tokens: int,
        under: str | None,
        *,
        fill: Fill,
        ids: bool = False,
        tiers: Sequence[Tier] = (),
    ) -> Found:
        _check(tokens)
        if not query.strip():
            raise ValueError("the query is empty: say what the text is needed for")
        if fill not in ("relevant", "budget"):
            raise ValueError(f'fill must be "relevant" or "budget", not {fill!r}')
        within = self._under(under)
        return excerpt(
            self._store,
            query,
            tokens,
            within,
            count=self._count,
            fill=fill,
            ids=ids,
            vectors=self._vectors,
            tiers=tiers,
        )

    # Closing.

    def close(self) -> None:
        """Close the file; an outline in memory is gone."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _under(self, name: str | None) -> Held | None:
        return None if name is None else self._find(name)

    def _find(self, name: str) -> Held:
        held = self._store.node(name.strip().strip("[]"))
        if held is None:
            raise UnknownNode(
                f"no node of this outline has the id {name!r:.60}: take one from its contents, "
                "and after a change of the documents from the new contents"
            )
        return held

    def _digest(self, parts: Sequence[Document]) -> str:
        content = blake2b(digest_size=16)
        content.update(f"{_GROWING} {self._tokens}".encode())
        for part in parts:
            used = {key: part.metadata.get(key) for key in ("title", "page", "start")}
            facts = json.dumps(used, default=str)
            text = part.page_content
            content.update(f"\0{len(text)} {facts}\0".encode())
            for at in range(0, len(text), _PIECE):
                content.update(text[at : at + _PIECE].encode("utf-8", "surrogatepass"))
        return content.hexdigest()


def _grouped(documents: Iterable[Document]) -> Iterable[tuple[str, list[Document]]]:
    """Yield documents with their parts, in order; one without a source stands by itself."""
    parts: list[Document] = []
    name = ""
    nameless = numbers(1)
    for document in documents:
        source = document.metadata.get("source")
        known = isinstance(source, str) and bool(source)
        own = str(source) if known else f"document {next(nameless)}"
        if parts and own != name:
            yield name, parts
            parts = []
        name = own
        parts.append(document)
    if parts:
        yield name, parts


def _check(tokens: int) -> None:
    if tokens < 0:
        raise ValueError(f"tokens must be 0 or more, not {tokens}")
