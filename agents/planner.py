"""Which route to take, given what is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shoestring.agents.forecast import Run
from shoestring.agents.policies.affordable import Affordable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoestring.agents.choosing import Choice, Policy, Standing
    from shoestring.agents.features import Task
    from shoestring.agents.forecast import Forecaster
    from shoestring.agents.route import Forecast, Meter, Route
    from shoestring.budget import Amount


@dataclass(frozen=True, slots=True)
class Planner:
    """Chooses a route by a policy.

    Args:
        routes: The routes on offer; names differ.
        policy: The rule to choose by.
        forecaster: What earlier runs have taught, and what learns from these; None to go by what the
            routes state.

    Raises:
        ValueError: If there is no route, or two share a name.
    """

    routes: Sequence[Route]
    policy: Policy = field(default_factory=Affordable)
    forecaster: Forecaster | None = None

    def __post_init__(self) -> None:
        names = [route.name for route in self.routes]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"routes {names}: give at least one, each with a name of its own")

    def forecasts(self, task: Task, meter: Meter | None) -> dict[str, Forecast]:
        """Return what each route will cost and its chance, without one for those that lack a model."""
        return {
            route.name: self._forecast(route, task, meter)
            for route in self.routes
            if meter is not None or not route.needs_model
        }

    def choose(self, meter: Meter | None, standing: Standing) -> Choice:
        """Return the route to take for the task of `standing`, and why not the others."""
        return self.policy.choose(self.forecasts(standing.task, meter), standing)

    def learn(
        self,
        name: str,
        task: Task,
        meter: Meter | None,
        spent: Amount,
        seconds: float | None = None,
        *,
        right: bool | None = None,
    ) -> None:
        """Let the forecaster learn from a run of the route of that name; see `Run`."""
        if self.forecaster is None:
            return
        route = next(route for route in self.routes if route.name == name)
        model = meter.model if meter is not None and route.needs_model else ""
        prior = route.forecast(task.question, meter)
        self.forecaster.learn([Run(name, task, prior, spent, seconds, right, model)])

    def _forecast(self, route: Route, task: Task, meter: Meter | None) -> Forecast:
        prior = route.forecast(task.question, meter)
        if self.forecaster is None:
            return prior
        model = meter.model if meter is not None and route.needs_model else ""
        return self.forecaster.forecast(route.name, task, prior, model=model)
