"""Intervals and tests of differences: they agree with scipy, and cover what they say."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from shoestring.evals.intervals import difference, interval, permutation


def test_a_permutation_test_of_few_cases_is_scipys_exact_one() -> None:
    """Every choice of signs, those of cases without a difference aside."""
    here, there = [0.9, 0.4, 1.0, 0.7, 0.2, 0.5], [0.5, 0.5, 0.3, 0.2, 0.2, 0.1]

    def apart(a: Any, b: Any, axis: int) -> Any:
        return np.mean(a - b, axis=axis)

    exact = stats.permutation_test(
        (here, there), apart, permutation_type="samples", vectorized=True, n_resamples=10_000
    )
    assert permutation(here, there) == pytest.approx(exact.pvalue)


def test_a_permutation_test_of_many_cases_is_near_the_sign_test() -> None:
    """Of hits and misses the exact law is a binomial; 20,000 signs come within a point."""
    here = [1.0] * 30 + [0.0] * 15 + [1.0] * 40
    there = [0.0] * 30 + [1.0] * 15 + [1.0] * 40
    assert permutation(here, there) == pytest.approx(stats.binomtest(30, 45).pvalue, abs=0.01)
    assert permutation(there, there) == 1.0


def test_an_interval_is_near_scipys_bootstrap() -> None:
    """The same percentiles of resampled means."""
    apart = np.random.default_rng(5).normal(0.2, 1.0, 80)
    found = stats.bootstrap(
        (apart,), np.mean, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    mean, low, high = difference(list(apart), [0.0] * 80)
    assert mean == pytest.approx(apart.mean())
    assert (low, high) == pytest.approx((found.low, found.high), abs=0.02)


def test_the_truth_is_inside_as_often_as_stated() -> None:
    """Of 400 simulated runs of 60 cases, the 95 % interval holds the true mean in 91 to 98 %."""
    draw = np.random.default_rng(7)
    inside = apart = 0
    for _ in range(400):
        hits = (draw.random(60) < 0.7).astype(float)
        others = (draw.random(60) < 0.5).astype(float)
        ends = interval(list(hits))
        assert ends is not None
        inside += ends[0] <= 0.7 <= ends[1]
        _, low, high = difference(list(hits), list(others))
        apart += low <= 0.2 <= high
    assert 0.91 <= inside / 400 <= 0.98
    assert 0.91 <= apart / 400 <= 0.98


def test_figures_that_are_no_pairs_are_refused() -> None:
    """A run that lacks a case cannot be compared case by case."""
    with pytest.raises(ValueError, match="2 figures beside 1"):
        difference([1.0, 0.0], [1.0])
    with pytest.raises(ValueError, match="0 figures"):
        permutation([], [])
