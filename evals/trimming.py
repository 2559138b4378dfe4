"""Trimming measured: does the evidence survive within a budget?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from time import perf_counter
from typing import TYPE_CHECKING

from langchain_core.documents import Document

from shoestring.evals.baseline import best_passages
from shoestring.evals.documents import documents_of
from shoestring.evals.intervals import interval
from shoestring.evals.reading import Reader
from shoestring.evals.scores import answer_oracle, answer_recall, gold_oracle, gold_recall
from shoestring.models.counting.counting import counter
from shoestring.models.counting.vocabularies import encoding
from shoestring.tools.trimming.render import render
from shoestring.tools.trimming.trim import Fill, trim

if TYPE_CHECKING:
    from shoestring.evals.cases import Case
    from shoestring.tools.relevance.tiers import Tier

__all__ = ["Method", "Room", "Row", "measure", "methods"]

_VOCABULARY = "cl100k_base"  # the figures are defined in it
_ROOM = re.compile(r"(\d{1,9})(%?)")

Count = Callable[[str], int]
Method = Callable[[Sequence[Document], str, int, Count], Sequence[Document]]
"""Takes passages, a question, the room and a counter; gives what it keeps of the passages.

A piece's `source` is that of its passage; where it is another, `passage` is the passage's number.
"""


@dataclass(frozen=True, slots=True)
class Room:
    """How many tokens there are: a number, or a share of the whole context as rendered."""

    amount: int
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> Room:
        """Read "256" or "10%".

        Raises:
            ValueError: If it is neither, or more than 100 %.
        """
        match = _ROOM.fullmatch(text.strip())
        if match is None or (match[2] and int(match[1]) > 100):  # noqa: PLR2004 - per cent
            raise ValueError(f"{text!r} is no budget: give tokens (256) or a share (10%)")
        return cls(int(match[1]), bool(match[2]))

    def __str__(self) -> str:
        return f"{self.amount}%" if self.percent else str(self.amount)

    def tokens(self, whole: int) -> int:
        """Give the tokens there are where the whole context has `whole`."""
        return whole * self.amount // 100 if self.percent else self.amount


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one method on one set within one room."""

    set: str
    method: str
    budget: str
    items: int
    """The cases that the recall with the interval is computed over; all where there is none."""
    answer_recall: float | None
    """Mean over the cases it applies to; None if it applies to none."""
    gold_recall: float | None
    """The same, over the cases that mark gold passages."""
    interval: tuple[float, float] | None
    """95 % of the answer recall, or of the gold recall where there is no answer recall."""
    oracle: float | None
    """The best possible answer recall, or gold recall where there is no answer recall, over the
    same cases."""
    gold_oracle: float | None
    """The best possible gold recall, over the same cases."""
    tokens_used: float
    """Mean of all cases with passages, counted on the rendered text."""
    tokens_limit: float
    """Mean of the same cases."""
    over_budget: int
    """How many of them have more tokens in the rendered text than the room."""
    ms_per_query: float
    """Their median."""


def methods(fill: Fill, tiers: Sequence[Tier] = ()) -> dict[str, Method]:
    """Give what is measured, by name: the trimmer, the baseline, and reading by an outline."""

    def trimmed(
        documents: Sequence[Document], query: str, tokens: int, count: Count
    ) -> Sequence[Document]:
        return trim(documents, query, tokens, count=count, fill=fill, tiers=tiers).documents

    return {"trim": trimmed, "bm25": best_passages, "read": Reader()}


def measure(
    name: str, cases: Sequence[Case], rooms: Sequence[Room], measured: Mapping[str, Method]
) -> Iterator[Row]:
    """Measure methods on the cases of one set.

    A method sees the passages' titles and texts and the question (with earlier turns); answers,
    marks and ids stay here. Cases without passages are left out.

    Args:
        name: The set's name, for the rows.
        cases: The cases.
        rooms: The budgets.
        measured: The methods by name.

    Yields:
        A row for each budget and method.
    """
    count = counter(_VOCABULARY).count
    usable = [case for case in cases if case.passages and case.asked.strip()]
    wholes = [count(render(documents_of(case))) for case in usable]
    for room in rooms:
        limits = [room.tokens(whole) for whole in wholes]
        best = [_oracles(case, limit, count) for case, limit in zip(usable, limits, strict=True)]
        for label, method in measured.items():
            figures = [
                _figures(case, limit, method, count)
                for case, limit in zip(usable, limits, strict=True)
            ]
            yield _row((name, label, str(room)), figures, best, limits)


@dataclass(frozen=True, slots=True)
class _Figures:
    answer: float | None
    gold: float | None
    used: int
    seconds: float


def _oracles(case: Case, limit: int, count: Count) -> tuple[float | None, float | None]:
    return answer_oracle(case, limit, count), gold_oracle(case, limit, encoding(_VOCABULARY))


def _figures(case: Case, limit: int, method: Method, count: Count) -> _Figures:
    # Made for each run: cases share passages, and a thousand documents for each case of a set
    # would take gigabytes. It also keeps methods from seeing what another did to them.
    documents = documents_of(case)
    began = perf_counter()
    kept = method(documents, case.asked, limit, count)
    seconds = perf_counter() - began
    text = render(kept)
    spans: dict[int, list[tuple[int, int]]] = {}
    for piece in kept:
        source = str(piece.metadata["source"]).removeprefix("passage ")
        place = int(piece.metadata.get("passage", source))
        start = int(piece.metadata.get("start", 0))
        # Parts of a JSON value are written anew inside its brackets, and say where they stood.
        held = piece.metadata.get("spans", [(start, start + len(piece.page_content))])
        spans.setdefault(place, []).extend(held)
    return _Figures(
        answer=answer_recall(case, text),
        gold=gold_recall(case, spans, encoding(_VOCABULARY)),
        used=count(text) if text else 0,
        seconds=seconds,
    )


def _row(
    names: tuple[str, str, str],
    figures: Sequence[_Figures],
    best: Sequence[tuple[float | None, float | None]],
    limits: Sequence[int],
) -> Row:
    answers = [f.answer for f in figures if f.answer is not None]
    gold = [f.gold for f in figures if f.gold is not None]
    oracles = [[value for value in one if value is not None] for one in zip(*best, strict=True)]
    answer_oracles, gold_oracles = oracles or ([], [])
    return Row(
        *names,
        items=len(answers or gold or figures),
        answer_recall=_mean(answers),
        gold_recall=_mean(gold),
        interval=interval(answers or gold),
        oracle=_mean(answer_oracles if answers else gold_oracles),
        gold_oracle=_mean(gold_oracles),
        tokens_used=fmean(f.used for f in figures) if figures else 0.0,
        tokens_limit=fmean(limits) if limits else 0.0,
        over_budget=sum(f.used > limit for f, limit in zip(figures, limits, strict=True)),
        ms_per_query=1000 * median(f.seconds for f in figures) if figures else 0.0,
    )


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
