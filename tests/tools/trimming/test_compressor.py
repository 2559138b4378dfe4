"""The trimmer in LangChain's place for compressors."""

import asyncio
from typing import Any

import pytest
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from pydantic import ValidationError

from shoestring.tools.trimming.compressor import TrimCompressor
from shoestring.tools.trimming.render import render

DOCUMENTS = [
    Document("Cats sleep all day and all night."),
    Document("The analytical engine was designed by Charles Babbage."),
]


class Shelf(BaseRetriever):
    """Returns every document."""

    def _get_relevant_documents(self, query: str, **_: object) -> list[Document]:
        return DOCUMENTS


def test_keeps_what_is_relevant() -> None:
    """Compressing is trimming, in sync and async code alike."""
    compressor = TrimCompressor(tokens=15)
    assert isinstance(compressor, BaseDocumentCompressor)
    kept = compressor.compress_documents(DOCUMENTS, "Who designed the engine?")
    assert [piece.page_content for piece in kept] == [DOCUMENTS[1].page_content]
    later = asyncio.run(compressor.acompress_documents(DOCUMENTS, "Who designed the engine?"))
    assert later == kept


def test_in_a_chain() -> None:
    """Between a retriever and a prompt it cuts the context to size."""
    compressor = TrimCompressor(tokens=15)

    def shorten(found: dict[str, Any]) -> list[Document]:
        return list(compressor.compress_documents(found["documents"], found["query"]))

    chain = (
        {"documents": Shelf(), "query": RunnablePassthrough()}
        | RunnableLambda(shorten)
        | RunnableLambda(render)
    )
    assert chain.invoke("Who designed the engine?") == DOCUMENTS[1].page_content


def test_negative_tokens_are_refused() -> None:
    """A budget below zero is refused when the compressor is made."""
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        TrimCompressor(tokens=-1)
