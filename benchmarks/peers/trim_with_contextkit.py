"""cendor-contextkit: blocks by priority, which is all it knows; ours are the ranks by BM25."""

from cendor.contextkit import Block, Context
from trimming import Passage, main


def trimmed(question: str, room: int, passages: list[Passage]) -> str:  # noqa: ARG001 - scored before
    """Assemble one block a passage."""
    context = Context(budget_tokens=room, model="gpt-4o")
    ranked = sorted(passages, key=lambda passage: passage.score)
    ranks = {id(passage): rank for rank, passage in enumerate(ranked)}
    for passage in passages:
        context.add(Block(passage.whole, priority=ranks[id(passage)], evict="truncate"))
    return "\n\n".join(str(message["content"]) for message in context.assemble())


main("cendor-contextkit", trimmed)
