"""`shoestring plan`: which route a question would take within a budget, and why; no model is called."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from shoestring.cli.ask import budget_of, model_of, question_of
from shoestring.cli.errors import BadInput
from shoestring.cli.library import open_library
from shoestring.cli.render_plan import show_plan
from shoestring.cli.text import write

if TYPE_CHECKING:
    from shoestring.agents import Policy
    from shoestring.budget import Budget
    from shoestring.graphs import Plan

Rule = Literal["affordable", "thresholds", "expected"]

WORTH = 20_000
"""Tokens that one more right answer is worth where nobody says."""


def plan(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What you want to know.")],
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Files and folders to answer from.")
    ],
    *,
    tokens: Annotated[
        int | None,
        typer.Option(help="Cap on tokens, in and out.", show_default="6000 if nothing is capped"),
    ] = None,
    usd: Annotated[str | None, typer.Option(help="Cap on dollars, such as 0.002.")] = None,
    calls: Annotated[int | None, typer.Option(help="Cap on model calls.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Cap on seconds of work.")] = None,
    model: Annotated[
        str, typer.Option(help="quote (no model), local, local:FILE.gguf, or PROVIDER:NAME.")
    ] = "local",
    policy: Annotated[Rule, typer.Option(help="The rule to choose by.")] = "affordable",
    worth: Annotated[
        str,
        typer.Option(
            help="For expected: what one more right answer is worth: 20000 (tokens) or $0.02."
        ),
    ] = str(WORTH),
    forecasts: Annotated[
        Path | None, typer.Option(help="File of what earlier runs have taught.")
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option(help="Folder of the index.", show_default="one a set of paths, in the cache"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the routes QUESTION could take, their forecasts and the choice; spend nothing on models."""
    from shoestring.agents import Forecaster, Planner
    from shoestring.graphs import preview, standard_planner

    asked = question_of(question)
    budget = budget_of(tokens, usd, calls, seconds)
    rule = _policy(policy, worth)
    if forecasts is not None and not forecasts.exists():
        raise BadInput(
            f"{forecasts}: no such file; leave out --forecasts to go by what routes state"
        )
    chat = model_of(model)
    from shoestring.tools import IndexRetriever

    with open_library(paths, index, model=chat is not None, outlined=False) as library:
        documents = IndexRetriever(index=library.index).invoke(asked)
        routes = standard_planner(library.outline).routes
    planner = Planner(routes, rule, None if forecasts is None else Forecaster(forecasts))
    found = preview(asked, chat, documents, budget=budget, planner=planner)
    if as_json:
        write(json.dumps(as_object(found, budget), ensure_ascii=False))
    else:
        show_plan(Console(), found, budget)


def _policy(name: Rule, worth: str) -> Policy:
    from shoestring.agents import Affordable, Expected, Thresholds, Worth

    if name == "affordable":
        return Affordable()
    if name == "thresholds":
        return Thresholds()
    figure = worth.strip().replace(",", "").replace("_", "")
    if figure.startswith("$"):
        return Expected(Worth(usd=figure[1:]))
    if not figure.isdecimal():
        raise BadInput(
            f"--worth is {worth!r:.40}: give tokens, such as 20000, or dollars, such as $0.02"
        )
    return Expected(Worth(tokens=int(figure)))


def as_object(plan: Plan, budget: Budget) -> dict[str, Any]:
    """Return the object that `--json` prints."""
    return {
        "route": plan.choice.route,
        "reason": plan.choice.reason,
        "stopped_by": plan.choice.stopped_by,
        "limit": budget.caps.as_dict(),
        "routes": {
            name: {
                "chosen": name == plan.choice.route,
                "success": round(forecast.success, 4),
                "least": forecast.least.as_dict(),
                "likely": forecast.likely.as_dict(),
                "high": None if forecast.high is None else forecast.high.as_dict(),
                "seconds": forecast.seconds,
                "runs": forecast.runs,
                "why_not": plan.choice.others.get(name),
            }
            for name, forecast in plan.forecasts.items()
        },
    }
