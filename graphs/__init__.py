"""How it flows: the state, the routes, and the assistant that walks them."""

from shoestring.graphs.assistant import build_assistant
from shoestring.graphs.check import Verdict, check
from shoestring.graphs.planning import Plan, planner_of, preview, standard_planner
from shoestring.graphs.state import Answer, BudgetContext, BudgetState, merge_spend
from shoestring.graphs.strategies import (
    BudgetedThought,
    Cascade,
    ChainOfDraft,
    ChainOfThought,
    Direct,
    Quote,
    Reading,
    Research,
    SelfConsistency,
)

__all__ = [
    "Answer",
    "BudgetContext",
    "BudgetState",
    "BudgetedThought",
    "Cascade",
    "ChainOfDraft",
    "ChainOfThought",
    "Direct",
    "Plan",
    "Quote",
    "Reading",
    "Research",
    "SelfConsistency",
    "Verdict",
    "build_assistant",
    "check",
    "merge_spend",
    "planner_of",
    "preview",
    "standard_planner",
]
