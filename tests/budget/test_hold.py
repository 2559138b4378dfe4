"""What lies beneath holds in memory; the life of a hold itself is in the conformance kit."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from shoestring.budget import Amount, Budget, BudgetBusy, Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator


def tokens(count: int) -> Amount:
    return Amount(input_tokens=count)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(Budget(tokens=100))


def test_settled_holds_do_not_pile_up_in_the_leases(ledger: Ledger) -> None:
    """What watches the leases stays as small as what is open."""
    for _ in range(1_000):
        ledger.reserve(tokens(1)).settle(Amount())
    assert len(ledger._tree._leases._heap) < 200


def test_leaving_a_hold_from_the_garbage_collector_cannot_deadlock(ledger: Ledger) -> None:
    """A finaliser that leaves a hold in the middle of another operation is done right after it."""

    def stream() -> Iterator[None]:
        with ledger.reserve(tokens(10)) as hold:
            hold.dispatching()
            yield

    def interrupted(_now: float) -> None:
        streams.pop()  # closes it: its `with` block ends here, under the lock
        gc.collect()
        with pytest.raises(BudgetBusy, match="finaliser"):
            ledger.reserve(tokens(1))

    streams = [stream()]
    next(streams[0])
    ledger._tree.run(interrupted)
    assert ledger.spent == tokens(10)
    assert ledger.held == Amount()
