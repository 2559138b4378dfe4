"""How a plan looks in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from shoestring.agents.choosing import told
from shoestring.cli.text import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from shoestring.agents import Forecast
    from shoestring.budget import Amount, Budget
    from shoestring.graphs import Plan

BAR = 10
"""Cells of the bar that shows the chance of a right answer."""

LONGEST_REASON = 400  # characters

_INDENT = (0, 0, 0, 2)


def show_plan(console: Console, plan: Plan, budget: Budget) -> None:
    """Print the choice, then each route with its forecast, the dearest first, and why not."""
    choice = plan.choice
    head = Text("plan  ", "bold")
    head.append(printable(choice.route or "no route"), "bold green" if choice.route else "bold red")
    if choice.stopped_by:
        head.append(f" · stopped by the cap on {choice.stopped_by}", "dim")
    parts: list[RenderableType] = [
        head,
        Padding(Text(one_line(choice.reason, LONGEST_REASON)), _INDENT),
        "",
        _routes(plan),
        "",
    ]
    for name, why in choice.others.items():
        line = Text.assemble(
            (f"not {printable(name)}", "cyan"), ": ", one_line(why, LONGEST_REASON)
        )
        parts.append(Padding(line, _INDENT))
    parts += ["", Text(f"budget  {told(budget.caps)}; nothing was spent", "dim")]
    console.print(Group(*parts))


def _routes(plan: Plan) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("route", no_wrap=True)
    table.add_column("right", no_wrap=True)
    known = any(forecast.high is not None for forecast in plan.forecasts.values())
    for column in ("least", "likely", *(["90 %"] if known else []), "runs"):
        table.add_column(column, justify="right", no_wrap=True)
    by_cost = sorted(plan.forecasts.items(), key=lambda one: (-one[1].likely.tokens, one[0]))
    for name, forecast in by_cost:
        chosen = name == plan.choice.route
        table.add_row(
            "▸" if chosen else " ",
            Text(printable(name), "bold green" if chosen else "bold"),
            _chance(forecast),
            _cost(forecast.least),
            _cost(forecast.likely),
            *(["" if forecast.high is None else _cost(forecast.high)] if known else []),
            f"{forecast.runs:,}" if forecast.runs else Text("stated", "dim"),
        )
    return table


def _chance(forecast: Forecast) -> Text:
    full = round(forecast.success * BAR)
    bar = Text("━" * full, "green") + Text("╌" * (BAR - full), "bright_black")
    return bar + Text(f" {forecast.success:4.0%}")


def _cost(amount: Amount) -> str:
    if not amount.tokens:
        return "free"
    return f"{amount.tokens:,}" + (f" ${amount.usd:.4f}" if amount.nanodollars else "")
