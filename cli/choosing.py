"""How a route is chosen: the options that `ask` and `plan` share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from shoestring.cli.errors import BadInput

if TYPE_CHECKING:
    from shoestring.agents import Forecaster, Planner, Policy
    from shoestring.tools import Outline

Rule = Literal["affordable", "thresholds", "expected", "learned"]

WORTH = "20000"
"""Tokens that one more right answer is worth where nobody says."""

RouteNames = Annotated[
    list[str] | None,
    typer.Option(
        "--route",
        help="A route to choose among; may be given several times.",
        show_default="quote, direct, chain_of_thought; reading, of long documents",
    ),
]
RuleName = Annotated[
    Rule,
    typer.Option(
        "--policy",
        metavar="<rule>",
        help="The rule to choose by: affordable, thresholds, expected or learned.",
    ),
]
WorthFigure = Annotated[
    str,
    typer.Option(
        "--worth",
        help="For expected: what one more right answer is worth: 20000 (tokens) or $0.02.",
    ),
]
LearnedFile = Annotated[
    Path | None, typer.Option("--learned", help="For learned: the file of the policy.")
]
ForecastsFile = Annotated[
    Path | None, typer.Option("--forecasts", help="File of what earlier runs have taught.")
]


@dataclass(frozen=True, slots=True)
class Choosing:
    """What was asked for on the command line.

    Args:
        names: Routes by name, with knobs; none for those that stand.
        policy: The rule.
        forecaster: What earlier runs have taught; None to go by what routes state.
    """

    names: tuple[str, ...]
    policy: Policy
    forecaster: Forecaster | None

    @property
    def outlined(self) -> bool:
        """Whether a route was asked for that reads by an outline."""
        from shoestring.graphs import Reading, Research

        routes = self.planner(None).routes if self.names else ()
        return any(isinstance(route, Reading | Research) for route in routes)

    def planner(self, outline: Outline | None) -> Planner:
        """Return the planner, over documents with this outline."""
        from shoestring.agents import Planner
        from shoestring.graphs import planner_of, standard_planner

        found = planner_of(self.names) if self.names else standard_planner(outline)
        return Planner(found.routes, self.policy, self.forecaster)


def choosing_of(
    names: list[str] | None,
    policy: Rule,
    worth: str,
    learned: Path | None,
    forecasts: Path | None,
    *,
    model: str,
) -> Choosing:
    """Read the options.

    Raises:
        BadInput: If a route is unknown, stands twice or lacks its model; if the worth is none; if there is
            no policy to go by, or a file is not what it should be.
    """
    from shoestring.agents import BadForecasts, Forecaster

    try:
        forecaster = None if forecasts is None else Forecaster(forecasts)
    except BadForecasts as error:
        raise BadInput(f"--forecasts: {error}") from None
    chosen = Choosing(tuple(names or ()), _policy(policy, worth, learned), forecaster)
    if names:
        try:
            routes = chosen.planner(None).routes
        except ValueError as error:
            raise BadInput(f"--route: {error}") from None
        if model == "quote" and all(route.needs_model for route in routes):
            raise BadInput(f"--route {names[0]} needs a model: give --model, or --route quote")
    return chosen


def _policy(name: Rule, worth: str, learned: Path | None) -> Policy:
    from shoestring.agents import Affordable, BadPolicy, Expected, Learned, Thresholds, Worth

    if (name == "learned") != (learned is not None):
        raise BadInput("--policy learned and --learned FILE go together")
    if name == "affordable":
        return Affordable()
    if name == "thresholds":
        return Thresholds()
    if learned is not None:
        try:
            return Learned.load(learned)
        except BadPolicy as error:
            raise BadInput(f"--learned: {error}") from None
    figure = worth.strip().replace(",", "").replace("_", "")
    if figure.startswith("$"):
        return Expected(Worth(usd=figure[1:]))
    if not figure.isdecimal():
        raise BadInput(
            f"--worth is {worth!r:.40}: give tokens, such as 20000, or dollars, such as $0.02"
        )
    return Expected(Worth(tokens=int(figure)))
