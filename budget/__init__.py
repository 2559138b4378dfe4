"""What may be spent: budgets, ledgers, holds and receipts.

Pure Python; imports no LangChain and nothing of ours.
"""

from shoestring.budget.amount import Amount, Caps
from shoestring.budget.budget import Budget
from shoestring.budget.errors import (
    BudgetBusy,
    BudgetChanged,
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
from shoestring.budget.opening import open_ledger
from shoestring.budget.receipt import Basis, Receipt, ReceiptLine
from shoestring.budget.stores.looking import HoldView, LedgerView, Look
from shoestring.budget.stores.memory import MemoryStore
from shoestring.budget.stores.opening import open_store
from shoestring.budget.stores.redis.store import RedisStore
from shoestring.budget.stores.sqlite.store import SQLiteStore
from shoestring.budget.stores.store import Store
from shoestring.budget.tree.account import Purpose
from shoestring.budget.tree.listening import Spending
from shoestring.budget.tree.record import HoldState
from shoestring.budget.tree.window import Period

__all__ = [
    "Amount",
    "Basis",
    "Budget",
    "BudgetBusy",
    "BudgetChanged",
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
    "open_ledger",
    "open_store",
]
