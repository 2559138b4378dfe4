"""The assistant as a target: the route a sweep asks for, with its knobs, and the whole context beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shoestring.evals import Case, Passage, Suite, sweep
from shoestring.evals.running.assistants import FULL, Assistant
from shoestring.evals.scorers import Contains
from shoestring.graphs import Direct

if TYPE_CHECKING:
    from pathlib import Path

PLACES = (
    "Arran",
    "Bute",
    "Coll",
    "Danna",
    "Eigg",
    "Fetlar",
    "Gigha",
    "Hoy",
    "Iona",
    "Jura",
    "Kerrera",
)
PASSAGES = tuple(
    Passage(str(n), place, f"When the ferry to the island of {place} leaves at {n} past nine, it carries "
            f"letters for {place} and {n} crates of bread, as its captain of {n} years likes to tell.")
    for n, place in enumerate(PLACES)
)  # fmt: skip
SUITE = Suite(
    "ferry", (Case("1", "When does the ferry to the island leave?", PASSAGES, ("nine",)),)
)


def test_a_route_is_asked_for_with_its_knobs(server: Any, tmp_path: Path) -> None:
    """A wider context reads more, the whole context reads all, and the narrow one keeps to its knob."""
    routes = ["direct context=160", "direct context=1000", FULL]
    kept = sweep(
        Assistant(server.model()), SUITE, budgets=[4_000], routes=routes, scorers=[Contains()],
        folder=tmp_path,
    )  # fmt: skip
    read = {result.route: result.input_tokens for result in kept.results()}
    assert read[routes[0]] < read[routes[1]] < read[FULL]
    assert [result.error for result in kept.results()] == [None] * 3


def test_the_seed_reaches_a_model_that_takes_one(server: Any, tmp_path: Path) -> None:
    """Repetitions are told apart, and the same repetition is the same; a seed that was set stays."""
    for place, (model, seeds) in enumerate(
        ((server.model(), [0, 1]), (server.model(seed=7), [7, 7]))
    ):
        server.requests.clear()
        sweep(
            Assistant(model), SUITE, budgets=[2_000], routes=["direct", FULL], seeds=2,
            scorers=[Contains()], folder=tmp_path / str(place), concurrency=1,
        )  # fmt: skip
        assert [body["seed"] for body in server.requests] == [
            seeds[0],
            seeds[0],
            seeds[1],
            seeds[1],
        ]


def test_routes_of_ones_own_are_the_ones_there_are() -> None:
    """What is asked for is looked for among them, and told where it is not there."""
    own = Assistant(None, routes=(Direct(context=99, name="narrow"),))
    assert own.planner("narrow output=12") is not None
    assert own.planner(FULL) is None
    with pytest.raises(ValueError, match="no route is called 'direct': there are narrow; or 'full"):
        own.planner("direct")
