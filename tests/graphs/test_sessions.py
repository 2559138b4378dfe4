"""No question of a session is left without an outcome while an eligible route fits."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from shoestring.agents import Choice

SIMULATION = Path(__file__).parents[2] / "benchmarks" / "sessions.py"


@pytest.fixture(scope="module")
def simulation() -> Any:
    spec = spec_from_file_location("sessions", SIMULATION)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class GivesUp:
    """A policy that takes nothing, whatever fits."""

    def choose(self, forecasts: object, standing: object) -> Choice:
        del forecasts, standing
        return Choice(None, "no")


@pytest.mark.slow
def test_no_question_is_left(simulation: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Over simulated sessions under any budget, split, policy and set of routes nobody is left out."""
    assert simulation.main(["--sessions", "60", "--seed", "7"]) == 0
    assert "left or overspent 0" in capsys.readouterr().out


def test_the_simulation_finds_who_is_left(
    simulation: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A policy that gives up where a route fits is found out."""

    def policy_of(_: object) -> GivesUp:
        return GivesUp()

    monkeypatch.setattr(simulation, "policy_of", policy_of)
    assert simulation.main(["--sessions", "2"]) == 1
    assert "was left" in capsys.readouterr().out
