"""Intervals: how sure a mean, or the difference of two, is."""

from collections.abc import Sequence

import numpy as np

_Floats = np.dtype[np.float64]

__all__ = ["difference", "interval", "permutation"]

_RESAMPLES = 2_000
# Agresti and Coull, "Approximate is better than exact" (1998): two hits and two misses more. Without
# them five right of five would give an interval of no width.
_ADDED = (0.0, 0.0, 1.0, 1.0)
_SIGNS = 20_000
_ALL_SIGNS = 16  # cases up to which every choice of signs is counted
_BLOCK = 4_000_000  # figures drawn at once, so that memory stays bounded
_SEED = 20_240_601  # fixed: the same figures give the same interval


def interval(values: Sequence[float], *, level: float = 0.95) -> tuple[float, float] | None:
    """Give the bootstrap interval of a mean, by percentiles of resampled means.

    Items count as independent; where many are asked over one context the truth is wider.

    Args:
        values: One figure in [0, 1] an item.
        level: The share of resampled means inside.

    Returns:
        The lower and upper end, or None without values.

    >>> low, high = interval([1.0] * 5)
    >>> low < 0.8, high
    (True, 1.0)
    """
    if not values:
        return None
    return _ends(np.asarray([*values, *_ADDED], np.float64), level)


def difference(
    values: Sequence[float], others: Sequence[float], *, level: float = 0.95
) -> tuple[float, float, float]:
    """Give the mean difference of two runs over the same cases, and its bootstrap interval.

    Paired: a case is drawn with both of its figures, so what is hard for both cancels out.

    Args:
        values: A figure a case.
        others: The figure of the same cases elsewhere, in the same order.
        level: The share of resampled means inside.

    Returns:
        The mean of `values - others`, and the ends of its interval.

    Raises:
        ValueError: If there are no cases, or not the same number of both.

    >>> difference([1.0, 1.0, 0.0], [1.0, 0.0, 0.0])[0].__round__(2)
    0.33
    """
    apart = _paired(values, others)
    return float(apart.mean()), *_ends(apart, level)


def permutation(values: Sequence[float], others: Sequence[float]) -> float:
    """Give the two-sided p-value of a paired permutation test.

    If it made no difference which run a figure comes from, the sign of each case's difference would
    be a coin's: the share of all signs that give a mean as far from zero. All of them up to 16 cases
    that differ; beyond, 20,000 at random, the observed one counted (Phipson and Smyth, 2010), so the
    value is never 0.

    Args:
        values: A figure a case.
        others: The figure of the same cases elsewhere, in the same order.

    Raises:
        ValueError: As `difference`.

    >>> permutation([1, 1, 1, 1], [0, 0, 0, 0])
    0.125
    """
    apart = _paired(values, others)
    apart = np.abs(apart[apart != 0]) * np.sign(apart[apart != 0])
    if not len(apart):
        return 1.0
    seen = abs(apart.sum()) - 1e-9 * np.abs(apart).sum()
    if len(apart) <= _ALL_SIGNS:
        codes = np.arange(2 ** len(apart))[:, None] >> np.arange(len(apart))
        return float((np.abs((1 - 2 * (codes & 1)) @ apart) >= seen).mean())
    generator = np.random.default_rng(_SEED)
    as_far, block = 0, max(1, _BLOCK // len(apart))
    for done in range(0, _SIGNS, block):
        signs = generator.integers(0, 2, (min(block, _SIGNS - done), len(apart)), np.int8)
        as_far += int((np.abs((1 - 2 * signs) @ apart) >= seen).sum())
    return (as_far + 1) / (_SIGNS + 1)


def _paired(values: Sequence[float], others: Sequence[float]) -> "np.ndarray[tuple[int], _Floats]":
    if not values or len(values) != len(others):
        raise ValueError(f"pairs are needed: {len(values)} figures beside {len(others)}")
    return np.asarray(values, np.float64) - np.asarray(others, np.float64)


def _ends(data: "np.ndarray[tuple[int], _Floats]", level: float) -> tuple[float, float]:
    """Give the percentiles of resampled means."""
    generator = np.random.default_rng(_SEED)
    block = max(1, _BLOCK // len(data))
    means = np.concatenate(
        [
            data[generator.integers(0, len(data), (min(block, _RESAMPLES - done), len(data)))].mean(
                axis=1
            )
            for done in range(0, _RESAMPLES, block)
        ]
    )
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)
