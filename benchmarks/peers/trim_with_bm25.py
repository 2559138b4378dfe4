"""Whole passages by BM25, the best first, while they fit."""

from trimming import Passage, filled, main


def trimmed(question: str, room: int, passages: list[Passage]) -> str:  # noqa: ARG001 - scored before
    """Take the best."""
    return filled(sorted(passages, key=lambda passage: -passage.score), room)


main("tiktoken", trimmed)  # it has no package of its own
