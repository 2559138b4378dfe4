"""The trimmer as a LangChain document compressor."""

from collections.abc import Callable, Sequence

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ConfigDict, Field

from shoestring.tools.relevance.ranker import Ranker
from shoestring.tools.relevance.tiers.tier import Tier
from shoestring.tools.trimming.kinds import KINDS, Kind
from shoestring.tools.trimming.trim import Fill, Order, trim

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
            The kept pieces, as `trim` describes them.
        """
        return trim(
            documents,
            query,
            self.tokens,
            count=self.count,
            render=self.render,
            fill=self.fill,
            order=self.order,
            tiers=self.tiers,
            ranker=self.ranker,
            kinds=self.kinds,
        ).documents
