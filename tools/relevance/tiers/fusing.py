"""Fusing: what the words say, mixed with what dearer tiers see."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoestring.tools.relevance.ranking import scaled
from shoestring.tools.relevance.tiers.tier import Floats, Tier

__all__ = ["Fused", "fused"]

_NUMBER = re.compile(r"\d")
_EXACT = 0.2  # of a tier's weight where the query holds a number


class Fused(NamedTuple):
    """What the tiers made of a ranking."""

    values: Floats
    """The units' values, 1 at most."""
    height: float
    """How well the best unit fits, in [0, 1]."""
    seen: dict[str, Floats]
    """Each tier's own scores of all units, by its name; 0 where it did not look."""


def fused(
    values: Floats, height: float, units: Sequence[str], query: str, tiers: Sequence[Tier]
) -> Fused:
    """Mix the scores of tiers into a ranking, each on the best units that those before left it.

    After a tier of weight w, a unit's value is (1 - w) x its value before + w x the tier's score, each
    scaled by its maximum; a unit the tier did not look at counts there as 0. Where the query holds
    a number, w is a fifth: years, amounts and identifiers have to match exactly, and to what is alike in
    meaning one number is as good as another. Where no unit has a value (no word in common), a tier
    looks at units evenly spaced over all.

    Args:
        values: Values of the units by all that was looked at before, at least 0.
        height: How well the best unit fits, in [0, 1].
        units: The units' texts.
        query: What is asked.
        tiers: The tiers, cheapest first.

    Returns:
        The values; the height, or the best score of a tier if that is higher; and what each tier saw.
    """
    exact = _EXACT if _NUMBER.search(query) else 1.0
    seen: dict[str, Floats] = {}
    for tier in tiers:
        seen[tier.name] = np.zeros(len(values))
        chosen = _standing(values, tier.most)
        places: list[int] = chosen.tolist()
        found = tier.score(query, [units[place] for place in places])
        if found is None or not found.any():
            continue
        seen[tier.name][chosen] = found
        weight = exact * tier.weight
        mixed = (1.0 - weight) * scaled(values)
        mixed[chosen] += weight * scaled(found)
        values, height = scaled(mixed), max(height, float(found.max()))
    return Fused(values, height, seen)


def _standing(values: Floats, most: int) -> NDArray[np.int64]:
    """Give the places of the best units, in reading order."""
    if len(values) <= most:
        return np.arange(len(values))
    if values.any():
        return np.sort(np.argsort(-values, kind="stable")[:most])
    return np.unique(np.linspace(0, len(values) - 1, most).astype(np.int64))
