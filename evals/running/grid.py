"""What is run: every case under every budget, on every route, with every seed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoestring.budget import Budget
from shoestring.evals.running.result import Key, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from decimal import Decimal

    from shoestring.evals.cases import Case

UNCAPPED = "uncapped"

NO_CAP = Budget(tokens=2**62)
"""The budget of a ledger that has to have one, where nothing is capped."""

_SPEC = re.compile(
    r"(?P<usd>\$)?(?P<number>\d{1,15}(?:\.\d{1,9})?)\s?(?P<unit>tokens|calls|s)?", re.IGNORECASE
)


def parse_budget(spec: Budget | int | str | None) -> Budget | None:
    """Read a budget: 500, "500", "$0.002", "3 calls", "20 s", several with "+", "uncapped" or None.

    Raises:
        ValueError: If it is none of these.

    >>> parse_budget("500 + $0.01")
    Budget(tokens=500, usd='0.01', calls=None, seconds=None, answer_reserve=0, per=None, repeats=None)
    """
    if spec is None or isinstance(spec, Budget):
        return spec
    if isinstance(spec, int):
        return Budget(tokens=spec)
    if spec.strip().casefold() in {UNCAPPED, "none"}:
        return None
    caps: dict[str, object] = {}
    for part in spec.split("+"):
        found = _SPEC.fullmatch(part.strip())
        unit = "" if found is None else (found["unit"] or "").casefold()
        if found is None or (found["usd"] and unit):
            raise ValueError(
                f"{spec!r:.60} is no budget: give tokens (500), dollars ($0.002), 3 calls, 20 s, "
                f"several of them with +, or {UNCAPPED}"
            )
        number = found["number"]
        if found["usd"]:
            caps["usd"] = number
        elif unit == "s":
            caps["seconds"] = float(number)
        elif "." in number:
            raise ValueError(f"{spec!r:.60}: {unit or 'tokens'} are whole")
        else:
            caps[unit or "tokens"] = int(number)
    return Budget(**caps)  # type: ignore[arg-type]  # as checked


def label(budget: Budget | None) -> str:
    """Write a budget as tables show it.

    >>> label(Budget(tokens=1_500, usd="0.01")), label(None)
    ('1,500 tokens + $0.01', 'uncapped')
    """
    if budget is None:
        return UNCAPPED
    caps = budget.caps
    said = [
        f"{caps.tokens:,} tokens" if caps.tokens is not None else "",
        f"${_plain(caps.usd)}" if caps.usd is not None else "",
        f"{caps.calls:,} calls" if caps.calls is not None else "",
        f"{caps.seconds:g} s" if caps.seconds is not None else "",
        f"{budget.repeats} repeats" if budget.repeats is not None else "",
    ]
    return " + ".join(part for part in said if part)


@dataclass(frozen=True, slots=True)
class Cell:
    """One run to be made."""

    key: Key
    case: Case
    budget: Budget | None


@dataclass(frozen=True, slots=True)
class Grid:
    """All runs of a sweep.

    Attributes:
        cases: The cases.
        budgets: By label.
        routes: "" where the target chooses.
        seeds: The repetitions.
    """

    cases: Sequence[Case]
    budgets: Mapping[str, Budget | None]
    routes: Sequence[str]
    seeds: Sequence[int]

    def __len__(self) -> int:
        return len(self.cases) * len(self.budgets) * len(self.routes) * len(self.seeds)

    def __iter__(self) -> Iterator[Cell]:
        """Yield the cells case by case, so that a part of a run has as many of each column."""
        for case in self.cases:
            for seed in self.seeds:
                for name, budget in self.budgets.items():
                    for route in self.routes:
                        yield Cell(Key(case.id, name, route, seed), case, budget)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a sweep has cost, and what it will.

    Attributes:
        runs: How many there are in all.
        done: How many are finished.
        spent_tokens: By those.
        spent_usd: Likewise.
        likely_tokens: For all runs, from the means of what is finished in each column; None before
            anything is.
        likely_usd: Likewise.
        most_tokens: What the runs that are left can spend at most; None if a budget does not say.
        most_usd: Likewise.
    """

    runs: int
    done: int
    spent_tokens: int
    spent_usd: float
    likely_tokens: float | None
    likely_usd: float | None
    most_tokens: float | None
    most_usd: float | None


class Tally:
    """Sums of a sweep under way, and the forecast they make: constant time a run."""

    def __init__(self, grid: Grid) -> None:
        self._runs = len(grid)
        self._each = self._runs // max(1, len(grid.budgets) * len(grid.routes))
        self._columns = {
            (name, route): _Column(budget)
            for name, budget in grid.budgets.items()
            for route in grid.routes
        }

    def add(self, result: Result) -> None:
        """Count a finished run; one of another grid is left aside."""
        column = self._columns.get((result.budget, result.route))
        if column is not None:
            column.add(result)

    def forecast(self) -> Forecast:
        """Return what the sums say."""
        columns = list(self._columns.values())
        left = [self._each - column.done for column in columns]
        pairs = list(zip(columns, left, strict=True))
        known = all(column.done or not more for column, more in pairs)
        tokens = sum(column.tokens for column in columns)
        usd = sum(column.usd for column in columns)
        caps = [(None if c.budget is None else c.budget.caps, more) for c, more in pairs]
        most_tokens = [
            0 if not n else None if c is None or c.tokens is None else c.tokens * n for c, n in caps
        ]
        most_usd = [
            0.0 if not n else None if c is None or c.usd is None else float(c.usd) * n
            for c, n in caps
        ]
        return Forecast(
            runs=self._runs,
            done=sum(column.done for column in columns),
            spent_tokens=tokens,
            spent_usd=usd,
            likely_tokens=tokens + sum(n * c.tokens / c.done for c, n in pairs if n)
            if known
            else None,
            likely_usd=usd + sum(n * c.usd / c.done for c, n in pairs if n) if known else None,
            most_tokens=_sum(most_tokens),
            most_usd=_sum(most_usd),
        )


class _Column:
    def __init__(self, budget: Budget | None) -> None:
        self.budget = budget
        self.done = 0
        self.tokens = 0
        self.usd = 0.0

    def add(self, result: Result) -> None:
        self.done += 1
        self.tokens += result.tokens
        self.usd += result.usd


def _sum(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _plain(usd: Decimal) -> str:
    text = f"{usd:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
