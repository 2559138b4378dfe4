"""Answers agree by value, then by meaning, and never because they are merely alike in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings

from shoestring.graphs.agreement import agreement
from shoestring.models import static_embeddings

FERRY = "How many people does the ferry to Ellery Island carry?"


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        (FERRY, "The ferry carries 1,200 people [1].", "1200"),
        (FERRY, "It carries 120 people.", "120 passengers, says the timetable"),
        ("Who painted it?", "Mary Cassatt", "It was painted by Mary Cassatt."),
        ("Who painted it?", "MARY CASSATT!", "mary cassatt"),
        ("Does it carry cars?", "No.", "No, it does not carry cars."),
        ("Is it red or green?", "It is red.", "red"),
        ("Who?", "The sources do not say.", "The text does not mention it."),
        ("谁画的?", "玛丽画的。", "玛丽画的"),
    ],
)
def test_what_says_the_same_agrees(question: str, one: str, other: str) -> None:
    """Separators, case, citations, the question's own words and what one adds do not part answers."""
    assert agreement([one, other], question) == [0, 0]


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        (FERRY, "It carries 120 people.", "It carries 12 people."),
        (FERRY, "It carries 120 people.", "It carries 120 people in 3 decks."),
        ("Does it carry cars?", "Yes.", "No."),
        ("Does it carry cars?", "It carries cars.", "It doesn't carry cars."),
        ("Is it red or green?", "It is red.", "It is green."),
        ("Who painted it?", "Mary Cassatt", "Berthe Morisot"),
        ("Who came first?", "Ann came before Bob", "Bob came before Ann"),
        ("Who?", "The sources do not say.", "Ann"),
        ("How far?", "1.5 km", "15 km"),
    ],
)
def test_what_says_otherwise_does_not(question: str, one: str, other: str) -> None:
    """Another number, name, order, choice or a "not" parts answers."""
    assert agreement([one, other], question) == [0, 1]


class Alike(Embeddings):
    """Everything means the same."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[1.0, 0.0] for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        raise NotImplementedError(text)


def test_meaning_joins_words_but_neither_numbers_nor_negation() -> None:
    """Embeddings that find all alike join what differs in words only."""
    answers = ["the vessel", "a ship", "not a ship", "2 ships", "3 ships"]
    assert agreement(answers, "What?", Alike()) == [0, 0, 1, 2, 3]


def test_static_embeddings_tell_apart_what_they_should() -> None:
    """The packaged vectors join a paraphrase and keep two names apart."""
    answers = ["an attorney at law", "a lawyer", "Berthe Morisot", "Mary Cassatt"]
    found = agreement(answers, "Who?", static_embeddings())
    assert len({found[0], found[2], found[3]}) == 3


@given(
    answers=st.lists(st.text(max_size=30) | st.sampled_from(["12", "twelve", "no", "not 12"])),
    question=st.text(max_size=30),
)
def test_more_answers_never_change_what_was_said_of_the_ones_before(
    answers: list[str], question: str
) -> None:
    """Groups are numbered as they come up, equal answers are one, and a prefix keeps its groups."""
    found = agreement(answers, question)
    assert len(found) == len(answers)
    for place in range(len(answers)):
        assert found[place] <= max(found[:place], default=-1) + 1
        assert agreement(answers[:place], question) == found[:place]
        assert found[place] == found[answers.index(answers[place])]
