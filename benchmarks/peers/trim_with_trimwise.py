"""trimwise: excerpts of many sources under one limit, counted by the tokenizer we count with."""

from trimming import Passage, count, main
from trimwise import ContextSource, Trimmer


def trimmed(question: str, room: int, passages: list[Passage]) -> str:
    """Trim sources with their titles in front."""
    sources = [
        ContextSource(text=p.text, prefix=f"{p.title}\n" if p.title else "")
        for p in passages
        if p.text.strip()
    ]
    found = Trimmer().trim_context(
        sources, room, query=question, token_counter=count, separator="\n\n"
    )
    return found.text or ""


main("trimwise", trimmed)
