"""Training a policy offline: a contextual bandit over logged runs, and what it would have earned."""

from __future__ import annotations

import random
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shoestring.agents.features import FEATURES
from shoestring.agents.policies.learned import Estimate, Learned
from shoestring.budget.extras import require

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shoestring.agents.features import Task
    from shoestring.agents.forecast import Run
    from shoestring.agents.policies.worth import Worth
    from shoestring.budget import Amount

PASSES_RUNS = 100_000
"""Runs that are learned from in all, about: few logs are gone through several times."""

_MOST_PASSES = 20
_WORST = -1.0  # a reward is no lower: one absurd cost must not outweigh all other runs
_SEED = 20_240_601  # fixed: the same logs give the same policy


@dataclass(frozen=True, slots=True)
class Logged:
    """One run in the logs.

    Args:
        task: What was known when the route was chosen.
        route: The route's name.
        spent: What it cost.
        right: Whether its answer was right.
        chance: The chance with which whatever chose then took this route: 1 / routes in a sweep that
            runs each route on each question.

    Raises:
        ValueError: If the chance is none above 0.
    """

    task: Task
    route: str
    spent: Amount
    right: bool
    chance: float

    def __post_init__(self) -> None:
        if not 0 < self.chance <= 1:
            raise ValueError(
                f"a route was taken with chance {self.chance}: give one above 0, up to 1"
            )

    @classmethod
    def sweep(cls, runs: Iterable[Run]) -> list[Self]:
        """Return the runs of a sweep that took each of its routes on each of its questions.

        Raises:
            ValueError: If nobody knows whether a run was right.
        """
        runs = list(runs)
        chance = 1 / max(1, len({run.route for run in runs}))
        unknown = sum(run.right is None for run in runs)
        if unknown:
            raise ValueError(f"{unknown:,} runs do not say whether they were right")
        return [cls(run.task, run.route, run.spent, bool(run.right), chance) for run in runs]


def learn_policy(logs: Iterable[Logged], worth: Worth) -> Learned:
    """Train a policy on logged runs; the reward of a run is right - cost at `worth`.

    The estimate that comes with it is doubly robust and twofold: a policy trained on one half of the
    questions is judged on the other. Print it before you use the policy.

    Args:
        logs: At least two runs of two questions; routes are those named in them.
        worth: What one more right answer is worth.

    Raises:
        ValueError: If there are too few logs to learn from and to judge by.
        MissingExtra: Without Vowpal Wabbit.

    Source: the learner is Vowpal Wabbit's multi-task regression for contextual bandits (`--cb_adf
    --cb_type mtr`, arXiv:1802.04064), linear in `Task.features` a route; the estimate is Dudík, Langford
    and Li's, arXiv:1103.4601, fitted crosswise as in arXiv:1608.00060.
    """
    logs = list(logs)
    routes = sorted({log.route for log in logs})
    rewards = np.array([max(_WORST, log.right - worth.share(log.spent)) for log in logs])
    halves = np.array([_half(log.task) for log in logs])
    if not logs or len({0, 1} & set(halves.tolist())) < 2:  # noqa: PLR2004 - two halves
        raise ValueError(
            f"{len(logs)} runs are too few to learn from one half and judge by the other"
        )
    parts = []
    for half in (0, 1):
        train = np.flatnonzero(halves != half)
        weights = _train([logs[i] for i in train], rewards[train], routes)
        judged = np.flatnonzero(halves == half)
        parts.append(_judge(weights, [logs[i] for i in judged], rewards[judged], routes))
    estimate = _estimate(parts, routes)
    weights = _train(logs, rewards, routes)
    return Learned(
        {route: tuple(map(float, row)) for route, row in zip(routes, weights, strict=True)},
        worth,
        estimate,
    )


def _half(task: Task) -> int:
    """Return which half of the questions a task is in: all runs of one question are in the same."""
    return sha256(task.question.encode(errors="replace")).digest()[0] % 2


def _train(logs: Sequence[Logged], rewards: Any, routes: Sequence[str]) -> Any:  # noqa: ANN401 - arrays
    """Return a row of weights a route."""
    wabbit = require("vowpalwabbit", "learn")
    number = {route: place for place, route in enumerate(routes)}
    examples = [
        _example(log.task.features, len(routes), (number[log.route], -float(reward), log.chance))
        for log, reward in zip(logs, rewards, strict=True)
    ]
    order = random.Random(_SEED)  # noqa: S311 - no secret
    # Linear in the features of the question, for each route by itself; names are ours, not the logs'.
    learner = wabbit.Workspace(
        f"--cb_adf --cb_type mtr -q qr --ignore_linear q --noconstant --quiet --random_seed {_SEED % 1000}"
    )
    try:
        for _ in range(max(1, min(_MOST_PASSES, PASSES_RUNS // len(examples)))):
            order.shuffle(examples)
            for example in examples:
                learner.learn(example)
        # The rewards are linear in the features: asking at each corner gives back the weights.
        corners = np.eye(len(FEATURES))
        corners[:, 0] = 1.0
        asked = [learner.predict(_example(tuple(row), len(routes))) for row in corners]
    finally:
        learner.finish()
    values = -np.array(asked)
    values[1:] -= values[0]
    return values.T


def _example(
    features: tuple[float, ...], routes: int, taken: tuple[int, float, float] | None = None
) -> list[str]:
    """Return a question in Vowpal Wabbit's text: what is seen, then a line a route."""
    seen = " ".join(f"{place}:{value:.6g}" for place, value in enumerate(features) if value)
    lines = [f"shared |q {seen}"]
    for route in range(routes):
        label = (
            f"0:{taken[1]:.6g}:{taken[2]:.6g} " if taken is not None and route == taken[0] else ""
        )
        lines.append(f"{label}|r {route}")
    return lines


def _judge(weights: Any, logs: Sequence[Logged], rewards: Any, routes: Sequence[str]) -> Any:  # noqa: ANN401 - arrays
    """Return a row a question: the reward of the policy, then of each route, doubly robust.

    A reward is the weights' own forecast, put right by what was seen wherever the log took that route.
    """
    number = {route: place for place, route in enumerate(routes)}
    features = np.array([log.task.features for log in logs])
    expected = features @ weights.T
    rows = np.arange(len(logs))
    taken = np.array([number[log.route] for log in logs])
    chances = np.array([log.chance for log in logs])
    found = expected.copy()
    found[rows, taken] += (rewards - expected[rows, taken]) / chances
    policy = found[rows, expected.argmax(axis=1)]
    questions = np.unique([log.task.question for log in logs], return_inverse=True)[1]
    figures = np.column_stack([policy, found])
    sums = np.zeros((questions.max() + 1, figures.shape[1]))
    np.add.at(sums, questions, figures)
    return sums / np.bincount(questions)[:, None]


def _estimate(parts: Sequence[Any], routes: Sequence[str]) -> Estimate:
    rows = np.vstack(parts)
    means = rows.mean(axis=0)
    # Questions count as independent; their mean is near enough to normal.
    error = 1.96 * float(rows[:, 0].std(ddof=1)) / len(rows) ** 0.5
    fixed = {route: float(mean) for route, mean in zip(routes, means[1:], strict=True)}
    value = float(means[0])
    return Estimate(value, value - error, value + error, fixed, len(rows))
