"""Forecasts begin at what routes state and end at what runs have shown."""

from __future__ import annotations

import json
import math
import random
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.agents import BadForecasts, Forecast, Forecaster, Run, Task
from shoestring.budget import Amount

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIOR = Forecast(Amount(200, 96, 2_000, 1), Amount(400, 96, 4_000, 1), 0.5)
SHORT, LONG = Task("Who?"), Task("How many of the 3 boats that left before noon came back? " * 8)


def run(task: Task, spent: Amount, *, right: bool | None = None, seconds: float = 1.0) -> Run:
    """Return a run of one route with one model."""
    return Run("direct", task, PRIOR, spent, seconds, right, "m")


def some_runs(n: int, seed: int = 0) -> Iterator[Run]:
    """Runs whose cost and success depend on the question, with noise: skewed, as lengths are."""
    rng = random.Random(seed)
    for _ in range(n):
        task = rng.choice((SHORT, LONG))
        read = int((150 if task is SHORT else 320) * rng.uniform(0.9, 1.1))
        written = int(rng.lognormvariate(3, 0.6))
        right = rng.random() < (0.9 if task is SHORT else 0.3)
        yield run(
            task, Amount(read, written, 10 * read, 1), right=right, seconds=rng.expovariate(1)
        )


def test_a_cold_start_is_what_the_route_states() -> None:
    """Without runs the prior comes back as it is."""
    assert Forecaster().forecast("direct", SHORT, PRIOR, model="m") is PRIOR


def test_a_few_runs_change_the_chance_and_not_yet_the_costs() -> None:
    """Nine runs cannot tell what nine in ten stay within; ten are taken at their word."""
    forecaster = Forecaster()
    forecaster.learn(run(SHORT, Amount(100, 10, 0, 1), right=True) for _ in range(9))
    found = forecaster.forecast("direct", SHORT, PRIOR, model="m")
    assert (found.likely, found.high, found.runs) == (PRIOR.likely, None, 0)
    assert 0.6 < found.success < 1
    forecaster.learn([run(SHORT, Amount(100, 10, 0, 1))])
    found = forecaster.forecast("direct", SHORT, PRIOR, model="m")
    assert found.high is not None
    assert found.runs == 10


def test_routes_and_models_are_known_apart() -> None:
    """What one model costs says nothing about another."""
    forecaster = Forecaster()
    forecaster.learn(some_runs(30))
    assert forecaster.forecast("direct", SHORT, PRIOR, model="other") is PRIOR
    assert forecaster.forecast("deep", SHORT, PRIOR, model="m") is PRIOR


def test_ninety_per_cent_of_unseen_runs_stay_within_the_high_figures() -> None:
    """Tokens, money and seconds each hold in 85 to 95 % of later runs, and half are within likely."""
    within = {"tokens": 0, "likely": 0, "money": 0, "seconds": 0}
    forecaster = Forecaster()
    forecaster.learn(some_runs(300))
    for later in some_runs(1_000, seed=1):
        found = forecaster.forecast("direct", later.task, PRIOR, model="m")
        assert found.high is not None
        assert found.seconds is not None
        assert later.seconds is not None
        within["tokens"] += later.spent.tokens <= found.high.tokens
        within["likely"] += later.spent.tokens <= found.likely.tokens
        within["money"] += later.spent.nanodollars <= found.high.nanodollars
        within["seconds"] += later.seconds <= found.seconds[1]
        forecaster.learn([later])
    assert 425 <= within.pop("likely") <= 575
    assert all(850 <= count <= 950 for count in within.values()), within


def test_the_chance_follows_the_question() -> None:
    """A question of the kind that went wrong is told from one of the kind that went right."""
    forecaster = Forecaster()
    forecaster.learn(some_runs(400))
    easy, hard = (forecaster.forecast("direct", t, PRIOR, model="m") for t in (SHORT, LONG))
    assert abs(easy.success - 0.9) < 0.07
    assert abs(hard.success - 0.3) < 0.07
    assert easy.likely.tokens < hard.likely.tokens


def test_costs_that_change_are_learned_anew() -> None:
    """After a model's answers have grown tenfold, the high figure holds again."""
    forecaster = Forecaster()
    forecaster.learn(run(SHORT, Amount(150, 20, 0, 1)) for _ in range(300))
    forecaster.learn(run(SHORT, Amount(150, 200, 0, 1)) for _ in range(1_000))
    found = forecaster.forecast("direct", SHORT, PRIOR, model="m")
    assert found.high is not None
    assert 350 <= found.high.tokens <= 385


