"""Who pays for the runs of a sweep: one account under the cap of the whole, or one each."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING

from shoestring.budget import (
    Amount,
    Budget,
    BudgetBusy,
    BudgetExceeded,
    Ledger,
    LedgerClosed,
    LedgerNotFound,
    MemoryStore,
    SQLiteStore,
)
from shoestring.budget.amount import dollars
from shoestring.evals.running.grid import NO_CAP, label

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from shoestring.budget import Store
    from shoestring.evals.running.folder import RunFolder
    from shoestring.evals.running.grid import Cell, Grid

_AGAIN = 2.0  # seconds after which room is looked for again: others may have held it, and died


class CapReached(RuntimeError):  # noqa: N818 - it says what happened
    """The cap of the whole sweep leaves no room for another run; what is finished is kept."""


class Account:
    """Opens the ledger of each run.

    Args:
        whole: The account of the whole, from which each run sets its budget aside; None without a cap.
        store: Where ledgers of runs live where there is no cap; None for memory, each its own.
        where: The folder of the sweep, for messages.
    """

    def __init__(self, whole: Ledger | None, store: Store | None, where: str) -> None:
        self._whole = whole
        self._store = store
        self._where = where
        self._ended = asyncio.Event()

    async def open(self, cell: Cell) -> Ledger:
        """Return the ledger of a run; under a cap, with its budget set aside.

        Raises:
            CapReached: If the cap leaves no room for it.
        """
        name = cell.key.case
        if self._whole is None:
            return Ledger(cell.budget or NO_CAP, name=name, store=self._store or MemoryStore())
        while True:
            self._ended.clear()
            try:
                return self._whole.child(cell.budget, name=name, set_aside=True)
            except BudgetBusy:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_AGAIN):
                        await self._ended.wait()  # what another run leaves over comes back
            except (BudgetExceeded, LedgerClosed) as error:
                raise CapReached(
                    f"the cap of the sweep leaves no room for another run of {cell.key.budget}: "
                    f"{error} What is finished is kept in {self._where!r}: the same sweep "
                    "with a larger cap goes on"
                ) from error

    def close(self, ledger: Ledger) -> None:
        """End the ledger of a run: what it left comes back, and what is still under way gets no more."""
        ledger.close()
        ledger.store.discard(ledger.id)
        self._ended.set()


@contextmanager
def account_of(kept: RunFolder, cap: Budget | None, store: Store | None) -> Generator[Account]:
    """Open the account of a sweep.

    A cap that was changed counts what was spent before: a new account has the difference.

    Args:
        kept: The sweep's folder.
        cap: Of the whole; None for none.
        store: Where ledgers live; None for a file in the folder, or for memory without a cap.
    """
    where = str(kept.path)
    if cap is None:
        yield Account(None, store, where)
    elif store is not None:
        yield Account(_opened(store, cap, kept.account()), store, where)
    else:
        own = SQLiteStore(kept.path / "ledger.sqlite")
        try:
            yield Account(_opened(own, cap, kept.account()), own, where)
        finally:
            own.close()


def check_cap(cap: Budget | None, grid: Grid) -> None:
    """Make sure that what the whole caps, each run caps.

    Raises:
        ValueError: If a budget does not.
    """
    if cap is None:
        return
    for dimension in ("tokens", "usd", "calls"):
        if getattr(cap, dimension) is None:
            continue
        for name, budget in grid.budgets.items():
            if budget is None or getattr(budget, dimension) is None:
                raise ValueError(
                    f"the cap of the sweep limits {dimension}, and the budget {name!r} does not: a run "
                    f"could end because others had spent. Give each budget {dimension}=, too"
                )


def _opened(store: Store, cap: Budget, account: str) -> Ledger:
    name = f"sweep under {label(cap)}"
    earlier = list(_earlier(store, account))
    # Only the last knows of all that was spent: a cap that was lowered again begins anew, too.
    if earlier and earlier[-1].name == name:
        return earlier[-1]
    spent = sum((ledger.spent for ledger in earlier), Amount())
    caps = cap.caps
    left = Budget(
        tokens=None if caps.tokens is None else max(0, caps.tokens - spent.tokens),
        usd=None
        if caps.nanodollars is None
        else dollars(max(0, caps.nanodollars - spent.nanodollars)),
        calls=None if caps.calls is None else max(0, caps.calls - spent.calls),
        seconds=cap.seconds,
    )
    return Ledger(left, name=name, id=f"{account}, {len(earlier) + 1}", store=store)


def _earlier(store: Store, account: str) -> Iterator[Ledger]:
    for number in count(1):
        try:
            yield store.ledger(f"{account}, {number}")
        except LedgerNotFound:
            return
