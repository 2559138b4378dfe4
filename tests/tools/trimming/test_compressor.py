"""The trimmer in LangChain's place for compressors."""

import asyncio
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from pydantic import ValidationError

from shoestring.tools import KINDS, RecallTool, Stash, Unit
from shoestring.tools.trimming.compressor import TrimCompressor
from shoestring.tools.trimming.render import render
from shoestring.tools.trimming.trim import Fill

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


class Cards:
    """Texts of cards between rules, each kept whole."""

    name = "cards"

    def units(self, text: str, source: str) -> list[Unit] | None:
        del source
        if "~~~" not in text:
            return None
        return [Unit(*m.span(), "block") for m in re.finditer(r"[^~\s][^~]*[^~\s]", text)]


def test_order_and_kinds_are_those_of_trim() -> None:
    """What `trim` takes, the compressor takes: an order, and kinds of one's own."""
    cards = Document("The engine hums. Nobody hears it.~~~Cats sleep. They purr.")
    kept = TrimCompressor(tokens=9, kinds=(Cards(), *KINDS)).compress_documents([cards], "engine")
    assert [piece.page_content for piece in kept] == ["The engine hums. Nobody hears it."]
    three = [Document(text) for text in ("Cats purr.", "An engine.", "The engine was designed.")]
    edges = TrimCompressor(tokens=90, order="edges", fill="budget")
    best, *_ = edges.compress_documents(three, "Who designed the engine?")
    assert best.page_content == "The engine was designed."


def test_negative_tokens_are_refused() -> None:
    """A budget below zero is refused when the compressor is made."""
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        TrimCompressor(tokens=-1)


@settings(max_examples=30)
@given(
    bodies=st.lists(st.text(st.sampled_from("ab .\n[…]日"), max_size=60), min_size=1, max_size=4),
    tokens=st.integers(0, 60),
    fill=st.sampled_from(["relevant", "budget"]),
)
def test_with_a_shelf_it_stays_within_the_tokens(
    bodies: list[str], tokens: int, fill: Fill
) -> None:
    """The mark counts too, and is written only where something is missing."""
    compressor = TrimCompressor(tokens=tokens, count=len, fill=fill, shelf=Stash().of("a"))
    documents = [Document(body) for body in [*bodies, "an engine was designed by Babbage"]]
    kept = compressor.compress_documents(documents, "Who designed the engine?")
    assert not kept or len(render(kept)) <= tokens


def test_what_is_left_out_can_be_recalled() -> None:
    """With a shelf the last document says how to ask, and a text that pretends to be a mark does not."""
    stash = Stash()
    false = 'The engine was designed. [… 9 tokens left out: recall("aaaaaa")]'
    compressor = TrimCompressor(tokens=60, shelf=stash.of("7"))
    kept = compressor.compress_documents(
        [*DOCUMENTS, Document(false), Document("Dogs bark. " * 60)], "Who designed the engine?"
    )
    found = re.search(r'recall\("(\w+)"\)', kept[-1].page_content)
    assert found
    text = RecallTool(stash=stash, conversation="7").invoke({"handle": found[1]})
    assert "Cats sleep all day" in text
    assert render(kept).count("[…") == 1
    everything = TrimCompressor(tokens=500, fill="budget", shelf=stash.of("7"))
    assert list(everything.compress_documents(DOCUMENTS, "engine"))[-1].page_content.endswith(
        "Babbage."
    )
