"""Elasticity learns the fewest tokens worth asking a model for."""

from __future__ import annotations

import json
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.agents import Elasticity

RUNS = st.lists(st.tuples(st.integers(1, 10**7), st.integers(0, 10**7)), max_size=60)


@given(runs=RUNS)
def test_what_is_least_is_positive_and_was_near_what_was_asked(runs: list[tuple[int, int]]) -> None:
    """Whatever a model did, the least is a size asked for, half the smallest of them, or the first guess."""
    model = Elasticity()
    for asked, written in runs:
        model.learn(asked, written)
    sizes = set(model.seen)
    assert model.least == 16 or model.least in sizes or model.least * 2 in sizes or model.least == 4
    assert model.least >= 4


@given(runs=RUNS)
def test_what_is_known_survives_a_file(runs: list[tuple[int, int]]) -> None:
    """Through JSON and back, a model's elasticity says the same."""
    model = Elasticity()
    for asked, written in runs:
        model.learn(asked, min(written, 2**20))
    again = Elasticity.from_dict(json.loads(json.dumps(model.as_dict())))
    assert again.least == model.least
    assert again.seen.keys() == model.seen.keys()


def test_what_is_known_travels_to_other_processes() -> None:
    """Pickled, as with a route that is sent to a worker, an elasticity goes on from what it knew."""
    model = Elasticity()
    for _ in range(3):
        model.learn(64, 60)
    again = pickle.loads(pickle.dumps(model))
    again.learn(64, 60)
    assert (again.least, again.seen[64][0], model.seen[64][0]) == (32, 4, 3)


def test_an_obedient_model_is_asked_for_less_until_it_is_none() -> None:
    """The least is halved while less is written, and stays where asking for less wrote more."""
    model = Elasticity()

    def writes(asked: int) -> int:
        return asked if asked >= 24 else 90

    found = []
    for _ in range(8):
        for _ in range(3):
            model.learn(model.least, writes(model.least))
        found.append(model.least)
    assert found[0] == 8  # 16 was obeyed as far as anybody knew
    for _ in range(5):
        for size in (64, 32):
            model.learn(size, writes(size))
    assert model.least == 32


def test_what_was_long_ago_counts_less() -> None:
    """A model that changes is known by what it did of late."""
    model = Elasticity()
    for _ in range(500):
        model.learn(32, 20)
    for _ in range(200):
        model.learn(32, 400)
        model.learn(64, 60)
    assert model.least == 64


@pytest.mark.parametrize(
    "content",
    [
        [],
        None,
        {"x": [1, 1]},
        {"5": [1, 1.0]},
        {"16": [0, 1.0]},
        {"16": [1, math.inf]},
        {"16": [1, math.nan]},
        {"16": [True, 1.0]},
        {"16": [1]},
        {"16": "ab"},
        {"16" * 9: [1, 1.0]},
    ],
)
def test_a_file_that_is_none_is_refused(content: object) -> None:
    """What holds no sizes, or impossible figures, is named and not taken in."""
    with pytest.raises(ValueError, match="is no size"):
        Elasticity.from_dict(content)


@pytest.mark.parametrize(("asked", "written"), [(0, 5), (-1, 5), (5, -1)])
def test_what_cannot_be_is_refused(asked: int, written: int) -> None:
    """Nothing asked for, or less than nothing written, is an error."""
    with pytest.raises(ValueError, match="cannot be"):
        Elasticity().learn(asked, written)
