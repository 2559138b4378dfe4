"""Energy: ecologits' ranges over a run's receipt, or none where a part is not known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from ecologits.tracers.utils import llm_impacts

from shoestring.budget import Amount, Budget, Ledger
from shoestring.evals.cases import Case
from shoestring.evals.running.energy import Energy
from shoestring.evals.running.sweep import sweep
from shoestring.evals.scorers import Contains
from shoestring.evals.suite import Suite

if TYPE_CHECKING:
    from pathlib import Path

    from shoestring.evals.running.task import Task


def spent(*calls: tuple[str, int]) -> Ledger:
    ledger = Ledger(Budget(tokens=100_000))
    for what, written in calls:
        with ledger.reserve(Amount(10, written, 0, 1), what=what) as hold:
            hold.dispatching()
            hold.settle(Amount(10, written, 0, 1))
    return ledger


def test_a_run_takes_the_sum_of_its_calls_in_watt_hours_and_grams() -> None:
    """Each call is weighed as ecologits weighs it, in Wh and g where it has kWh and kg."""
    lines = spent(("gpt-4.1-mini", 100), ("openai/gpt-4.1-mini", 300), ("tool", 0)).receipt.lines
    found = Energy().of(lines)
    expected = [llm_impacts("openai", "gpt-4.1-mini", n, math.inf) for n in (100, 300)]
    assert found is not None
    for end, name in enumerate(("min", "max")):
        assert found.wh[end] == pytest.approx(
            1_000 * sum(getattr(one.energy.value, name) for one in expected if one.energy)
        )
        assert found.gco2e[end] == pytest.approx(
            1_000 * sum(getattr(one.gwp.value, name) for one in expected if one.gwp)
        )
    assert 0 < found.wh[0] < found.wh[1] < 10


def test_where_the_electricity_comes_from_changes_emissions_and_not_energy() -> None:
    """France's mix emits less than the world's for the same watt-hours."""
    lines = spent(("gpt-4.1-mini", 500)).receipt.lines
    france, world = Energy("FRA").of(lines), Energy("WOR").of(lines)
    assert france is not None
    assert world is not None
    assert france.wh == world.wh
    assert france.gco2e[1] < world.gco2e[0]


def test_an_unknown_model_makes_the_whole_unknown_and_no_call_takes_nothing() -> None:
    """A part is no sum; a quote without a model takes nothing at all."""
    assert Energy().of(spent(("gpt-4.1-mini", 100), ("my-own", 5)).receipt.lines) is None
    assert Energy().of(spent(("tool", 0)).receipt.lines) == ((0, 0), (0, 0))


def test_a_zone_that_is_none_is_refused() -> None:
    """The error says what a zone looks like."""
    with pytest.raises(ValueError, match="FRA, or WOR"):
        Energy("Atlantis")


def test_a_sweep_keeps_the_ranges_of_each_run(tmp_path: Path) -> None:
    """They come back from the folder as they were estimated."""

    def target(task: Task) -> str:
        with task.ledger.reserve(Amount(10, 200, 0, 1), what="gpt-4.1-mini") as hold:
            hold.dispatching()
            hold.settle(Amount(10, 200, 0, 1))
        return "4"

    suite = Suite("sums", (Case("1", "2 + 2?", (), ("4",)),))
    energy = Energy("FRA")
    kept = sweep(target, suite, budgets=[500], scorers=[Contains()], folder=tmp_path, energy=energy)
    (result,) = kept.results()
    assert (result.wh, result.gco2e) == energy.of(spent(("gpt-4.1-mini", 200)).receipt.lines)
