"""Chooses as a contextual bandit has learned to from logged runs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from shoestring.agents.choosing import FREE, Choice, Offers, short, told
from shoestring.agents.estimates import BadEstimate, numbers, rounded
from shoestring.agents.features import FEATURES
from shoestring.agents.policies.worth import Worth
from shoestring.tools.files.bounded_json import BadJSON, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoestring.agents.choosing import Standing
    from shoestring.agents.route import Forecast

_FORMAT = "shoestring policy"
_VERSION = 1
_LARGEST = 2**20  # bytes of a file
_MOST_ROUTES = 64
_LONGEST_NAME = 200


class BadPolicy(ValueError):  # noqa: N818 - it names what is wrong
    """A learned policy is of another version, of other routes, or damaged; the message says which."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a policy would have earned, by runs it did not learn from; in right answers a question.

    Args:
        value: Its reward: the share of right answers, less what they cost at the policy's worth.
        low: The lower end of the 95 % interval.
        high: The upper end.
        routes: The reward of always taking one route, by its name.
        questions: Questions it rests on.
    """

    value: float
    low: float
    high: float
    routes: Mapping[str, float]
    questions: int

    def __str__(self) -> str:
        fixed = ", ".join(
            f"{name} {value:+.3f}"
            for name, value in sorted(self.routes.items(), key=lambda one: -one[1])
        )
        return (
            f"estimated reward {self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}] a question over "
            f"{self.questions:,} questions (doubly robust); always one route: {fixed}"
        )


@dataclass(frozen=True, slots=True)
class Learned:
    """Takes the route whose reward is greatest by weights learned offline; see `learn_policy`.

    The reward of a route is its chance of a right answer less its cost at `worth`, as a line over
    `Task.features`. Only routes that fit are looked at, as in `Expected`.

    Args:
        weights: Route → a weight for each of the features.
        worth: What one more right answer was worth when it was trained.
        estimate: What it would have earned on runs it had not seen.

    Raises:
        BadPolicy: If there are no routes, or weights that are none.
    """

    weights: Mapping[str, tuple[float, ...]]
    worth: Worth
    estimate: Estimate

    def __post_init__(self) -> None:
        if not self.weights:
            raise BadPolicy("a learned policy needs routes")
        for name, row in self.weights.items():
            if len(row) != len(FEATURES) or not all(map(math.isfinite, row)):
                raise BadPolicy(f"the weights of route {name!r:.40} are not those of this version")

    def rewards(self, features: tuple[float, ...]) -> dict[str, float]:
        """Return the reward expected of each route for a task with these features."""
        return {
            name: sum(w * x for w, x in zip(row, features, strict=True))
            for name, row in self.weights.items()
        }

    def choose(self, forecasts: Mapping[str, Forecast], standing: Standing) -> Choice:
        """Choose the route that fits and has the greatest reward.

        Raises:
            BadPolicy: If it has not learned of one of the routes.
        """
        unknown = sorted(set(forecasts) - set(self.weights))
        if unknown:
            known = ", ".join(sorted(self.weights))
            raise BadPolicy(
                f"this policy knows the routes {known}, and not {', '.join(unknown)}: train it anew, "
                f"or offer only what it knows"
            )
        offers = Offers(forecasts, standing)
        left = standing.affordable
        eligible = offers.fitting(left)
        if not eligible:
            return offers.last_resort()
        whole = [one for one in eligible if short(one[1].likely, left) is None]
        candidates = [*(whole or eligible), *offers.free]
        rewards = self.rewards(standing.task.features)
        whys = {name: f"reward {rewards[name]:+.3f}, {forecasts[name]}" for name, _ in candidates}
        name, forecast = max(candidates, key=lambda one: rewards[one[0]])
        if rewards[name] <= 0 and forecast.least != FREE:
            reason = f"no route is worth its cost at {self.worth}"
            return offers.explained(Choice(None, reason), whys)
        return offers.explained(Choice(name, f"{name}: {whys[name]}, {told(left)} left"), whys)

    def save(self, path: Path | str) -> None:
        """Write it as JSON."""
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "features": FEATURES,
            "worth": {
                "tokens": self.worth.tokens,
                "usd": None if self.worth.usd is None else str(self.worth.usd),
            },
            "routes": {name: rounded(row) for name, row in sorted(self.weights.items())},
            "estimate": {
                "reward": rounded([self.estimate.value, self.estimate.low, self.estimate.high]),
                "routes": {n: rounded([v])[0] for n, v in sorted(self.estimate.routes.items())},
                "questions": self.estimate.questions,
            },
        }
        Path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read what `save` wrote.

        Raises:
            BadPolicy: If the file is missing, of another version, or no policy.
        """
        try:
            content = read_json(path, _LARGEST)
        except BadJSON as error:
            raise BadPolicy(f"{path}: {error}") from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise BadPolicy(f"{path}: holds no policy of shoestring")
        if (content.get("version"), content.get("features")) != (_VERSION, list(FEATURES)):
            raise BadPolicy(f"{path}: was written by another version of shoestring: train it anew")
        try:
            return cls(
                {
                    name: tuple(map(float, numbers(row, len(FEATURES))))
                    for name, row in _table(content.get("routes")).items()
                },
                _worth(_table(content.get("worth"))),
                _estimate(_table(content.get("estimate"))),
            )
        except ValueError as error:
            raise BadPolicy(f"{path}: {error}") from error


def _table(content: object) -> dict[str, Any]:
    if not isinstance(content, dict) or not 0 < len(content) <= _MOST_ROUTES:
        raise BadEstimate("a table is missing in it")
    if any(len(name) > _LONGEST_NAME for name in content):
        raise BadEstimate("a name in it is too long")
    return content


def _worth(content: Mapping[str, Any]) -> Worth:
    tokens, usd = content.get("tokens"), content.get("usd")
    if tokens is not None and (not isinstance(tokens, int) or isinstance(tokens, bool)):
        raise BadEstimate("its worth is no number")
    if usd is not None and not isinstance(usd, str):
        raise BadEstimate("its worth is no number")
    return Worth(tokens=tokens, usd=usd)


def _estimate(content: Mapping[str, Any]) -> Estimate:
    value, low, high = map(float, numbers(content.get("reward"), 3))
    (questions,) = numbers([content.get("questions")], 1, 1e12)
    routes = _table(content.get("routes"))
    fixed = {name: float(numbers([reward], 1)[0]) for name, reward in routes.items()}
    return Estimate(value, low, high, fixed, int(questions))
