"""The routes that stand, cheapest first, one file each."""

from shoestring.graphs.strategies.budgeted_thought import BudgetedThought
from shoestring.graphs.strategies.cascade import Cascade
from shoestring.graphs.strategies.chain_of_draft import ChainOfDraft
from shoestring.graphs.strategies.chain_of_thought import ChainOfThought
from shoestring.graphs.strategies.direct import Direct
from shoestring.graphs.strategies.quote import Quote
from shoestring.graphs.strategies.reading import Reading
from shoestring.graphs.strategies.research import Research
from shoestring.graphs.strategies.self_consistency import SelfConsistency

__all__ = [
    "BudgetedThought",
    "Cascade",
    "ChainOfDraft",
    "ChainOfThought",
    "Direct",
    "Quote",
    "Reading",
    "Research",
    "SelfConsistency",
]
