"""Who decides: routes tell what they cost, and the planner chooses among them by what is left."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from shoestring.agents.allowance import Allowance
from shoestring.agents.choosing import Choice, Policy, Session, Standing, short
from shoestring.agents.elasticity import Elasticity
from shoestring.agents.features import Task
from shoestring.agents.forecast import BadForecasts, Forecaster, Run
from shoestring.agents.planner import Planner
from shoestring.agents.policies import (
    Affordable,
    Asked,
    BadPolicy,
    Estimate,
    Expected,
    Learned,
    Logged,
    Thresholds,
    Worth,
    learn_policy,
)
from shoestring.agents.route import Forecast, Means, Meter, Route
from shoestring.agents.runs import current_ledger

if TYPE_CHECKING:
    from shoestring.agents.middleware import (
        BudgetMiddleware,
        ContextMiddleware,
        MisplacedMiddleware,
        Shares,
        Verifier,
    )

# Imported when first asked for: planning does not load langchain's agents.
_MIDDLEWARE = frozenset(
    {"BudgetMiddleware", "ContextMiddleware", "MisplacedMiddleware", "Shares", "Verifier"}
)

__all__ = [
    "Affordable",
    "Allowance",
    "Asked",
    "BadForecasts",
    "BadPolicy",
    "BudgetMiddleware",
    "Choice",
    "ContextMiddleware",
    "Elasticity",
    "Estimate",
    "Expected",
    "Forecast",
    "Forecaster",
    "Learned",
    "Logged",
    "Means",
    "Meter",
    "MisplacedMiddleware",
    "Planner",
    "Policy",
    "Route",
    "Run",
    "Session",
    "Shares",
    "Standing",
    "Task",
    "Thresholds",
    "Verifier",
    "Worth",
    "current_ledger",
    "learn_policy",
    "short",
]


def __getattr__(name: str) -> object:
    if name not in _MIDDLEWARE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module("shoestring.agents.middleware"), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
