"""What is left, told to the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.messages import HumanMessage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoestring.budget import Caps, Ledger

# The least share that is left, its band, and what to do about it. Source: BATS, arXiv:2511.17006.
_BANDS = (
    (0.7, "HIGH", "work as thoroughly as the task needs"),
    (0.3, "MEDIUM", "take only steps that clearly help"),
    (0.1, "LOW", "take only the one or two steps that matter most, then answer"),
    (0.0, "CRITICAL", "answer now, from what you have"),
)


def note(ledger: Ledger) -> HumanMessage:
    """Return the message that tells an agent what is used and what is left for work.

    The band is that of the cap with the smallest share left.

    >>> from shoestring.budget import Budget, Ledger
    >>> note(Ledger(Budget(tokens=8_000, answer_reserve=400))).text
    '[budget] 0 tokens used, 7,600 of 8,000 left. HIGH: work as thoroughly as the task needs.'
    """
    share, told = 1.0, list[str]()
    for unit, used, free, limit in _figures(ledger, ledger.affordable()):
        share = min(share, free / limit if limit else 0.0)
        money = unit == "dollars"
        told.append(
            f"{_written(used, money=money)}{'' if money else f' {unit}'} used, "
            f"{_written(free, money=money)} of {_written(limit, money=money)} left"
        )
    band, advice = next((band, advice) for least, band, advice in _BANDS if share >= least)
    return HumanMessage(f"[budget] {'; '.join(told)}. {band}: {advice}.")


def _figures(ledger: Ledger, left: Caps) -> Iterator[tuple[str, float, float, float]]:
    """Yield (unit, used, left, limit) of each cap that binds, of the nearest ledger that has it."""
    for unit, field in (
        ("tokens", "tokens"),
        ("dollars", "nanodollars"),
        ("calls", "calls"),
        ("seconds", "seconds"),
    ):
        free = getattr(left, field)
        owner: Ledger | None = ledger
        while owner is not None and getattr(owner.limit, field) is None:
            owner = owner.parent
        if free is None or owner is None:
            continue
        used = owner.elapsed if field == "seconds" else getattr(owner.spent, field)
        yield unit, used, free, getattr(owner.limit, field)


def _written(figure: float, *, money: bool) -> str:
    return f"${figure / 1e9:,.6f}" if money else f"{figure:,.0f}"
