"""Packing: what fits, by measurement."""

import math

from hypothesis import given
from hypothesis import strategies as st

from shoestring.tools.pack import longest_prefix, pack


@given(
    st.lists(st.integers(0, 40), max_size=40),
    st.integers(0, 200),
    st.floats(0.2, 4.0),
    st.integers(0, 30),
)
def test_measured_total_fits(sizes: list[int], limit: int, wrong: float, constant: int) -> None:
    """However wrong the estimates, what is chosen measures within the limit; best first."""

    def measure(units: object) -> int:
        return constant + sum(sizes[unit] for unit in units)  # type: ignore[attr-defined]  # pyright: ignore - a list of places

    order = list(range(len(sizes)))
    chosen = pack(
        order, limit, cost=lambda u, _: wrong * sizes[u], shared=lambda _: (), measure=measure
    )
    assert chosen == sorted(set(chosen))
    assert not chosen or measure(chosen) <= limit


def test_shared_costs_are_paid_once() -> None:
    """Three units under one title fit where three titles would not."""
    chosen = pack(
        [0, 1, 2],
        16,
        cost=lambda _, room: 2.0 if room >= 2 else math.inf,
        shared=lambda _: [("title", 10.0)],
        measure=lambda units: 10 + 2 * len(list(units)),
    )
    assert chosen == [0, 1, 2]


def test_room_left_is_filled_again() -> None:
    """Estimates that were too high leave room, which measuring finds and fills."""
    chosen = pack(
        list(range(20)),
        100,
        cost=lambda _, __: 20.0,
        shared=lambda _: (),
        measure=lambda units: 5 * len(list(units)),
    )
    assert len(chosen) == 20


@given(st.integers(0, 500), st.integers(1, 800), st.integers(0, 600))
def test_longest_prefix(longest: int, guess: int, fitting: int) -> None:
    """The longest prefix that fits is found from any guess."""
    assert longest_prefix(longest, guess, lambda n: n <= fitting) == min(longest, fitting)
