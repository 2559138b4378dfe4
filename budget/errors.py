"""What the ledger refuses, and why.

RuntimeError
└── BudgetError
    ├── BudgetExceeded       it cannot fit, even if every hold were released
    ├── BudgetBusy           it fails only because of others' holds: wait, or try again
    ├── LedgerClosed         closed by `close()` or by a breach
    ├── LoopDetected         the same tool call with the same arguments, too often
    ├── HoldSettled          a different settling of what is measured or released
    ├── LedgerNotFound       the store holds no ledger of that id
    ├── LedgerNotPortable    a memory ledger was forked, copied or pickled
    └── StoreError           the store cannot do what it should; nothing was changed
        ├── StoreUnavailable     its file cannot be opened, its server cannot be used
        ├── StoreReadOnly        it may not be written to
        ├── StoreFull            its disk, or its server's memory, is full
        ├── StoreLocked          others kept it busy for too long
        ├── StoreCorrupt         what it holds makes no sense
        ├── StoreForeign         its file belongs to another program
        └── StoreTooNew          a newer shoestring wrote it

All are RuntimeErrors: LangGraph's default retry policy retries most other exceptions, and a refusal
is no accident to be retried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime
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
        renews_at: When that ledger's next window begins, in UTC; None if it does not renew, or if
            the request would not fit then either.
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
        renews_at: datetime | None = None,
    ) -> None:
        # All of them stay in `args`, so that the error pickles; `__str__` shows the message alone.
        super().__init__(message, dimension, needed, remaining, limit, ledger, node, renews_at)
        self.dimension: Dimension = dimension
        self.needed = needed
        self.remaining = remaining
        self.limit = limit
        self.ledger = ledger
        self.node = node
        self.renews_at = renews_at

    def __str__(self) -> str:
        return str(self.args[0])


class BudgetBusy(BudgetError):  # noqa: N818  a state that passes, not a fault
    """The request fits, but for what others hold or wait for: wait, or try again."""


class LedgerClosed(BudgetError):  # noqa: N818  a state, not a fault
    """The ledger, or one above it, takes no new reservations."""


class LoopDetected(BudgetError):  # noqa: N818  a reason to stop, not a fault
    """The same tool was called with the same arguments as often as it may be.

    Attributes:
        tool: The tool.
        limit: How often the call may be made, and was.
        ledger: The name of the ledger that refuses: the handle's own, or an ancestor.
        node: The node that asked; "" if none was named.
    """

    def __init__(self, message: str, tool: str, limit: int, ledger: str, node: str) -> None:
        super().__init__(message, tool, limit, ledger, node)
        self.tool = tool
        self.limit = limit
        self.ledger = ledger
        self.node = node

    def __str__(self) -> str:
        return str(self.args[0])


class HoldSettled(BudgetError):  # noqa: N818  a state, not a fault
    """The hold is measured or released; its record does not change any more."""


class LedgerNotFound(BudgetError):  # noqa: N818  a state, not a fault
    """The store holds no ledger of that id."""


class BudgetChanged(BudgetError):  # noqa: N818  a state, not a fault
    """The store holds the ledger of that id with another budget, or in another place of the tree."""


class LedgerNotPortable(BudgetError):  # noqa: N818  a property of the ledger, not a fault
    """A memory ledger was used in a forked process, copied or pickled."""


class StoreError(BudgetError):
    """A store cannot do what it should. The step it was asked for has changed nothing.

    But for one: where a server's answer is lost for good, nobody knows.
    """


class StoreUnavailable(StoreError):  # noqa: N818  a state, not a fault
    """The store's file cannot be opened, or its server not be reached or not be used."""


class StoreReadOnly(StoreError):  # noqa: N818  a state, not a fault
    """The store's file or folder may not be written to, or its server is a replica."""


class StoreFull(StoreError):  # noqa: N818  a state, not a fault
    """The store's disk, or its server's memory, is full."""


class StoreLocked(StoreError):  # noqa: N818  a state, not a fault
    """Other processes kept the store busy for too long."""


class StoreCorrupt(StoreError):  # noqa: N818  a state, not a fault
    """What the store holds makes no sense, or its file is damaged."""


class StoreForeign(StoreError):  # noqa: N818  a property of the file, not a fault
    """The file belongs to another program. It is left as it is."""


class StoreTooNew(StoreError):  # noqa: N818  a property of the file, not a fault
    """The store was written by a newer shoestring. It is left as it is."""


def not_found(id: str) -> LedgerNotFound:  # noqa: A002  the public name of the thing
    """Return the error for an id that a store does not hold, with its cure."""
    return LedgerNotFound(
        f"no ledger {id!r:.60} in this store: create it with Ledger(budget, id=…, store=…)"
    )


def taken(id: str) -> ValueError:  # noqa: A002  the public name of the thing
    """Return the error for an id that a store holds already, with its cure."""
    return ValueError(
        f"the store holds a ledger {id!r:.60} already: "
        f"go on with it by store.ledger(id) or open_ledger(budget, id, under=store), or choose another id"
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