@given(
    st.lists(
        st.tuples(st.integers(0, 2**62), st.integers(0, 2**40), st.floats(0, 1e300)), max_size=30
    ),
    st.integers(0, 2**40),
)
def test_any_runs_give_finite_forecasts(figures: list[tuple[int, int, float]], stated: int) -> None:
    """Costs of nothing and of absurd size, and priors of nothing, are all learned from."""
    prior = Forecast(Amount(), Amount(stated, 0, 0, 1), 0.5)
    forecaster = Forecaster()
    forecaster.learn(
        Run("r", SHORT, prior, Amount(read, written), seconds, read % 2 == 0)
        for read, written, seconds in figures
    )
    found = forecaster.forecast("r", SHORT, prior)
    assert 0 <= found.success <= 1
    assert found.high is None or found.high.tokens >= 0
    assert found.seconds is None or all(map(math.isfinite, found.seconds))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_a_forecast_or_run_of_no_number_is_refused(bad: float) -> None:
    """NaN, infinity and negative figures are named, not learned from."""
    with pytest.raises(ValueError, match="from 0 to 1"):
        Forecast(Amount(), Amount(), bad)
    with pytest.raises(ValueError, match="finite"):
        Forecast(Amount(), Amount(), 0.5, seconds=(0.0, bad))
    with pytest.raises(ValueError, match="finite time"):
        run(SHORT, Amount(), seconds=bad)


def test_what_was_learned_is_kept_in_a_few_kilobytes(tmp_path: Path) -> None:
    """A forecaster opened anew forecasts the same, and 2,000 runs take no more room than 200."""
    file = tmp_path / "deep" / "forecasts.json"
    Forecaster(file).learn(some_runs(200))
    Forecaster(file).learn(some_runs(1_800, seed=2))
    assert file.stat().st_size < 6_000
    memory = Forecaster()
    memory.learn(some_runs(200))
    memory.learn(some_runs(1_800, seed=2))
    for task in (SHORT, LONG):
        kept = Forecaster(file).forecast("direct", task, PRIOR, model="m")
        lived = memory.forecast("direct", task, PRIOR, model="m")
        assert kept.success == pytest.approx(lived.success, abs=0.01)
        assert kept.high is not None
        assert lived.high is not None
        assert kept.high.tokens == pytest.approx(lived.high.tokens, rel=0.01)


def _teach(file: str) -> None:
    forecaster = Forecaster(file)
    for one in some_runs(20):
        forecaster.learn([one])


def test_processes_that_share_a_file_lose_no_run(tmp_path: Path) -> None:
    """Three processes that learn at once leave all their runs in the file."""
    file = tmp_path / "forecasts.json"
    with ProcessPoolExecutor(3) as pool:
        list(pool.map(_teach, [str(file)] * 3))
    assert Forecaster(file).forecast("direct", SHORT, PRIOR, model="m").runs == 60
    assert sorted(path.name for path in tmp_path.iterdir()) == [file.name, f"{file.name}.lock"]


def _spoiled(change: str, content: dict[str, Any]) -> object:
    entry = content["routes"][0]
    match change:
        case "version":
            content["version"] = 2
        case "features":
            content["features"] = content["features"][::-1]
        case "format":
            content["format"] = "something else"
        case "weights":
            entry["success"][0] = "1"
        case "nan":
            entry["success"][0] = math.nan
        case "size":
            entry["costs"].pop()
        case "variance":
            entry["success_spread"][0] = -1
        case "counts":
            entry["rests"][0] = {"x": 1}
        case "name":
            entry["route"] = None
        case _:
            return [content]
    return content


@pytest.mark.parametrize(
    "change",
    [
        "version",
        "features",
        "format",
        "weights",
        "nan",
        "size",
        "variance",
        "counts",
        "name",
        "list",
    ],
)
def test_a_file_that_is_no_forecasts_is_refused_by_name(tmp_path: Path, change: str) -> None:
    """Another version, damage and hostile content are one named error, and the file is left as it is."""
    file = tmp_path / "forecasts.json"
    Forecaster(file).learn(some_runs(3))
    spoiled = json.dumps(_spoiled(change, json.loads(file.read_text())))
    file.write_text(spoiled)
    with pytest.raises(BadForecasts, match=r"forecasts\.json: "):
        Forecaster(file)
    assert file.read_text() == spoiled


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[" * 10_000, b"{}" + b" " * 5 * 2**20])
def test_bytes_that_are_no_json_are_refused_by_name(tmp_path: Path, data: bytes) -> None:
    """Empty, binary, deeply nested and huge files end in the same error."""
    file = tmp_path / "forecasts.json"
    file.write_bytes(data)
    with pytest.raises(BadForecasts):
        Forecaster(file)
