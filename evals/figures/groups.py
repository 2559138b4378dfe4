"""Whom does a budget hurt? The same figures by any field of the cases' `meta`."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from shoestring.evals.figures.table import by_case, right
from shoestring.evals.intervals import difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shoestring.evals.cases import Case
    from shoestring.evals.running.result import Result

_MISSING = "(none)"
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Group:
    """Cases that share a value of a field.

    Attributes:
        value: The value, as text.
        cases: How many.
        full: Mean score in the column with more budget, 0 to 1.
        tight: In the column with less.
        loss: `full - tight`.
        low: The lower end of the 95 % interval of the loss, paired by case.
        high: The upper end.
    """

    value: str
    cases: int
    full: float
    tight: float
    loss: float
    low: float
    high: float


def hurt_most(
    cases: Sequence[Case],
    tight: Sequence[Result],
    full: Sequence[Result],
    field: str,
    scorer: str,
) -> list[Group]:
    """Return what a tighter budget costs each group, the group that loses most first.

    Args:
        cases: The suite's.
        tight: Results under the smaller budget.
        full: Under the larger.
        field: A field of `meta`; cases without it are a group of their own. "length" is the length
            of the context in characters, by quarters of the suite.
        scorer: Whose score is compared.
    """
    values = _lengths(cases) if field == "length" else {c.id: _value(c.meta, field) for c in cases}
    less = by_case(tight, lambda result: right(result, scorer))
    more = by_case(full, lambda result: right(result, scorer))
    members: dict[str, list[str]] = {}
    for case, value in values.items():
        if case in less and case in more:
            members.setdefault(value, []).append(case)
    groups: list[Group] = []
    for value, ids in members.items():
        best, kept = [more[case] for case in ids], [less[case] for case in ids]
        loss, low, high = difference(best, kept)
        groups.append(Group(value, len(ids), fmean(best), fmean(kept), loss, low, high))
    return sorted(groups, key=lambda group: (-group.loss, group.value))


def _value(meta: Mapping[str, object], field: str) -> str:
    value = meta.get(field)
    return _MISSING if value is None else str(value)[:_LONGEST]


def _lengths(cases: Sequence[Case]) -> dict[str, str]:
    sizes = {case.id: sum(len(passage.text) for passage in case.passages) for case in cases}
    ranked = sorted(sizes, key=lambda case: sizes[case])
    names = ("shortest quarter", "second quarter", "third quarter", "longest quarter")
    return {case: names[4 * place // len(ranked)] for place, case in enumerate(ranked)}
