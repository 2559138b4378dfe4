"""Agents that live within their means: budget-aware context for LangGraph and LangChain.

>>> from shoestring import Budget, Ledger
>>> Ledger(Budget(tokens=8_000)).remaining.tokens
8000
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoestring.agents import (
        Affordable,
        BudgetMiddleware,
        ContextMiddleware,
        Planner,
        Route,
        current_ledger,
    )
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
        LoopDetected,
        MemoryStore,
        Receipt,
        RedisStore,
        Spending,
        SQLiteStore,
        Store,
        open_ledger,
    )
    from shoestring.graphs import BudgetContext, build_assistant
    from shoestring.models import (
        LocalChatModel,
        Price,
        RecordedModel,
        guard,
        guard_all,
        load_model,
        local_embeddings,
        message_counter,
        refuse_unguarded,
        static_embeddings,
    )
    from shoestring.tools import (
        CachedEmbeddings,
        CrossEncoderTier,
        EmbeddingTier,
        HistoryTooLong,
        HistoryTrimmer,
        Index,
        IndexRetriever,
        JudgeTier,
        Outline,
        RecallTool,
        Stash,
        Tier,
        TrimCompressor,
        Trimmed,
        outline_tools,
        read,
        split,
        trim,
        trim_history,
        trim_output,
    )

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
    "BudgetMiddleware": "agents",
    "CachedEmbeddings": "tools",
    "ContextMiddleware": "agents",
    "CrossEncoderTier": "tools",
    "EmbeddingTier": "tools",
    "HistoryTooLong": "tools",
    "HistoryTrimmer": "tools",
    "Hold": "budget",
    "HoldSettled": "budget",
    "Index": "tools",
    "IndexRetriever": "tools",
    "JudgeTier": "tools",
    "Ledger": "budget",
    "LedgerClosed": "budget",
    "LocalChatModel": "models",
    "LoopDetected": "budget",
    "MemoryStore": "budget",
    "Outline": "tools",
    "Planner": "agents",
    "Price": "models",
    "RecallTool": "tools",
    "Receipt": "budget",
    "RecordedModel": "models",
    "RedisStore": "budget",
    "Route": "agents",
    "SQLiteStore": "budget",
    "Spending": "budget",
    "Stash": "tools",
    "Store": "budget",
    "Tier": "tools",
    "TrimCompressor": "tools",
    "Trimmed": "tools",
    "build_assistant": "graphs",
    "current_ledger": "agents",
    "guard": "models",
    "guard_all": "models",
    "load_model": "models",
    "local_embeddings": "models",
    "message_counter": "models",
    "open_ledger": "budget",
    "outline_tools": "tools",
    "read": "tools",
    "refuse_unguarded": "models",
    "split": "tools",
    "static_embeddings": "models",
    "trim": "tools",
    "trim_history": "tools",
    "trim_output": "tools",
}

__all__ = [
    "Affordable",
    "Amount",
    "Budget",
    "BudgetBusy",
    "BudgetContext",
    "BudgetError",
    "BudgetExceeded",
    "BudgetMiddleware",
    "CachedEmbeddings",
    "ContextMiddleware",
    "CrossEncoderTier",
    "EmbeddingTier",
    "HistoryTooLong",
    "HistoryTrimmer",
    "Hold",
    "HoldSettled",
    "Index",
    "IndexRetriever",
    "JudgeTier",
    "Ledger",
    "LedgerClosed",
    "LocalChatModel",
    "LoopDetected",
    "MemoryStore",
    "Outline",
    "Planner",
    "Price",
    "RecallTool",
    "Receipt",
    "RecordedModel",
    "RedisStore",
    "Route",
    "SQLiteStore",
    "Spending",
    "Stash",
    "Store",
    "Tier",
    "TrimCompressor",
    "Trimmed",
    "build_assistant",
    "current_ledger",
    "guard",
    "guard_all",
    "load_model",
    "local_embeddings",
    "message_counter",
    "open_ledger",
    "outline_tools",
    "read",
    "refuse_unguarded",
    "split",
    "static_embeddings",
    "trim",
    "trim_history",
    "trim_output",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'shoestring' has no attribute {name!r}")
    return getattr(import_module(f"shoestring.{home}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
