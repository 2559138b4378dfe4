"""A reservation, from reserving to settling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

from shoestring.budget.amount import Amount, check_type

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from shoestring.budget.receipt import Basis
    from shoestring.budget.tree.record import HoldState, Record

_BASES = ("measured", "estimated", "presumed")


class Keeper(Protocol):
    """Who keeps the record of a hold, and moves it through its life, one atomic step a time."""

    def state(self, record: Record) -> HoldState:
        """Return where the hold is in its life."""
        ...

    def pickled(self, record: Record) -> tuple[Callable[..., Hold], tuple[object, ...]]:
        """Return how to find the hold again elsewhere.

        Raises:
            LedgerNotPortable: If it lives in this process only.
        """
        ...

    def dispatch(self, record: Record) -> None:
        """Note that the request goes out."""
        ...

    def settle(self, record: Record, actual: Amount, basis: Basis, detail: str) -> None:
        """Record what was spent."""
        ...

    def release(self, record: Record) -> None:
        """Give the whole hold back."""
        ...

    def extend(self, record: Record, more: Amount) -> None:
        """Hold `more` as well."""
        ...

    def leave(self, record: Record) -> None:
        """End a `with` block: release what was never sent, charge in full what nobody settled."""
        ...


class Hold:
    """What one call may spend at most, kept free for it until it is settled or released.

    Made by `Ledger.reserve`. As a context manager, sync or async, a hold left open on exit is
    released if it was never dispatched, else charged in full: nobody knows what it cost.

    >>> from shoestring.budget import Amount, Budget, Ledger
    >>> ledger = Ledger(Budget(tokens=1_000))
    >>> with ledger.reserve(Amount(input_tokens=600, output_tokens=100, calls=1)) as hold:
    ...     hold.dispatching()  # the request goes out here
    ...     hold.settle(Amount(input_tokens=580, output_tokens=40, calls=1))
    >>> ledger.remaining.tokens
    380
    """

    __slots__ = ("_keeper", "_record")

    def __init__(self, keeper: Keeper, record: Record) -> None:
        self._keeper = keeper
        self._record = record

    @property
    def id(self) -> str:
        """Unique among all holds of all ledgers."""
        return self._record.id

    @property
    def bound(self) -> Amount:
        """What is held: the bound asked for, widened if an earlier call passed its hold."""
        return self._record.bound

    @property
    def timeout(self) -> float | None:
        """Seconds of active time left when it was reserved; None where time is not capped."""
        return self._record.timeout

    @property
    def state(self) -> HoldState:
        """Where it is in its life.

        A hold whose lease has ended is settled, presumed spent in full, until its owner is heard
        of again.
        """
        return self._keeper.state(self._record)

    def dispatching(self) -> None:
        """Say that the request goes out now, and renew the lease. May be called again.

        Raises:
            HoldSettled: If the hold was settled or released.
        """
        self._keeper.dispatch(self._record)

    def settle(self, actual: Amount, *, basis: Basis = "measured", detail: str = "") -> None:
        """Record what was spent, and give back the rest of the hold.

        More than the hold is a breach: it is recorded in full. The same settling again changes
        nothing; any settling replaces one that was not measured, also one presumed when the lease
        ended.

        Args:
            actual: What was spent.
            basis: On what evidence.
            detail: A remark for the receipt.

        Raises:
            HoldSettled: If another settling was measured, or the hold was released.
        """
        check_type("what was spent", actual, Amount)
        if basis not in _BASES:
            msg = f"basis must be one of {', '.join(_BASES)}, not {basis!r:.40}"
            raise ValueError(msg)
        self._keeper.settle(self._record, actual, basis, detail)

    def release(self) -> None:
        """Give the whole hold back: the request never went out, or was refused unbilled.

        Releasing again changes nothing.

        Raises:
            HoldSettled: If the hold was settled, or its lease ended after it was dispatched.
        """
        self._keeper.release(self._record)

    def extend(self, more: Amount) -> None:
        """Hold `more` as well, and renew the lease. Never waits.

        Raises:
            BudgetExceeded: If that cannot fit even if every other hold were released.
            BudgetBusy: If it does not fit because of others' holds.
            LedgerClosed: If the ledger is closed.
            HoldSettled: If the hold was settled or released.
        """
        check_type("what to hold more", more, Amount)
        self._keeper.extend(self._record, more)

    def __reduce_ex__(self, protocol: object, /) -> tuple[object, ...]:
        return self._keeper.pickled(self._record)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._keeper.leave(self._record)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._keeper.leave(self._record)

    def __repr__(self) -> str:
        return f"<Hold {self.id} {self._record.state} of {self.bound}>"
