"""What is left, told to the agent."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from langchain_core.messages import HumanMessage

from shoestring.agents.bands import FIELDS, band_of, figures, share_left

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shoestring.agents.bands import Band
    from shoestring.budget import Ledger

_ADVICE: dict[Band, str] = {
    "high": "work as thoroughly as the task needs",
    "medium": "take only steps that clearly help",
    "low": "take only the one or two steps that matter most, then answer",
    "critical": "answer now, from what you have",
}


def note(ledger: Ledger, tools: Mapping[str, Ledger] = MappingProxyType({})) -> HumanMessage:
    """Return the message that tells an agent what is used and what is left for work.

    The band is that of the cap with the smallest share left. Tools that have a budget of their own
    follow, each with what is left of it.

    >>> from shoestring.budget import Budget, Ledger
    >>> ledger = Ledger(Budget(tokens=8_000, answer_reserve=400))
    >>> note(ledger).text
    '[budget] 0 tokens used, 7,600 of 8,000 left. HIGH: work as thoroughly as the task needs.'
    >>> note(ledger, {"search": ledger.child(Budget(calls=5))}).text.splitlines()[1]
    '[budget of search] 0 calls used, 5 of 5 left.'
    """
    found = list(figures(ledger, ledger.affordable()))
    band = band_of(share_left(ledger))
    lines = [f"[budget] {_listed(found)}. {band.upper()}: {_ADVICE[band]}."]
    for name, account in tools.items():
        own = [
            one
            for one in figures(account, account.affordable())
            if getattr(account.limit, FIELDS[one[0]]) is not None
        ]
        lines.append(f"[budget of {name}] {_listed(own)}.")
    return HumanMessage("\n".join(lines))


def _listed(found: Iterable[tuple[str, float, float, float]]) -> str:
    told = list[str]()
    for unit, used, free, limit in found:
        money = unit == "dollars"
        told.append(
            f"{_written(used, money=money)}{'' if money else f' {unit}'} used, "
            f"{_written(free, money=money)} of {_written(limit, money=money)} left"
        )
    return "; ".join(told)


def _written(figure: float, *, money: bool) -> str:
    return f"${figure / 1e9:,.6f}" if money else f"{figure:,.0f}"
