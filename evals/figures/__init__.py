"""What the results of a run say: curves, their summaries, and comparisons that hold up."""

from shoestring.evals.figures.comparison import Comparison, compare
from shoestring.evals.figures.consistency import self_consistency
from shoestring.evals.figures.curve import (
    SPENDS,
    Curve,
    Point,
    area,
    curves,
    pareto,
    smallest_within,
)
from shoestring.evals.figures.groups import Group, hurt_most

__all__ = [
    "SPENDS",
    "Comparison",
    "Curve",
    "Group",
    "Point",
    "area",
    "compare",
    "curves",
    "hurt_most",
    "pareto",
    "self_consistency",
    "smallest_within",
]
