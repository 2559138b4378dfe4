"""Which answers say the same: first by their normalised values, then by meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shoestring.graphs.check import CITATION, DECLINED, HEDGES, NUMBER, THOUSANDS, plain
from shoestring.tools.words.stems import stem
from shoestring.tools.words.stop_words import STOP_WORDS
from shoestring.tools.words.words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.embeddings import Embeddings

ALIKE = 0.8
"""Cosine from which two answers mean the same, where their numbers and their negations do."""

NEGATION = re.compile(r"\b(?:no|not|never|none|neither|nor|without|cannot)\b|n['’]t\b")
"""What turns an answer round (English)."""

Value = tuple[str, ...]
"""What an answer says beside its question: numbers and words, in order."""


@dataclass(frozen=True, slots=True)
class _Said:
    """One answer, taken apart."""

    value: Value
    numbers: frozenset[str]
    negated: bool
    text: str


def agreement(
    answers: Sequence[str], question: str, embeddings: Embeddings | None = None
) -> list[int]:
    """Say which answers agree: equal numbers for those that do, in the order in which they came up.

    An answer's value is what it says beside the question: its numbers without thousands separators and
    the stems of its words, articles and the like aside. Answers agree whose values are equal; or that
    have the same numbers, are both negated or both not, and one of which says all that the other says;
    or, with embeddings, that have the same numbers and negation and mean the same (`ALIKE`). Each answer
    is compared with the first of each group, so that more answers never change what was said of the
    ones before. An answer that declines agrees with those that decline.

    Args:
        answers: What was answered.
        question: What was asked.
        embeddings: Compare meanings; None compares words alone.

    Returns:
        A number an answer, from 0.

    >>> question = "How many people does the ferry carry?"
    >>> agreement(["It carries 1,200 people.", "1200 [1]", "The ferry carries 40.", "1200 souls"], question)
    [0, 0, 1, 0]
    """
    asked = {stem(word) for word in words(question)}
    said = [_taken_apart(answer, asked) for answer in answers]
    vectors = _vectors([one.text for one in said], embeddings)
    first: list[int] = []
    found: list[int] = []
    for place, one in enumerate(said):
        group = next(
            (
                number
                for number, other in enumerate(first)
                if _same(one, said[other], vectors, (place, other))
            ),
            len(first),
        )
        if group == len(first):
            first.append(place)
        found.append(group)
    return found


def _same(one: _Said, other: _Said, vectors: np.ndarray | None, places: tuple[int, int]) -> bool:
    if one.value == other.value:
        return True
    if one.numbers != other.numbers or one.negated != other.negated:
        return False
    few, many = sorted((one.value, other.value), key=len)
    rest = iter(many)
    if few and all(word in rest for word in few):  # in the same order
        return True
    return vectors is not None and float(vectors[places[0]] @ vectors[places[1]]) >= ALIKE


def _taken_apart(answer: str, asked: set[str]) -> _Said:
    text = plain(CITATION.sub("", answer))
    if DECLINED.search(text):
        return _Said(("declined",), frozenset(), negated=True, text="")
    said = [THOUSANDS.sub("", number) for number in NUMBER.findall(text)]
    told = [
        stem(word)
        for word in words(NUMBER.sub(" ", text))
        if word not in STOP_WORDS and word not in HEDGES
    ]
    negated = bool(NEGATION.search(text))
    value = (*said, *(word for word in told if word not in asked))
    if not value:  # it chooses among what the question offers
        value = tuple(told)
    return _Said((*value, "not") if negated else value, frozenset(said), negated, text)


def _vectors(texts: Sequence[str], embeddings: Embeddings | None) -> np.ndarray | None:
    """Return a unit vector a text; a text without one is like none."""
    if embeddings is None or not texts:
        return None
    rows = np.asarray(embeddings.embed_documents(list(texts)), dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)
