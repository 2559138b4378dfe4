"""`shoestring plan`: which route a question would take within a budget, and why; no model is called."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from shoestring.cli.ask import budget_of, model_of, question_of
from shoestring.cli.choosing import (
    WORTH,
    ForecastsFile,
    LearnedFile,
    RouteNames,
    RuleName,
    WorthFigure,
    choosing_of,
)
from shoestring.cli.corpus import open_corpus
from shoestring.cli.errors import BadInput
from shoestring.cli.render_plan import show_plan
from shoestring.cli.text import write

if TYPE_CHECKING:
    from shoestring.budget import Budget
    from shoestring.graphs import Plan


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
    route: RouteNames = None,
    policy: RuleName = "affordable",
    worth: WorthFigure = WORTH,
    learned: LearnedFile = None,
    forecasts: ForecastsFile = None,
    index: Annotated[
        Path | None,
        typer.Option(help="Folder of the index.", show_default="one a set of paths, in the cache"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the routes QUESTION could take, their forecasts and the choice; spend nothing on models."""
    asked = question_of(question)
    budget = budget_of(tokens, usd, calls, seconds)
    if forecasts is not None and not forecasts.exists():
        raise BadInput(
            f"{forecasts}: no such file; leave out --forecasts to go by what routes state"
        )
    choosing = choosing_of(route, policy, worth, learned, forecasts, model=model)
    chat = model_of(model)
    from shoestring.graphs import preview
    from shoestring.tools import IndexRetriever

    has_model = chat is not None
    with open_corpus(paths, index, model=has_model, outlined=choosing.outlined) as corpus:
        documents = IndexRetriever(index=corpus.index).invoke(asked)
        planner = choosing.planner(corpus.outline)
    found = preview(asked, chat, documents, budget=budget, planner=planner)
    if as_json:
        write(json.dumps(as_object(found, budget), ensure_ascii=False))
    else:
        show_plan(Console(), found, budget)


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
