"""astromesh-context: scored candidates of one source; the scores are those of BM25."""

import asyncio

from astromesh_context import CallableSource, ContextEngine, ContextItem, ScoredKnapsack
from astromesh_context.tokens import TiktokenTokenizer
from trimming import Passage, main


def trimmed(question: str, room: int, passages: list[Passage]) -> str:
    """Build one window."""
    items = [
        ContextItem(
            id=str(place), content=p.whole, source="passages", kind="knowledge",
            stability="volatile", score=p.score,
        )
        for place, p in enumerate(passages)
    ]  # fmt: skip
    engine = ContextEngine(
        sources=[CallableSource(lambda *_: items, name="passages")],
        policy=ScoredKnapsack(),
        budget=room,
        tokenizer=TiktokenTokenizer("o200k_base"),
    )
    return asyncio.run(engine.build(question)).to_text()


main("astromesh-context", trimmed)
