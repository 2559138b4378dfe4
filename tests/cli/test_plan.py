"""`shoestring plan`: routes, forecasts and the choice; nothing is spent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from inline_snapshot import snapshot

from shoestring.agents import Forecast, Forecaster, Logged, Run, Task, Worth, learn_policy
from shoestring.budget import Amount
from shoestring.cli import plan as planning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import CountingServer

QUESTION = "When does the grey heron hunt?"

pytestmark = pytest.mark.usefixtures("lexical")


@pytest.fixture
def plan(
    run: Callable[..., Any], birds: Path, server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Run the command on the birds with a model that counts its calls; none may come."""

    def loaded(_: str) -> Any:
        return server.model()

    monkeypatch.setattr(planning, "model_of", loaded)

    def planned(*options: str) -> Any:
        ran = run("plan", QUESTION, "birds", *options)
        assert server.requests == []
        return ran

    return planned


def shown(output: str) -> str:
    """What a person sees: rich pads lines with blanks."""
    return "\n".join(line.rstrip() for line in output.splitlines()) + "\n"


def test_a_plan_as_a_person_sees_it(plan: Callable[..., Any]) -> None:
    """The choice first, then each route with its forecast, then why not the others."""
    ran = plan("--tokens", "1500")
    assert ran.exit_code == 0, ran.stderr
    assert shown(ran.stdout) == snapshot("""\
plan  direct
  direct: likely 421 tokens, 1,500 tokens left

   route             right            least  likely    runs
   chain_of_thought  ━━━━━━╌╌╌╌  60%  1,476   1,676  stated
▸  direct            ━━━━━╌╌╌╌╌  50%    325     421  stated
   quote             ━━╌╌╌╌╌╌╌╌  20%   free    free  stated

  not chain_of_thought: 60% right, likely 1,676 tokens, more than is left
  not quote: 20% right, free of charge

budget  1,500 tokens; nothing was spent
""")


def test_what_runs_have_taught_is_used(plan: Callable[..., Any], tmp_path: Path) -> None:
    """Forecasts come from the file; by expectation the cheaper route wins where both are right."""
    prior = Forecast(Amount(300, 96, 0, 1), Amount(400, 96, 0, 1), 0.5)
    task = Task(QUESTION, (1.0, 0.5))
    file = tmp_path / "forecasts.json"
    spent = Amount(200, 20, 0, 1)
    Forecaster(file).learn(
        Run("direct", task, prior, spent, 1.0, right=True, model="gpt-4o-mini") for _ in range(40)
    )
    ran = plan("--forecasts", str(file), "--policy", "expected", "--worth", "5000", "--json")
    assert ran.exit_code == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["route"] == "direct"
    direct = found["routes"]["direct"]
    assert (direct["runs"], direct["success"] > 0.8) == (40, True)
    assert direct["likely"]["tokens"] <= direct["high"]["tokens"] < 400
    assert found["routes"]["chain_of_thought"]["runs"] == 0
    assert "worth" in found["routes"]["chain_of_thought"]["why_not"]


def test_routes_and_a_learned_policy_are_taken(plan: Callable[..., Any], tmp_path: Path) -> None:
    """--route names what is compared, and a policy from a file chooses among it."""
    stated = Forecast(Amount(300, 96, 0, 1), Amount(400, 96, 0, 1), 0.5)
    runs = [
        Run(route, Task(f"Who built it, and when, number {n}?"), stated, Amount(tokens, 0, 0, 1),
            right=route == "direct")
        for n in range(40)
        for route, tokens in (("direct", 300), ("chain_of_draft", 900))
    ]  # fmt: skip
    file = tmp_path / "policy.json"
    learn_policy(Logged.sweep(runs), Worth(tokens=5_000)).save(file)
    routes = ("--route", "direct", "--route", "chain_of_draft")
    ran = plan(*routes, "--policy", "learned", "--learned", str(file), "--json")
    assert ran.exit_code == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert (found["route"], sorted(found["routes"])) == ("direct", ["chain_of_draft", "direct"])
    assert "reward" in found["reason"]


def test_nothing_fits(plan: Callable[..., Any]) -> None:
    """A budget too small for any call is told with what the cheapest needs; excerpts are free."""
    found = json.loads(plan("--tokens", "50", "--json").stdout)
    assert (found["route"], found["stopped_by"]) == ("quote", "tokens")
    assert "direct needs at least" in found["reason"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--policy", "expected", "--worth", "much"), "give tokens, such as 20000"),
        (("--policy", "expected", "--worth", "0"), "give tokens= or usd="),
        (("--policy", "expected", "--worth", "$nan"), "give tokens= or usd="),
        (("--forecasts", "missing.json"), "missing.json: no such file"),
        (("--policy", "luck"), "'luck' is not one of"),
        (("--policy", "learned"), "--policy learned and --learned FILE go together"),
        (("--learned", "policy.json"), "--policy learned and --learned FILE go together"),
        (("--policy", "learned", "--learned", "policy.json"), "policy.json: cannot be read"),
        (("--route", "shortcut"), "no route is called 'shortcut'"),
    ],
)
def test_bad_options_are_told_on_one_line(
    plan: Callable[..., Any], options: tuple[str, ...], said: str
) -> None:
    """What cannot be meant is refused with the cure."""
    ran = plan(*options)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1
