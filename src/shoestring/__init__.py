"""Agents that live within their means: budget-aware context for LangGraph and LangChain.

>>> from shoestring import Budget, Ledger
>>> Ledger(Budget(tokens=8_000)).remaining.tokens
8000
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoestring.agents import Affordable, Planner, Route
    from shoestring.budget import (
        Amount,
        Budget,
        BudgetBusy,
        BudgetError,
        BudgetExceeded,
        Hold,
        HoldSettled,
        Ledger,
        LedgerClosed,
        MemoryStore,
        Receipt,
        SQLiteStore,
        Store,
    )
    from shoestring.graphs import BudgetContext, build_assistant
    from shoestring.models import LocalChatModel, Price, guard, load_model, local_embeddings
    from shoestring.tools import Index, IndexRetriever, TrimCompressor, Trimmed, read, split, trim

__version__ = "0.1.0"

# PEP 562: a name is imported when it is first asked for, so that `import shoestring` stays light.
_HOME = {
    "Affordable": "agents",
    "Amount": "budget",
    "Budget": "budget",
    "BudgetBusy": "budget",
    "BudgetContext": "graphs",
    "BudgetError": "budget",
    "BudgetExceeded": "budget",
    "Hold": "budget",
    "HoldSettled": "budget",
    "Index": "tools",
    "IndexRetriever": "tools",
    "Ledger": "budget",
    "LedgerClosed": "budget",
    "LocalChatModel": "models",
    "MemoryStore": "budget",
    "Planner": "agents",
    "Price": "models",
    "Receipt": "budget",
    "Route": "agents",
    "SQLiteStore": "budget",
    "Store": "budget",
    "TrimCompressor": "tools",
    "Trimmed": "tools",
    "build_assistant": "graphs",
    "guard": "models",
    "load_model": "models",
    "local_embeddings": "models",
    "read": "tools",
    "split": "tools",
    "trim": "tools",
}

__all__ = [
    "Affordable",
    "Amount",
    "Budget",
    "BudgetBusy",
    "BudgetContext",
    "BudgetError",
    "BudgetExceeded",
    "Hold",
    "HoldSettled",
    "Index",
    "IndexRetriever",
    "Ledger",
    "LedgerClosed",
    "LocalChatModel",
    "MemoryStore",
    "Planner",
    "Price",
    "Receipt",
    "Route",
    "SQLiteStore",
    "Store",
    "TrimCompressor",
    "Trimmed",
    "build_assistant",
    "guard",
    "load_model",
    "local_embeddings",
    "read",
    "split",
    "trim",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'shoestring' has no attribute {name!r}")
    return getattr(import_module(f"shoestring.{home}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
