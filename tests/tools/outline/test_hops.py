"""Hops: names lead from one document to the next, and only where a question is left open."""

from dataclasses import replace

import numpy as np
from langchain_core.documents import Document

from shoestring.tools.outline.hops import followed
from shoestring.tools.relevance.score import Look, look
from shoestring.tools.trimming.pieces import Pieces

CHAIN = (
    "The Silver Tide is a play. It was staged for Ada Brook in a year of storms.",
    "Ada Brook, a maker of hats, was born in Kelmsworth beside the sea.",
    "Kelmsworth has a mayor, Rose Arden, who keeps bees.",
)
OTHERS = tuple(
    f"Marle {n} is a place where she was born for whom a play was staged by its mayor."
    for n in range(30)
)
QUESTION = "Who is the mayor of the place where she was born for whom The Silver Tide was staged?"
ROOM = 800.0


def looked(texts: tuple[str, ...], question: str) -> tuple[Look, Look, Pieces]:
    """Units as their words rank them, and after the hops."""
    pieces = Pieces([Document(text) for text in texts])
    found = look(pieces.texts, question, ROOM)
    return found, followed(found, pieces.texts, question, ROOM), pieces


def places(found: Look, pieces: Pieces) -> list[int]:
    """The documents in the order of their best units."""
    best = {
        place: found.shares[[owner == place for owner in pieces.owner]].max()
        for place in set(pieces.owner)
    }
    return sorted(best, key=lambda place: -best[place])


def test_a_chain_of_documents_is_followed_by_what_they_name() -> None:
    """The last of three, which only names lead to, ranks with the first two."""
    found, closed, pieces = looked((*CHAIN, *OTHERS), QUESTION)
    assert np.array_equal(found.shares, closed.shares)  # each word is held by the best units
    left_open = replace(found, said=((1.0, np.zeros(0, np.int64)),))
    hopped = followed(left_open, pieces.texts, QUESTION, ROOM)
    before, after = places(found, pieces).index(2), places(hopped, pieces).index(2)
    assert after < 5 < before
    assert hopped.shares.max() == 1.0


def test_a_question_that_is_answered_is_not_led_astray() -> None:
    """Where the best units hold the question's words, names are not followed."""
    found, hopped, _ = looked(
        (*CHAIN, *OTHERS), "Was Ada Brook, a maker of hats, born in Kelmsworth?"
    )
    assert np.array_equal(found.shares, hopped.shares)


def test_one_document_and_none_are_left_as_they_are() -> None:
    """There is nowhere to go."""
    for texts in ((), CHAIN[:1]):
        found, hopped, _ = looked(texts, QUESTION)
        assert np.array_equal(found.shares, hopped.shares)
