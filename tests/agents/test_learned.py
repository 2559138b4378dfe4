"""A learned policy takes what pays by its logs, and tells beforehand what that would have earned."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from shoestring.agents import (
    BadPolicy,
    Forecast,
    Learned,
    Logged,
    Run,
    Standing,
    Task,
    Worth,
    learn_policy,
)
from shoestring.budget import Amount, Caps

if TYPE_CHECKING:
    from pathlib import Path

EASY, HARD = "Who built it?", "How many of the 3 boats that left before noon came back? "
CHEAP, DEAR = Amount(100, 20, 0, 1), Amount(900, 100, 0, 2)
FORECASTS = {
    "cheap": Forecast(CHEAP, CHEAP, 0.5),
    "dear": Forecast(DEAR, DEAR, 0.5),
}
WORTH = Worth(tokens=5_000)


def task(number: int) -> Task:
    """Return one of many questions: the even ones are easy."""
    return Task(f"{EASY if number % 2 == 0 else HARD * 4} Number {number}.")


def sweep(questions: int, seed: int = 0) -> list[Run]:
    """Both routes on each question: easy ones the cheap route gets right, hard ones only the dear."""
    rng = random.Random(seed)
    runs: list[Run] = []
    for number in range(questions):
        chances = (0.9, 0.9) if number % 2 == 0 else (0.1, 0.9)
        for name, chance, spent in zip(FORECASTS, chances, (CHEAP, DEAR), strict=True):
            right = rng.random() < chance
            runs.append(Run(name, task(number), FORECASTS[name], spent, None, right))
    return runs


@pytest.fixture(scope="module")
def learned() -> Learned:
    """A policy learned from 300 questions."""
    return learn_policy(Logged.sweep(sweep(300)), WORTH)


def choose(policy: Learned, asked: Task, tokens: int | None = None) -> str | None:
    """Return the route taken with so many tokens left."""
    caps = Caps(tokens=tokens)
    return policy.choose(FORECASTS, Standing(caps, caps, task=asked)).route


def test_it_takes_the_route_that_pays_for_the_question(learned: Learned) -> None:
    """Easy questions go the cheap way and hard ones the dear, also such as it has never seen."""
    taken = [choose(learned, task(number)) for number in range(1_000, 1_100)]
    assert taken == ["cheap", "dear"] * 50


def test_what_does_not_fit_is_not_taken(learned: Learned) -> None:
    """A hard question with little left goes the cheap way, or is refused with what that needs."""
    assert choose(learned, task(1), 500) == "cheap"
    choice = learned.choose(FORECASTS, Standing(Caps(tokens=50), Caps(tokens=50), task=task(1)))
    assert (choice.route, choice.stopped_by) == (None, "tokens")
    assert "cheap needs at least 120 tokens" in choice.reason


def test_the_estimate_foretells_what_the_policy_earns(learned: Learned) -> None:
    """The true reward lies in the interval, and each route's own in a few hundredths."""
    # Easy: right in 0.9, less 120 of 5,000 tokens; hard: 0.9 less 1,000.
    truth = (0.9 - 0.024 + 0.9 - 0.2) / 2
    estimate = learned.estimate
    assert estimate.low - 0.02 <= truth <= estimate.high + 0.02
    assert estimate.routes["cheap"] == pytest.approx((0.9 + 0.1) / 2 - 0.024, abs=0.06)
    assert estimate.routes["dear"] == pytest.approx(0.9 - 0.2, abs=0.06)
    assert estimate.value > max(estimate.routes.values())
    assert str(estimate).startswith("estimated reward +0.")
    assert "always one route: dear +0." in str(estimate)


def test_logs_of_a_lopsided_chooser_are_put_right() -> None:
    """Where the dear route was tried in one run of ten, its chance is weighed in."""
    rng = random.Random(1)
    logs = list[Logged]()
    for number in range(1_500):
        dear = rng.random() < 0.1
        right = rng.random() < (0.9 if dear or number % 2 == 0 else 0.1)
        name = "dear" if dear else "cheap"
        spent, chance = (DEAR, 0.1) if dear else (CHEAP, 0.9)
        logs.append(Logged(task(number), name, spent, right, chance))
    policy = learn_policy(logs, WORTH)
    assert policy.estimate.routes["dear"] == pytest.approx(0.7, abs=0.1)
    assert policy.estimate.routes["cheap"] == pytest.approx(0.476, abs=0.05)
    taken = [choose(policy, task(number)) for number in range(5_000, 5_100)]
    assert taken.count("dear") == pytest.approx(50, abs=10)


def test_the_same_logs_give_the_same_policy() -> None:
    """Learning is repeatable to the last digit."""
    logs = Logged.sweep(sweep(40))
    assert learn_policy(logs, WORTH) == learn_policy(logs, WORTH)


def test_a_policy_that_was_saved_decides_the_same(learned: Learned, tmp_path: Path) -> None:
    """A few kilobytes of JSON hold it, its worth and its estimate."""
    file = tmp_path / "policy.json"
    learned.save(file)
    assert file.stat().st_size < 4_000
    again = Learned.load(file)
    assert again.worth == learned.worth
    assert again.estimate.value == pytest.approx(learned.estimate.value, rel=1e-3)
    for number in range(50):
        assert choose(again, task(number)) == choose(learned, task(number))


def test_other_routes_are_refused_by_name(learned: Learned) -> None:
    """A route it has not learned of is named, with what to do."""
    forecasts = FORECASTS | {"research": FORECASTS["dear"]}
    with pytest.raises(BadPolicy, match="knows the routes cheap, dear, and not research: train it"):
        learned.choose(forecasts, Standing(Caps(), Caps(), task=task(1)))


def _spoiled(change: str, content: dict[str, Any]) -> object:
    match change:
        case "version":
            content["version"] = 0
        case "features":
            content["features"].pop()
        case "format":
            content["format"] = "?"
        case "weight":
            content["routes"]["cheap"][0] = float("nan")
        case "routes":
            content["routes"] = {}
        case "worth":
            content["worth"] = {"tokens": True}
        case "no worth":
            content["worth"] = {"tokens": None, "usd": None}
        case "estimate":
            content["estimate"]["reward"] = [1]
        case _:
            return [content]
    return content


@pytest.mark.parametrize(
    "change",
    ["version", "features", "format", "weight", "routes", "worth", "no worth", "estimate", "list"],
)
def test_a_file_that_is_no_policy_is_refused_by_name(
    learned: Learned, tmp_path: Path, change: str
) -> None:
    """Another version and damage are one named error."""
    file = tmp_path / "policy.json"
    learned.save(file)
    file.write_text(json.dumps(_spoiled(change, json.loads(file.read_text()))))
    with pytest.raises(BadPolicy, match=r"policy\.json: "):
        Learned.load(file)


def test_logs_that_cannot_be_learned_from_are_refused() -> None:
    """Too few, without a verdict, or taken with no chance at all."""
    with pytest.raises(ValueError, match="0 runs are too few"):
        learn_policy([], WORTH)
    with pytest.raises(ValueError, match="1 runs do not say whether they were right"):
        Logged.sweep([Run("cheap", task(0), FORECASTS["cheap"], CHEAP)])
    with pytest.raises(ValueError, match="chance 0"):
        Logged(task(0), "cheap", CHEAP, right=True, chance=0)
