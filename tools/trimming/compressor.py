"""The trimmer as a LangChain document compressor."""

from collections.abc import Callable, Sequence

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ConfigDict, Field

from shoestring.tools.relevance.ranker import Ranker
from shoestring.tools.relevance.tiers.tier import Tier
from shoestring.tools.stash import Shelf
from shoestring.tools.stash.marks import defused, mark
from shoestring.tools.trimming.kinds import KINDS, Kind
from shoestring.tools.trimming.render import render as plain
from shoestring.tools.trimming.trim import Fill, Order, Trimmed, trim

__all__ = ["TrimCompressor"]


class TrimCompressor(BaseDocumentCompressor):
    """Keeps what tells most about a query, within a number of tokens.

    Takes the place of any `BaseDocumentCompressor`; in a chain, call it between the retriever and
    the prompt. The tokens are those of the pieces as `render` writes them, titles included.

    >>> compressor = TrimCompressor(tokens=8, count=lambda text: len(text.split()))
    >>> page = Document("Ada wrote her notes in the year 1843. Babbage never built his engine.")
    >>> [piece.page_content for piece in compressor.compress_documents([page], "Ada's notes")]
    ['Ada wrote her notes in the year 1843.']
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True)

    tokens: int = Field(ge=0)
    """Room, in model tokens."""
    fill: Fill = "relevant"
    """Stop where relevance ends, or use the room."""
    count: Callable[[str], int] | None = None
    """Counts the tokens of a text; o200k_base by default."""
    render: Callable[[Sequence[Document]], str] | None = None
    """Writes documents as the text that is sent; see `trim`."""
    order: Order = "original"
    """Keep the order, or put the documents with the best pieces first and last; see `trim`."""
    tiers: Sequence[Tier] = ()
    """Dearer looks at what words rank best; see `trim`."""
    ranker: Ranker | None = None
    """An order fitted to your own cases; see `trim`."""
    kinds: Sequence[Kind] = KINDS
    """The kinds of text to look for; see `trim`."""
    shelf: Shelf | None = None
    """Where what came in is kept when something of it is left out. The last document then is a mark,
    which says how to ask for it: give a shelf only where the model has a `RecallTool` of its stash.
    What looks like a mark in the documents is written with parentheses, so no text can pass for one."""

    def compress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks = None,  # noqa: ARG002 - LangChain's signature
    ) -> Sequence[Document]:
        """Trim documents to the tokens there are.

        Args:
            documents: What was retrieved.
            query: What is asked.
            callbacks: LangChain's; nothing here calls back.

        Returns:
            The kept pieces, as `trim` describes them; behind them a mark, if there is a shelf.

        Raises:
            ValueError: As `trim` does.
            StashError: If the shelf cannot keep what came in.
        """
        if self.shelf is None:
            return self._trimmed(documents, query, self.tokens).documents
        return self._with_mark(documents, query, self.shelf)

    def _trimmed(self, documents: Sequence[Document], query: str, tokens: int) -> Trimmed:
        return trim(
            documents,
            query,
            tokens,
            count=self.count,
            render=self.render,
            fill=self.fill,
            order=self.order,
            tiers=self.tiers,
            ranker=self.ranker,
            kinds=self.kinds,
        )

    def _with_mark(
        self, documents: Sequence[Document], query: str, shelf: Shelf
    ) -> Sequence[Document]:
        """Trim to what a mark leaves; without one where nothing is missing, or it does not fit."""
        clean = [_defused(document, shelf) for document in documents]
        kept = self._trimmed(clean, query, self.tokens)
        if not kept.dropped:
            return kept.documents
        count, render = self.count or _o200k(), self.render or plain
        whole = plain(documents)
        handle = shelf.put(whole)
        if not handle:
            return kept.documents
        missing = count(whole)
        room = self.tokens - count(mark(missing, handle))
        while room > 0:
            less = self._trimmed(clean, query, room)
            written = mark(max(1, missing - less.tokens), handle)
            marked = [*less.documents, Document(written, metadata={"source": handle, "start": 0})]
            over = count(render(marked)) - self.tokens
            if over <= 0:
                return marked
            room -= over
        return kept.documents


def _defused(document: Document, shelf: Shelf) -> Document:
    """Give a document in which nothing passes for a mark that is none of this shelf."""
    clean = defused(document.page_content, shelf.has)
    return (
        document
        if clean == document.page_content
        else document.model_copy(update={"page_content": clean})
    )


def _o200k() -> Callable[[str], int]:
    from shoestring.models.counting.counting import counter

    return counter("o200k_base").count
