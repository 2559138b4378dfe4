"""What may be spent: budgets, ledgers, holds and receipts.

Pure Python; imports no LangChain and nothing of ours.
"""

from shoestring.budget.account import Purpose
from shoestring.budget.amount import Amount, Caps
from shoestring.budget.budget import Budget
from shoestring.budget.errors import (
    BudgetBusy,
    BudgetError,
    BudgetExceeded,
    Dimension,
    HoldSettled,
    LedgerClosed,
    LedgerNotFound,
    LedgerNotPortable,
    LoopDetected,
    StoreCorrupt,
    StoreError,
    StoreForeign,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from shoestring.budget.hold import Hold
from shoestring.budget.ledger import Ledger
from shoestring.budget.listening import Spending
from shoestring.budget.looking import HoldView, LedgerView, Look
from shoestring.budget.memory import MemoryStore
from shoestring.budget.opening import open_store
from shoestring.budget.receipt import Basis, Receipt, ReceiptLine
from shoestring.budget.record import HoldState
from shoestring.budget.redis_store import RedisStore
from shoestring.budget.sqlite import SQLiteStore
from shoestring.budget.store import Store
from shoestring.budget.window import Period

__all__ = [
    "Amount",
    "Basis",
    "Budget",
    "BudgetBusy",
    "BudgetError",
    "BudgetExceeded",
    "Caps",
    "Dimension",
    "Hold",
    "HoldSettled",
    "HoldState",
    "HoldView",
    "Ledger",
    "LedgerClosed",
    "LedgerNotFound",
    "LedgerNotPortable",
    "LedgerView",
    "Look",
    "LoopDetected",
    "MemoryStore",
    "Period",
    "Purpose",
    "Receipt",
    "ReceiptLine",
    "RedisStore",
    "SQLiteStore",
    "Spending",
    "Store",
    "StoreCorrupt",
    "StoreError",
    "StoreForeign",
    "StoreFull",
    "StoreLocked",
    "StoreReadOnly",
    "StoreTooNew",
    "StoreUnavailable",
    "open_store",
]
