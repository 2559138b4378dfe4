"""Estimates that learn from one run at a time and are kept in a few numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable

Floats = NDArray[np.float64]

WIDE = 1.0
"""Prior variance of the constant: of a log-odds, or of a log-ratio."""

NARROW = 0.25
"""Prior variance of each other weight: features lie in [0, 1], and few of them matter much."""

DRIFT = 1e-5
"""Variance that the constant gains with each run: models and prices change. In costs what is older than some
100 runs counts little, in chances what is older than some 600."""

STEEPEST = 50.0
"""Largest weight that a file may hold; learned ones stay below 10."""

_DIGITS = 5
_ROUNDED = 1e-3  # more than rounding to that many digits does


class BadEstimate(ValueError):  # noqa: N818 - it names what is wrong
    """What a file holds is no estimate; the message says what is wrong with it."""


@dataclass(slots=True)
class Spread:
    """How unsure the weights of some features are: their covariance."""

    matrix: Floats

    @classmethod
    def prior(cls, size: int) -> Self:
        """Before anything was seen: each weight by itself, the first one's the widest."""
        return cls(np.diag([WIDE, *([NARROW] * (size - 1))]))

    def gain(self, seen: Floats, noise: float) -> Floats:
        """Take in that `seen` was observed with this variance; return how far each weight moves.

        Source: recursive least squares, that is, a Kalman filter of weights that stand still, all but
        the constant, which wanders.
        """
        self.matrix[0, 0] += DRIFT
        direction: Floats = self.matrix @ seen
        variance = noise + float(seen @ direction)
        self.matrix -= np.outer(direction, direction) / variance
        return direction / variance

    def as_list(self) -> list[float]:
        """Return the lower half of the matrix, ready for JSON."""
        return rounded(self.matrix[np.tril_indices(len(self.matrix))])

    @classmethod
    def from_list(cls, content: object, size: int) -> Self:
        """Read what `as_list` wrote.

        Raises:
            BadEstimate: If it is no covariance of so many features.
        """
        matrix = np.zeros((size, size))
        matrix[np.tril_indices(size)] = numbers(content, size * (size + 1) // 2)
        matrix += np.tril(matrix, -1).T
        # Rounding may have made it a little less than positive definite.
        values, vectors = np.linalg.eigh(matrix)
        if values[0] < -_ROUNDED:
            raise BadEstimate("its variances are negative")
        return cls((vectors * np.maximum(values, 1e-9)) @ vectors.T)


@dataclass(slots=True)
class Chance:
    """The chance of something, given features: a logistic curve whose weights are learned.

    How unsure the weights are enters the chance: what is unlike all that was seen is drawn towards a half.

    Source: the extended Kalman filter for logistic regression, which is Spiegelhalter and Lauritzen's
    sequential updating (Networks 20, 1990); the chance over all weights as in MacKay (1992).
    """

    mean: Floats
    spread: Spread
    seen: int = 0

    @classmethod
    def prior(cls, size: int, chance: float) -> Self:
        """Begin at a stated chance, whatever the features."""
        mean = np.zeros(size)
        mean[0] = _log_odds(chance)
        return cls(mean, Spread.prior(size))

    def of(self, features: Floats) -> float:
        """Return the chance."""
        variance = float(features @ self.spread.matrix @ features)
        return _logistic(float(self.mean @ features) / math.sqrt(1 + math.pi * variance / 8))

    def learn(self, features: Floats, *, happened: bool) -> None:
        """Take in one outcome."""
        expected = _logistic(float(self.mean @ features))
        information = max(expected * (1 - expected), 1e-4)
        step = self.spread.gain(features, 1 / information)
        self.mean += step * ((happened - expected) / information)
        self.seen += 1


@dataclass(slots=True)
class Quantiles:
    """How far a figure lay from where it was expected: counts in bins of equal width.

    Each figure is counted before it is learned from, so that the quantiles are those of unseen runs
    (prequential, split-conformal). Beyond `MOST` figures all counts are halved: what was long ago
    counts less.

    Source: bins of a fixed relative width as in DDSketch (arXiv:1908.10693); the rank that makes a
    quantile hold for the next figure as in conformal prediction (arXiv:2107.07511).
    """

    counts: dict[int, float] = field(default_factory=dict[int, float])
    _told: dict[float, float | None] = field(default_factory=dict[float, "float | None"])

    WIDTH = 0.05  # of a logarithm: 5 %
    MOST = 400
    FURTHEST = 140  # bins from the middle: a factor of a thousand

    def add(self, distance: float) -> None:
        """Count one distance, in logarithms."""
        place = math.floor(distance / self.WIDTH)
        place = max(-self.FURTHEST, min(self.FURTHEST, place))
        self._told.clear()
        self.counts[place] = self.counts.get(place, 0.0) + 1.0
        if self.total > self.MOST:
            halved = {place: count / 2 for place, count in self.counts.items()}
            self.counts = {place: count for place, count in halved.items() if count >= 0.1}  # noqa: PLR2004 - a tenth of a run

    @property
    def total(self) -> float:
        """Figures counted, the old ones in part."""
        return sum(self.counts.values())

    def at(self, share: float) -> float | None:
        """Return what the next distance stays at or below with chance `share`; None if too few are known."""
        if share not in self._told:
            self._told[share] = self._at(share)
        return self._told[share]

    def _at(self, share: float) -> float | None:
        wanted = share * (self.total + 1)
        reached = 0.0
        for place in sorted(self.counts):
            count = self.counts[place]
            if reached + count >= wanted:
                return (place + (wanted - reached) / count) * self.WIDTH
            reached += count
        return None

    def as_dict(self) -> dict[str, float]:
        """Return the counts under their places, ready for JSON."""
        return {str(place): _short(count) for place, count in sorted(self.counts.items())}

    @classmethod
    def from_dict(cls, content: object) -> Self:
        """Read what `as_dict` wrote.

        Raises:
            BadEstimate: If it is none.
        """
        if not isinstance(content, dict) or len(content) > 2 * cls.FURTHEST + 1:
            raise BadEstimate("its counts are missing")
        counts: dict[int, float] = {}
        place: Any
        count: Any
        for place, count in content.items():
            number = (
                int(place) if isinstance(place, str) and place.lstrip("-").isdecimal() else None
            )
            if number is None or abs(number) > cls.FURTHEST:
                raise BadEstimate("its counts stand nowhere")
            (counts[number],) = numbers([count], 1, most=2.0 * cls.MOST)
        if any(count <= 0 for count in counts.values()):
            raise BadEstimate("its counts are no counts")
        return cls(counts)


def numbers(content: object, size: int, most: float = STEEPEST) -> Floats:
    """Return a list from JSON as numbers.

    Raises:
        BadEstimate: If it is no list of so many finite numbers between -`most` and `most`.
    """
    if not isinstance(content, list) or len(content) != size:
        raise BadEstimate(f"{size} numbers are missing")
    value: Any
    for value in content:
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= most:
            raise BadEstimate(f"a number in it is not between -{most:g} and {most:g}")
    return np.array(content, dtype=np.float64)


def rounded(values: Iterable[float]) -> list[float]:
    """Return numbers with as many digits as are kept."""
    return [_short(value) for value in values]


def _logistic(odds: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


def _log_odds(chance: float) -> float:
    chance = max(0.01, min(0.99, chance))
    return math.log(chance / (1 - chance))


def _short(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")
