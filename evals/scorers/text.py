"""Scores of texts: the same, overlapping, contained."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoestring.evals.scores import plain

if TYPE_CHECKING:
    from shoestring.evals.cases import Case
    from shoestring.evals.outcome import Outcome

_CJK = 0x2E80  # the first block of characters that are written without blanks
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def bare(text: str) -> str:
    """Write a text for comparison as SQuAD does: lower case, no punctuation, no articles.

    >>> bare("The  St. Lawrence's mouth!")
    'st lawrences mouth'
    """
    kept = "".join(c for c in plain(text) if not unicodedata.category(c).startswith("P"))
    return " ".join(_ARTICLES.sub(" ", kept).split())


@dataclass(frozen=True, slots=True)
class ExactMatch:
    """Whether the answer is one of the right ones, punctuation, case and articles aside.

    (Rajpurkar et al., SQuAD, arXiv:1606.05250.)
    """

    name: str = "exact"

    def score(self, case: Case, outcome: Outcome) -> float | None:
        """Return 1 or 0; None where the case has no answers."""
        if not case.answers:
            return None
        return float(bare(outcome.answer) in {bare(answer) for answer in case.answers})


@dataclass(frozen=True, slots=True)
class TokenF1:
    """The F1 of the answer's words and those of the nearest right one (SQuAD, as above)."""

    name: str = "f1"

    def score(self, case: Case, outcome: Outcome) -> float | None:
        """Return 0 to 1; None where the case has no answers."""
        if not case.answers:
            return None
        said = bare(outcome.answer).split()
        return max(_f1(said, bare(answer).split()) for answer in case.answers)


@dataclass(frozen=True, slots=True)
class Contains:
    """Whether a right answer stands in what was said, at the borders of words.

    All of them where the case demands it (`meta.all_answers_required`).
    """

    name: str = "contains"

    def score(self, case: Case, outcome: Outcome) -> float | None:
        """Return 1 or 0; None where the case has no answers."""
        wanted = [plain(answer) for answer in case.answers if plain(answer)]
        if not wanted:
            return None
        said = plain(outcome.answer)
        stands = [_stands(answer, said) for answer in wanted]
        return float(all(stands) if case.meta.get("all_answers_required") is True else any(stands))


def _stands(answer: str, said: str) -> bool:
    """Whether it stands there, and not within a longer word or number."""
    left, right = _worded(answer[0]), _worded(answer[-1])
    start = said.find(answer)
    while start >= 0:
        end = start + len(answer)
        before, after = said[start - 1 : start], said[end : end + 1]
        if not (left and _joins(before)) and not (right and _joins(after)):
            return True
        start = said.find(answer, start + 1)
    return False


def _joins(character: str) -> bool:
    """Whether what stands beside a word makes it part of a longer one; nothing does not."""
    return character.isalnum() or character == "_"


def _worded(character: str) -> bool:
    """Whether words of its script end at a border that can be seen: CJK's do not."""
    return character.isalnum() and ord(character) < _CJK


def _f1(said: list[str], wanted: list[str]) -> float:
    if not said or not wanted:
        return float(said == wanted)
    shared = (Counter(said) & Counter(wanted)).total()
    return 2 * shared / (len(said) + len(wanted))
