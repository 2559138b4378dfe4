"""Answers: which texts hold the kind of thing that is asked for."""

import pytest

from shoestring.tools.relevance.answers import holds_answer

TEXTS = [
    "It was opened in 1871.",
    "It was opened by Grace Darling.",
    "It has steps: 163.",
    "It stands on a cape.",
]


@pytest.mark.parametrize(
    ("query", "held"),
    [
        ("When was it opened?", [True, False, False, False]),
        ("In which year did it open?", [True, False, False, False]),
        ("How many steps are there?", [True, False, True, False]),
        ("Who opened it?", [False, True, False, False]),
        ("Who was Grace Darling?", [False, False, False, False]),
        ("Wie viele Stufen?", [True, False, True, False]),
        ("Quand ?", [True, False, False, False]),
        ("Where does it stand?", [False, False, False, False]),
        ("When was it built?\nAnd who opened it?", [False, True, False, False]),
    ],
)
def test_kinds_of_answers(query: str, held: list[bool]) -> None:
    """Times, numbers and names are told apart; the last line of a conversation is the question."""
    assert holds_answer(query, TEXTS) == held
