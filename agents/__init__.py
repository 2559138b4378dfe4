"""Who decides: routes tell what they cost, and the planner chooses among them by what is left."""

from shoestring.agents.planner import Affordable, Choice, Planner, Policy, Standing, short
from shoestring.agents.route import Forecast, Means, Meter, Route

__all__ = [
    "Affordable",
    "Choice",
    "Forecast",
    "Means",
    "Meter",
    "Planner",
    "Policy",
    "Route",
    "Standing",
    "short",
]
