"""An index as a LangChain retriever."""

import asyncio

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from shoestring.tools.index.index import Index

__all__ = ["IndexRetriever"]


class IndexRetriever(BaseRetriever):
    """Retrieves passages from an `Index`, in any chain that takes a retriever.

    The documents carry `score`; `invoke(query, k=5)` asks for another number of passages once.
    Asynchronous calls search in a thread, so the event loop is not held up.

    >>> from shoestring.tools.index.index import Index
    >>> index = Index.open(None, None)
    >>> _ = index.update([Document("Cats purr.", metadata={"source": "cats"})])
    >>> [found.page_content for found in IndexRetriever(index=index, k=3).invoke("purring cats")]
    ['Cats purr.']
    """

    index: Index
    """Where to search; whoever opened it closes it."""
    k: int = Field(default=20, gt=0)
    """The most passages returned."""

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - LangChain's signature
        k: int | None = None,
    ) -> list[Document]:
        return self.index.search(query, self.k if k is None else k)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002 - as above
        k: int | None = None,
    ) -> list[Document]:
        return await asyncio.to_thread(self.index.search, query, self.k if k is None else k)
