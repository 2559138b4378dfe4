"""Ranker: an order of units fitted to somebody's own cases, in a few kilobytes of JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shoestring.tools.files.bounded_json import BadJSON, read_json
from shoestring.tools.relevance.features import FEATURES, TIER, features
from shoestring.tools.relevance.ranking import Text

__all__ = ["BadRanker", "Ranker"]

Floats = NDArray[np.float64]

MOST = 200
"""Units a ranker looks at: the best by the stated rule; the others stay below them."""

_FORMAT = 1
_LARGEST = 64 * 2**10  # bytes of a file
_STEEPEST = 1e3  # of a weight; fitted ones are below 20
_MOST_TIERS = 8
_LONGEST_NAME = 100


class BadRanker(ValueError):  # noqa: N818 - it names what is wrong
    """A ranker's file is missing or is not what it should be; the message says what."""


@dataclass(frozen=True, slots=True)
class Ranker:
    """A logistic curve over the features of a unit; `shoestring.evals.tune` fits one.

    It ranks the best 200 units anew, after all tiers, and its chances replace the stated ones.
    """

    names: tuple[str, ...]
    """The features, in order: `FEATURES`, then the tiers that have to be there."""
    means: tuple[float, ...]
    """Each feature's mean, taken off before it is weighed."""
    weights: tuple[float, ...]
    """Each feature's weight in the log-odds."""
    constant: float
    """The log-odds of an average unit."""

    def __post_init__(self) -> None:
        sizes = {len(self.names), len(self.means), len(self.weights)}
        tiers = self.names[len(FEATURES) :]
        if len(sizes) > 1 or self.names[: len(FEATURES)] != FEATURES or len(tiers) > _MOST_TIERS:
            raise BadRanker("its features are not those of this version of shoestring: tune anew")
        if not all(name.startswith(TIER) and len(name) <= _LONGEST_NAME for name in tiers):
            raise BadRanker("its features are not those of this version of shoestring: tune anew")
        numbers = (*self.means, *self.weights, self.constant)
        if not all(math.isfinite(number) and abs(number) <= _STEEPEST for number in numbers):
            raise BadRanker(f"a number in it is not between -{_STEEPEST:g} and {_STEEPEST:g}")

    @property
    def tiers(self) -> tuple[str, ...]:
        """The names of the tiers it was fitted with; `trim` must be given the same."""
        return tuple(name.removeprefix(TIER) for name in self.names[len(FEATURES) :])

    def chances(
        self, texts: Sequence[Text], query: str, shares: Floats, seen: Mapping[str, Floats]
    ) -> Floats:
        """Give each unit's chance to hold evidence; the arguments are those of `features`.

        Raises:
            ValueError: If the tiers are not those it was fitted with.
        """
        if tuple(sorted(seen)) != self.tiers:
            given, needed = ", ".join(sorted(seen)) or "none", ", ".join(self.tiers) or "none"
            raise ValueError(f"this ranker was fitted with tiers {needed}, and is given {given}")
        chosen = np.sort(np.argsort(-shares, kind="stable")[:MOST])
        _, rows = features(texts, query, shares, chosen, seen)
        odds = self.constant + (rows - np.array(self.means)) @ np.array(self.weights)
        looked: Floats = 1.0 / (1.0 + np.exp(-np.clip(odds, -30, 30)))
        found = shares * float(looked.min(initial=1.0)) * 0.5
        found[chosen] = np.where(shares[chosen] > 0, looked, 0.0)
        return found

    def save(self, path: Path | str) -> None:
        """Write it as JSON."""
        content = {
            "format": _FORMAT,
            "names": self.names,
            "means": [round(number, 6) for number in self.means],
            "weights": [round(number, 6) for number in self.weights],
            "constant": round(self.constant, 6),
        }
        Path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read what `save` wrote.

        Raises:
            BadRanker: If the file is missing, too large, or not what it should be.
        """
        try:
            content = read_json(path, _LARGEST)
        except BadJSON as error:
            raise BadRanker(f"{path}: {error}") from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise BadRanker(f"{path}: is no ranker of format {_FORMAT}")
        names = content.get("names")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BadRanker(f"{path}: names no features")
        try:
            return cls(
                tuple(names),
                _numbers(content.get("means")),
                _numbers(content.get("weights")),
                *_numbers([content.get("constant")]),
            )
        except BadRanker as error:
            raise BadRanker(f"{path}: {error}") from error


def _numbers(values: object) -> tuple[float, ...]:
    if not isinstance(values, list) or not all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    ):
        raise BadRanker("a number is missing in it")
    return tuple(float(value) for value in values)
