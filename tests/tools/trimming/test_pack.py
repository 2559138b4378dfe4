"""Packing: what fits, by measurement, beside an exact solver."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from shoestring.tools.trimming.pack import Packing, longest_prefix, pack
from shoestring.tools.trimming.worth import REPEATED, Told, Worth

Sizes = Sequence[int]


def plain(sizes: Sizes) -> Worth:
    """Give the worth of units of which the first are the most relevant."""
    return Worth([1.0 - 0.01 * place for place in range(len(sizes))], lambda u: max(1, sizes[u]))


def packed(worth: Worth, sizes: Sizes, limit: int, *, proven: bool = True) -> Packing:
    """Pack units whose tokens add up."""
    order = sorted(range(len(sizes)), key=lambda u: -worth.relevance[u])
    return pack(
        order,
        limit,
        worth=worth,
        cost=lambda u, _: sizes[u],
        shared=lambda _: (),
        measure=lambda units: sum(sizes[u] for u in units),
        proven=proven,
    )


def best_possible(worth: Worth, sizes: Sizes, limit: int) -> float:
    """Solve the same problem exactly: whole numbers say which units are taken, and which counts.

    Variables: taken units, the unit of each group that counts in full, and words that are said.
    """
    n, groups = len(sizes), [worth.same(u) for u in range(len(sizes))]
    words = sorted(worth.words)
    alone = np.array([worth.alone(u) for u in range(n)])
    value = np.concatenate(
        [REPEATED * alone, (1 - REPEATED) * alone, [worth.words[w] for w in words]]
    )
    rows: list[np.ndarray] = [np.concatenate([sizes, np.zeros(n + len(words))])]
    most: list[float] = [limit]
    for u in range(n):  # only a taken unit counts
        row = np.zeros(len(value))
        row[n + u], row[u] = 1, -1
        rows.append(row)
        most.append(0)
    for group in set(groups):  # one of a group
        row = np.zeros(len(value))
        row[[n + u for u in range(n) if groups[u] == group]] = 1
        rows.append(row)
        most.append(1)
    for place, word in enumerate(words):  # a word is said by a taken unit
        row = np.zeros(len(value))
        row[2 * n + place] = 1
        row[[u for u in range(n) if word in worth.said.get(u, ())]] = -1
        rows.append(row)
        most.append(0)
    upper: Any = np.array(most)
    found = milp(
        -value,
        constraints=LinearConstraint(np.array(rows), ub=upper),
        bounds=Bounds(0, 1),
        integrality=np.ones(len(value)),
    )
    assert found.success
    return -float(found.fun)


@st.composite
def instances(draw: st.DrawFn) -> tuple[Worth, list[int], int]:
    """Draw units with sizes, groups that say the same, and words of a question."""
    n = draw(st.integers(1, 9))
    sizes = draw(st.lists(st.integers(1, 12), min_size=n, max_size=n))
    scores = st.sampled_from([0.0, 0.1, 0.25, 0.4, 0.55, 0.9, 1.0])
    relevance = draw(st.lists(scores, min_size=n, max_size=n))
    groups = [draw(st.integers(0, u)) if draw(st.booleans()) else u for u in range(n)]
    first = [groups[groups[u]] if groups[groups[u]] == groups[u] else u for u in range(n)]
    said = {u: draw(st.sets(st.integers(0, 2))) for u in range(n) if draw(st.booleans())}
    words = {word: draw(st.sampled_from([0.0, 0.5, 4.0])) for word in range(3)}
    worth = Worth(relevance, lambda u: sizes[u], lambda u: first[u], said, words)
    return worth, sizes, draw(st.integers(1, 40))


@settings(max_examples=150, deadline=None)
@given(instances())
def test_the_bound_is_above_the_exact_optimum(instance: tuple[Worth, list[int], int]) -> None:
    """No choice that an exact solver finds is worth more than the bound, or less than the packing."""
    worth, sizes, limit = instance
    packing, optimum = packed(worth, sizes, limit), best_possible(worth, sizes, limit)
    assert packing.cost == sum(sizes[u] for u in packing.units) <= limit
    assert math.isclose(packing.value, worth.of(packing.units))
    assert packing.bound is not None
    assert packing.value <= optimum + 1e-6
    assert optimum <= packing.bound + 1e-6


@settings(max_examples=150, deadline=None)
@given(instances())
def test_greedy_keeps_its_guarantee(instance: tuple[Worth, list[int], int]) -> None:
    """Where costs are exact, at least 0.405 of the optimum is reached (arXiv:2008.05391)."""
    worth, sizes, limit = instance
    assert packed(worth, sizes, limit).value >= 0.405 * best_possible(worth, sizes, limit) - 1e-6


@given(instances(), st.data())
def test_worth_is_monotone_and_submodular(
    instance: tuple[Worth, list[int], int], data: st.DataObject
) -> None:
    """A unit never takes worth away, and adds no more to a larger choice than to a smaller one."""
    worth, sizes, _ = instance
    places = st.sets(st.integers(0, len(sizes) - 1))
    small = data.draw(places)
    large = small | data.draw(places)
    others = set(range(len(sizes))) - large
    assume(others)
    unit = data.draw(st.sampled_from(sorted(others)))
    gains = [worth.of([*some, unit]) - worth.of(some) for some in (sorted(small), sorted(large))]
    assert gains[0] >= gains[1] - 1e-9
    assert gains[1] >= -1e-9
    assert math.isclose(Told(worth, small).gain(unit), gains[0], abs_tol=1e-9)


def test_one_large_unit_is_worth_more_than_a_small_one() -> None:
    """A short unit of a little more relevance does not shut out a long one."""
    worth = Worth([1.0, 0.9], lambda u: [1, 100][u])
    assert packed(worth, [1, 100], 100).units == (1,)
    assert packed(worth, [1, 100], 101).units == (0, 1)


@pytest.mark.parametrize("proven", [True, False])
def test_a_large_unit_of_middling_relevance_does_not_drive_out_better_ones(*, proven: bool) -> None:
    """Where the promise is kept without it, one unit does not replace more relevant ones."""
    worth = Worth([1.0, 1.0, 0.8], lambda u: [30, 30, 95][u])
    packing = packed(worth, [30, 30, 95], 100, proven=proven)
    assert worth.of([2]) > worth.of(packing.units)
    assert packing.units == (0, 1)


def test_what_says_the_same_comes_later() -> None:
    """A unit that repeats a better one yields to one of less relevance that says something new."""
    worth = Worth([1.0, 0.9, 0.5], lambda _: 10, lambda u: [0, 0, 2][u])
    assert packed(worth, [10, 10, 10], 20).units == (0, 2)
    assert packed(worth, [10, 10, 10], 30).units == (0, 1, 2)


def test_a_word_that_nobody_said_yet_weighs() -> None:
    """A unit with a new word of the question goes before one that says the same word again."""
    worth = Worth([1.0, 0.9, 0.8], lambda _: 10, said={0: {0}, 1: {0}, 2: {1}}, words={0: 3, 1: 3})
    assert packed(worth, [10, 10, 10], 20).units == (0, 2)


def test_room_below_zero_is_refused() -> None:
    """A negative room is a ValueError, and no room keeps nothing."""
    with pytest.raises(ValueError, match="0 tokens or more"):
        packed(plain([1]), [1], -1)
    nothing = packed(plain([1]), [1], 0)
    assert (nothing.units, nothing.value, nothing.cost) == ((), 0.0, 0)


@given(
    st.lists(st.integers(0, 40), max_size=40),
    st.integers(0, 200),
    st.floats(0.2, 4.0),
    st.integers(0, 30),
)
def test_measured_total_fits(sizes: list[int], limit: int, wrong: float, constant: int) -> None:
    """However wrong the estimates, what is chosen measures within the limit; best first."""

    def measure(units: Sequence[int]) -> int:
        return constant + sum(sizes[unit] for unit in units)

    packing = pack(
        list(range(len(sizes))),
        limit,
        worth=plain(sizes),
        cost=lambda u, _: wrong * sizes[u],
        shared=lambda _: (),
        measure=measure,
    )
    assert list(packing.units) == sorted(set(packing.units))
    assert packing.cost <= limit
    assert not packing.units or measure(packing.units) == packing.cost
    assert packing.bound is None
    assert packing.certificate is None


def test_shared_things_are_paid_once() -> None:
    """Three units under one title fit where three titles would not."""
    packing = pack(
        [0, 1, 2],
        16,
        worth=plain([2, 2, 2]),
        cost=lambda _, room: 2.0 if room >= 2 else math.inf,
        shared=lambda _: [("title", 10.0)],
        measure=lambda units: 10 + 2 * len(list(units)),
    )
    assert packing.units == (0, 1, 2)


def test_room_left_is_filled_again() -> None:
    """Estimates that were too high leave room, which measuring finds and fills."""
    packing = pack(
        list(range(20)),
        100,
        worth=plain([5] * 20),
        cost=lambda _, __: 20.0,
        shared=lambda _: (),
        measure=lambda units: 5 * len(list(units)),
    )
    assert len(packing.units) == 20


@given(st.integers(0, 500), st.integers(1, 800), st.integers(0, 600))
def test_longest_prefix(longest: int, guess: int, fitting: int) -> None:
    """The longest prefix that fits is found from any guess."""
    assert longest_prefix(longest, guess, lambda n: n <= fitting) == min(longest, fitting)
