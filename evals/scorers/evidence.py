"""Scores of what an answer rests on: evidence seen, sources cited, and knowing when to be silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoestring.evals.scores import gold_recall
from shoestring.models.counting.vocabularies import encoding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shoestring.evals.cases import Case
    from shoestring.evals.outcome import Outcome, Span

_VOCABULARY = "cl100k_base"  # the one the figures of a trim are defined in
_PASSAGE = "passage "


@dataclass(frozen=True, slots=True)
class EvidenceRecall:
    """The share of the gold passages' tokens that the target was shown, or cites where it tells no more."""

    name: str = "evidence recall"

    def score(self, case: Case, outcome: Outcome) -> float | None:
        """Return 0 to 1; None where no passage is gold."""
        kept = _by_passage(outcome.shown or outcome.cited)
        return gold_recall(case, kept, encoding(_VOCABULARY))


@dataclass(frozen=True, slots=True)
class CitationPrecision:
    """The share of the citations that stand in gold passages."""

    name: str = "citation precision"

    def score(self, case: Case, outcome: Outcome) -> float | None:
        """Return 0 to 1; None where no passage is gold or nothing is cited."""
        gold = {place for place, passage in enumerate(case.passages) if passage.gold}
        if not gold or not outcome.cited:
            return None
        places = [_place(span) for span in outcome.cited]
        return sum(place in gold for place in places) / len(places)


@dataclass(frozen=True, slots=True)
class Abstention:
    """Whether it answered what can be answered, and abstained from what cannot.

    A case cannot be answered where `meta.answerable` is false, or where it has no answers.
    """

    name: str = "abstention"

    def score(self, case: Case, outcome: Outcome) -> float | None:
        """Return 1 or 0."""
        answerable = case.meta.get("answerable") is not False and bool(case.answers)
        silent = outcome.kind == "abstained" or not outcome.answer.strip()
        return float(silent != answerable)


def _by_passage(spans: Iterable[Span]) -> dict[int, list[tuple[int, int]]]:
    kept: dict[int, list[tuple[int, int]]] = {}
    for span in spans:
        place = _place(span)
        if place is not None:
            kept.setdefault(place, []).append((span.start, span.end))
    return kept


def _place(span: Span) -> int | None:
    number = span.source.removeprefix(_PASSAGE)
    return int(number) if number.isascii() and number.isdigit() else None
