"""Chances: what a score says about evidence, and where relevance ends."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoestring.tools.relevance.chance import MARK, chances, mark
from shoestring.tools.relevance.score import Text, score


@given(st.lists(st.floats(0, 1), min_size=2, max_size=50), st.floats(0, 1))
def test_chances_keep_the_order(shares: list[float], height: float) -> None:
    """They lie in [0, 1], rise with the score, and are 0 where nothing was found."""
    values = np.array(shares)
    found = chances(values, height)
    assert ((found >= 0) & (found < 1)).all()
    assert (found[values == 0] == 0).all()
    order = np.argsort(values, kind="stable")
    assert (np.diff(found[order]) >= 0).all()


def test_what_makes_evidence_likelier() -> None:
    """More of the query found, and fewer units that it could stand in."""
    best = np.array([1.0, 0.2])
    assert chances(best, 0.9)[0] > chances(best, 0.3)[0]
    crowd = np.concatenate([best, np.full(500, 0.2)])
    assert chances(best, 0.5)[0] > chances(crowd, 0.5)[0]


@given(st.floats(0, 1), st.integers(1, 10**6))
def test_the_mark_is_where_the_chance_is(height: float, units: int) -> None:
    """Between its bounds, a unit at the mark has the chance that the mark stands for."""
    least = mark(height, units)
    assert 0 < least < 1
    shares = np.zeros(min(1000, units))
    shares[0] = least
    if 0.3 < least < 0.6 and units == len(shares):
        assert np.isclose(chances(shares, height)[0], MARK)


def test_the_best_unit_is_relevant() -> None:
    """Whatever the chances, the best unit found is never below the mark; a repeat always is."""
    texts = [Text("", ["The engine was built in London.", "The engine was built in London."])]
    scores = score(texts, "engine quokka zygote", 400)
    assert scores.relevant.tolist() == [True, False]
    assert not score(texts, "zygote", 400).relevant.any()
