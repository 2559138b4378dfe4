"""The bands of what is left: how freely to spend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shoestring.budget import Caps, Ledger

Band = Literal["high", "medium", "low", "critical"]

FLOORS: tuple[tuple[Band, float], ...] = (("high", 0.7), ("medium", 0.3), ("low", 0.1))
"""The least share of a budget that is left in each band; below the last it is critical.

Source: BATS, arXiv:2511.17006.
"""

FIELDS: Mapping[str, str] = {
    "tokens": "tokens",
    "dollars": "nanodollars",
    "calls": "calls",
    "seconds": "seconds",
}
"""The unit in which each cap is told, and its field in `Caps`."""


def band_of(share: float) -> Band:
    """Return the band of a share that is left.

    >>> band_of(0.7), band_of(0.69), band_of(0.0)
    ('high', 'medium', 'critical')
    """
    for band, floor in FLOORS:
        if share >= floor:
            return band
    return "critical"


def share_left(ledger: Ledger) -> float:
    """Return the share of the budget that is left for this handle's purpose: of its shortest cap.

    >>> from shoestring.budget import Amount, Budget, Ledger
    >>> ledger = Ledger(Budget(tokens=1_000, calls=10))
    >>> ledger.reserve(Amount(input_tokens=600, calls=1)).settle(Amount(input_tokens=600, calls=1))
    >>> share_left(ledger)
    0.4
    """
    figured = figures(ledger, ledger.affordable())
    return min((free / limit if limit else 0.0 for _, _, free, limit in figured), default=1.0)


def figures(ledger: Ledger, left: Caps) -> Iterator[tuple[str, float, float, float]]:
    """Yield (unit, used, left, limit) of each cap that binds, of the nearest ledger that has it."""
    for unit, field in FIELDS.items():
        free = getattr(left, field)
        owner: Ledger | None = ledger
        while owner is not None and getattr(owner.limit, field) is None:
            owner = owner.parent
        if free is None or owner is None:
            continue
        used = owner.elapsed if field == "seconds" else getattr(owner.spent, field)
        yield unit, used, free, getattr(owner.limit, field)
