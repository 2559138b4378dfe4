"""What is left, told to the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.messages import HumanMessage

from shoestring.agents.bands import band_of, figures

if TYPE_CHECKING:
    from shoestring.agents.bands import Band
    from shoestring.budget import Ledger

_ADVICE: dict[Band, str] = {
    "high": "work as thoroughly as the task needs",
    "medium": "take only steps that clearly help",
    "low": "take only the one or two steps that matter most, then answer",
    "critical": "answer now, from what you have",
}


def note(ledger: Ledger) -> HumanMessage:
    """Return the message that tells an agent what is used and what is left for work.

    The band is that of the cap with the smallest share left.

    >>> from shoestring.budget import Budget, Ledger
    >>> note(Ledger(Budget(tokens=8_000, answer_reserve=400))).text
    '[budget] 0 tokens used, 7,600 of 8,000 left. HIGH: work as thoroughly as the task needs.'
    """
    share, told = 1.0, list[str]()
    for unit, used, free, limit in figures(ledger, ledger.affordable()):
        share = min(share, free / limit if limit else 0.0)
        money = unit == "dollars"
        told.append(
            f"{_written(used, money=money)}{'' if money else f' {unit}'} used, "
            f"{_written(free, money=money)} of {_written(limit, money=money)} left"
        )
    band = band_of(share)
    return HumanMessage(f"[budget] {'; '.join(told)}. {band.upper()}: {_ADVICE[band]}.")


def _written(figure: float, *, money: bool) -> str:
    return f"${figure / 1e9:,.6f}" if money else f"{figure:,.0f}"
