"""What a tier is: a second, dearer look at the units that cheaper looks left standing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from shoestring.budget import Amount

__all__ = ["Floats", "Tier", "TierCost", "cosines"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TierCost:
    """What a look at some units costs, for whoever decides whether to take it."""

    seconds: float
    """Time, with nothing cached and the model loaded; estimated from the tier's measured speed."""
    amount: Amount = field(default_factory=Amount)
    """The most it spends: tokens, nanodollars, calls."""


@runtime_checkable
class Tier(Protocol):
    """Scores units against a query by other means than shared words.

    Tiers stand in order of cost. Each looks at the `most` best units as all tiers before rank them,
    and its scores are mixed in with `weight`; see `fused`.
    """

    @property
    def name(self) -> str:
        """What receipts and messages call it."""
        ...

    @property
    def most(self) -> int:
        """How many units it looks at, at most."""
        ...

    @property
    def weight(self) -> float:
        """The weight of its scores beside those of all tiers before, in [0, 1]."""
        ...

    def forecast(self, units: int, tokens: int) -> TierCost:
        """Say what a look would cost.

        Args:
            units: How many units there are; of more than `most`, `most` are looked at.
            tokens: The tokens of one unit, about.
        """
        ...

    def score(self, query: str, units: Sequence[str]) -> Floats | None:
        """Score units.

        Args:
            query: What is asked.
            units: The texts of the units, at least one and at most `most`.

        Returns:
            A score a unit, in [0, 1], higher for more relevant; None where the tier has nothing to
            say (its budget has ended): then the ranking before it stands.
        """
        ...


def cosines(units: Sequence[Sequence[float]], query: Sequence[float]) -> Floats:
    """Give the cosine of each unit's vector with the query's; below 0, and of zeros, 0.

    >>> cosines([[3.0, 0.0], [0.0, 0.0], [-1.0, 0.0]], [2.0, 0.0]).tolist()
    [1.0, 0.0, 0.0]
    """
    rows, asked = np.asarray(units, np.float64), np.asarray(query, np.float64)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(asked)
    found = np.clip((rows @ asked) / np.where(lengths > 0, lengths, 1.0), 0.0, 1.0)
    return np.nan_to_num(found)
