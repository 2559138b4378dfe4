"""Tiers fused: each on what those before left standing, by the stated rule."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shoestring.tools.relevance.tiers import Tier, TierCost, fused, tiers_named


@dataclass
class Liking:
    """Scores a unit by a number it holds; notes what it was shown."""

    most: int = 100
    weight: float = 0.5
    name: str = "liking"
    silent: bool = False
    shown: list[list[str]] = field(default_factory=list[list[str]])

    def forecast(self, units: int, tokens: int) -> TierCost:
        return TierCost(float(min(units, self.most) * tokens))

    def score(self, query: str, units: Sequence[str]) -> NDArray[np.float64] | None:
        self.shown.append(list(units))
        return None if self.silent else np.array([float(unit) for unit in units])


UNITS = ["0.1", "0.9", "0.2", "0.8"]
VALUES = np.array([1.0, 0.5, 0.4, 0.0])


def test_a_protocol_of_four_members() -> None:
    """A tier of a user's own is one class; the packaged ones have the same members."""
    assert isinstance(Liking(), Tier)
    assert all(isinstance(tier, Tier) for tier in tiers_named("static,bi-encoder,cross-encoder:x"))


def test_the_rule_by_hand() -> None:
    """Both rankings count scaled, by the tier's weight; the height is the best seen."""
    values, height, _ = fused(VALUES, 0.3, UNITS, "which one", [Liking()])
    mixed = 0.5 * VALUES + 0.5 * np.array([0.1, 0.9, 0.2, 0.8]) / 0.9
    assert np.allclose(values, mixed / mixed.max())
    assert height == 0.9


def test_a_number_in_the_query_has_to_match_exactly() -> None:
    """With a number in the query a tier weighs a fifth."""
    values, _, _ = fused(VALUES, 0.3, UNITS, "which one of 1998", [Liking()])
    mixed = 0.9 * VALUES + 0.1 * np.array([0.1, 0.9, 0.2, 0.8]) / 0.9
    assert np.allclose(values, mixed / mixed.max())


def test_each_tier_looks_at_what_the_one_before_left() -> None:
    """The best units of the ranking so far are shown, in reading order, and no others."""
    first, second = Liking(most=3, weight=0.9), Liking(most=2)
    fused(VALUES, 0.3, UNITS, "which", [first, second])
    assert first.shown == [["0.1", "0.9", "0.2"]]
    assert second.shown == [["0.9", "0.2"]]


def test_without_a_word_in_common_a_tier_looks_everywhere() -> None:
    """Where no unit has a value, units evenly spaced over all are shown."""
    tier = Liking(most=3)
    values, height, _ = fused(
        np.zeros(5), 0.0, ["0.1", "0.2", "0.3", "0.4", "0.5"], "which", [tier]
    )
    assert tier.shown == [["0.1", "0.3", "0.5"]]
    assert np.allclose(values, [0.2, 0, 0.6, 0, 1])
    assert height == 0.5


def test_a_silent_tier_changes_nothing() -> None:
    """Where a tier has nothing to say the ranking before it stands."""
    values, height, _ = fused(VALUES, 0.3, UNITS, "which", [Liking(silent=True)])
    assert np.array_equal(values, VALUES)
    assert height == 0.3


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20),
    st.floats(0, 1),
    st.integers(1, 25),
)
def test_values_stay_in_bounds(units: list[tuple[float, float]], weight: float, most: int) -> None:
    """Whatever is mixed, values lie in [0, 1], one a unit, and a better pair is never ranked lower."""
    before = np.array([value for value, _ in units])
    tier = Liking(most=most, weight=weight)
    values, _, _ = fused(before, 0.5, [str(seen) for _, seen in units], "q", [tier])
    assert values.shape == before.shape
    assert (values >= 0).all()
    assert (values <= 1 + 1e-9).all()
    if most >= len(units):
        for i, one in enumerate(units):
            for j, other in enumerate(units):
                if one[0] >= other[0] and one[1] >= other[1]:
                    assert values[i] >= values[j] - 1e-9


def test_unknown_names_are_refused() -> None:
    """A tier that does not exist is named, with those that do."""
    assert tiers_named(" ") == ()
    for name in ("nonsense", "cross-encoder:"):
        with pytest.raises(ValueError, match="static, bi-encoder, cross-encoder:MODEL"):
            tiers_named(f"static,{name}")
