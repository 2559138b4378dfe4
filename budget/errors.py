"""What the ledger refuses, and why.

RuntimeError
└── BudgetError
    ├── BudgetExceeded       it cannot fit, even if every hold were released
    ├── BudgetBusy           it fails only because of others' holds: wait, or try again
    ├── LedgerClosed         closed by `close()` or by a breach
    ├── HoldSettled          a different settling of what is measured or released
    ├── LedgerNotFound       the store holds no ledger of that id
    ├── LedgerNotPortable    a memory ledger was forked, copied or pickled
    └── StoreError           the store cannot do what it should; nothing was changed
        ├── StoreUnavailable     its file cannot be opened
        ├── StoreReadOnly        its file, or its folder, may not be written to
        ├── StoreFull            its disk is full
        ├── StoreLocked          another process kept it locked for too long
        ├── StoreCorrupt         its file is damaged
        ├── StoreForeign         its file belongs to another program
        └── StoreTooNew          its file was written by a newer shoestring

All are RuntimeErrors: LangGraph's default retry policy retries most other exceptions, and a refusal
is no accident to be retried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from decimal import Decimal

Dimension = Literal["tokens", "usd", "calls", "seconds"]


class BudgetError(RuntimeError):
    """Anything a ledger refuses."""


class BudgetExceeded(BudgetError):  # noqa: N818  a refusal says what happened; the tree above says it is an error
    """The request cannot fit, even if every hold were released. It closes nothing.

    Attributes:
        dimension: The cap that refuses.
        needed: What was asked for: tokens, calls, dollars (a Decimal) or seconds.
        remaining: What the refusing ledger has left for this purpose, in the same unit.
        limit: The cap, in the same unit.
        ledger: The name of the ledger that refuses: the handle's own, or an ancestor.
        node: The node that asked; "" if none was named.
    """

    def __init__(  # noqa: PLR0917  an error unpickles by position
        self,
        message: str,
        dimension: Dimension,
        needed: Decimal | float,
        remaining: Decimal | float,
        limit: Decimal | float,
        ledger: str,
        node: str,
    ) -> None:
        # All of them stay in `args`, so that the error pickles; `__str__` shows the message alone.
        super().__init__(message, dimension, needed, remaining, limit, ledger, node)
        self.dimension: Dimension = dimension
        self.needed = needed
        self.remaining = remaining
        self.limit = limit
        self.ledger = ledger
        self.node = node

    def __str__(self) -> str:
        return str(self.args[0])


class BudgetBusy(BudgetError):  # noqa: N818  a state that passes, not a fault
    """The request fits, but for what others hold or wait for: wait, or try again."""


class LedgerClosed(BudgetError):  # noqa: N818  a state, not a fault
    """The ledger, or one above it, takes no new reservations."""


class HoldSettled(BudgetError):  # noqa: N818  a state, not a fault
    """The hold is measured or released; its record does not change any more."""


class LedgerNotFound(BudgetError):  # noqa: N818  a state, not a fault
    """The store holds no ledger of that id."""


class LedgerNotPortable(BudgetError):  # noqa: N818  a property of the ledger, not a fault
    """A memory ledger was used in a forked process, copied or pickled."""


class StoreError(BudgetError):
    """A store cannot do what it should. The step it was asked for has changed nothing."""


class StoreUnavailable(StoreError):  # noqa: N818  a state, not a fault
    """The store's file cannot be opened, or not from this process."""


class StoreReadOnly(StoreError):  # noqa: N818  a state, not a fault
    """The store's file, or its folder, may not be written to."""


class StoreFull(StoreError):  # noqa: N818  a state, not a fault
    """The store's disk is full."""


class StoreLocked(StoreError):  # noqa: N818  a state, not a fault
    """Another process kept the store locked for too long."""


class StoreCorrupt(StoreError):  # noqa: N818  a state, not a fault
    """The store's file is damaged."""


class StoreForeign(StoreError):  # noqa: N818  a property of the file, not a fault
    """The file belongs to another program. It is left as it is."""


class StoreTooNew(StoreError):  # noqa: N818  a property of the file, not a fault
    """The file was written by a newer shoestring. It is left as it is."""


def not_found(id: str) -> LedgerNotFound:  # noqa: A002  the public name of the thing
    """Return the error for an id that a store does not hold, with its cure."""
    return LedgerNotFound(
        f"no ledger {id!r:.60} in this store: create it with Ledger(budget, id=…, store=…)"
    )


def taken(id: str) -> ValueError:  # noqa: A002  the public name of the thing
    """Return the error for an id that a store holds already, with its cure."""
    return ValueError(
        f"the store holds a ledger {id!r:.60} already: "
        f"continue it with store.ledger(id), or choose another id"
    )


def not_portable(what: str) -> LedgerNotPortable:
    """Return the error for `what` ("pickled", "used in a forked process"), with its cure."""
    return LedgerNotPortable(
        f"a memory ledger lives in one process and cannot be {what}: "
        "create a Ledger in the process that spends, with its share of the budget, "
        "or keep the spending in the process that owns the ledger"
    )


class Anchored:
    """Refuses to be pickled, copied or deep-copied: a copy would be a second, uncounted budget."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object, /) -> str:
        raise not_portable("pickled or copied")
