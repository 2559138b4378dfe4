"""Intervals: how sure a mean is."""

from collections.abc import Sequence

import numpy as np

__all__ = ["interval"]

_RESAMPLES = 2_000
# Agresti and Coull, "Approximate is better than exact" (1998): two hits and two misses more. Without
# them five right of five would give an interval of no width.
_ADDED = (0.0, 0.0, 1.0, 1.0)
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
    data = np.asarray([*values, *_ADDED], np.float64)
    generator = np.random.default_rng(_SEED)
    means = np.array(
        [data[generator.integers(0, len(data), len(data))].mean() for _ in range(_RESAMPLES)]
    )
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)
