"""Call-backs at shares of a limit: when, how often, where, and that they disturb nothing."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from shoestring.budget import Amount, Budget, Ledger, Spending
from shoestring.budget.conformance.base import Conformance, tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoestring.budget import Store
    from shoestring.budget.conformance.base import Clock


def spend(ledger: Ledger, count: int) -> None:
    """Spend so many tokens."""
    ledger.reserve(tokens(count)).settle(tokens(count))


class SpendingContract(Conformance):
    """`on_spend` tells each share of each limit once."""

    def test_each_share_is_told_once(self, store: Store) -> None:
        """At the step that reaches it, the smaller first, with what is spent and the limit."""
        ledger = Ledger(Budget(tokens=1_000), name="tenant", id="t", store=store)
        told: list[Spending] = []
        ledger.on_spend(told.append)
        spend(ledger, 499)
        assert not told
        spend(ledger, 1)
        assert told == [Spending("t", "tenant", "tokens", 0.5, 500, 1_000)]
        spend(ledger, 499)
        assert [(event.share, event.spent) for event in told] == [(0.5, 500), (0.8, 999)]
        spend(ledger, 1)
        assert [event.share for event in told] == [0.5, 0.8, 1.0]

    def test_each_limit_is_watched(self, store: Store) -> None:
        """Tokens, dollars and calls, each by its own cap; what is not capped is not told."""
        ledger = Ledger(Budget(tokens=100, usd="0.000001", calls=4), store=store)
        uncapped = Ledger(Budget(calls=100), store=store)
        told: list[Spending] = []
        ledger.on_spend(told.append, at=[0.5])
        uncapped.on_spend(told.append, at=[0.5])
        ledger.reserve(Amount(20, 40, 600, 1)).settle(Amount(10, 39, 500, 1))
        assert [(e.dimension, e.spent, e.limit) for e in told] == [
            ("usd", Decimal("0.0000005"), Decimal("0.000001"))
        ]
        ledger.reserve(Amount(20, 0, 0, 1)).settle(Amount(1, 0, 0, 1))
        assert [(e.dimension, e.spent, e.limit) for e in told[1:]] == [
            ("tokens", 50, 100),
            ("calls", 2, 4),
        ]
        uncapped.reserve(Amount(900, 0, 0, 1)).settle(Amount(900, 0, 0, 1))
        assert len(told) == 3

    def test_spending_below_and_through_any_handle_is_told(self, store: Store) -> None:
        """Also by a handle that was found again; a child's own share is told beside."""
        root = Ledger(Budget(tokens=100), id="root", store=store)
        child = root.child(Budget(tokens=60), id="child")
        told: list[tuple[str, float]] = []

        def tell(event: Spending) -> None:
            told.append((event.ledger, event.share))

        root.on_spend(tell, at=[0.4])
        child.on_spend(tell, at=[0.5, 0.6])
        spend(store.ledger("child").at(node="n"), 40)
        assert told == [("child", 0.5), ("child", 0.6), ("root", 0.4)]

    def test_what_is_held_is_not_told_and_what_is_presumed_is(
        self, store: Store, clock: Clock
    ) -> None:
        """A share is one of spending; a hold whose lease ends is spent."""
        ledger = Ledger(Budget(tokens=100), store=store)
        told: list[Spending] = []
        ledger.on_spend(told.append, at=[0.5])
        ledger.reserve(tokens(60), lease=5)
        assert not told
        clock.now = 5
        assert ledger.spent == tokens(60)
        assert [event.spent for event in told] == [60]

    def test_a_correction_repeats_nothing(self, store: Store, clock: Clock) -> None:
        """Spending that falls below a share and reaches it again is told once."""
        ledger = Ledger(Budget(tokens=100), store=store)
        told: list[Spending] = []
        ledger.on_spend(told.append, at=[0.5])
        hold = ledger.reserve(tokens(60), lease=5)
        clock.now = 5
        hold.settle(tokens(10))
        spend(ledger, 50)
        assert (ledger.spent, len(told)) == (tokens(60), 1)

    def test_a_share_that_is_passed_already_is_told_with_the_next_spending(
        self, store: Store
    ) -> None:
        """Registering tells nothing; who registers late hears with the next step, unless it was told."""
        ledger = Ledger(Budget(tokens=100), store=store)
        spend(ledger, 70)
        first: list[float] = []
        ledger.on_spend(lambda event: first.append(event.share), at=[0.5, 0.6])
        assert not first
        spend(ledger, 1)
        assert first == [0.5, 0.6]
        second: list[float] = []
        ledger.on_spend(lambda event: second.append(event.share), at=[0.5, 0.7])
        spend(ledger, 1)
        assert (first, second) == ([0.5, 0.6], [0.7])

    def test_all_who_listen_to_a_share_are_told(self, store: Store) -> None:
        """Two call-backs at one share both hear of it; one that was ended does not."""
        ledger = Ledger(Budget(tokens=100), store=store)
        told: list[str] = []
        ledger.on_spend(lambda _: told.append("a"), at=[0.5])
        end = ledger.on_spend(lambda _: told.append("b"), at=[0.5, 0.8])
        spend(ledger, 50)
        end()
        end()
        spend(ledger, 50)
        assert told == ["a", "b"]

    def test_a_breach_can_be_told(self, store: Store) -> None:
        """A share above 1 is reached by a breach only; of a cap of nothing, any spending is all."""
        ledger = Ledger(Budget(tokens=100, calls=0), store=store)
        told: list[tuple[str, float]] = []
        ledger.on_spend(lambda event: told.append((event.dimension, event.share)), at=[1, 1.5])
        spend(ledger, 100)
        assert told == [("tokens", 1.0)]
        ledger = Ledger(Budget(tokens=100, calls=0), store=store)
        ledger.on_spend(lambda event: told.append((event.dimension, event.share)), at=[1.5])
        ledger.reserve(tokens(100)).settle(Amount(150, 0, 0, 1))
        assert told[1:] == [("tokens", 1.5), ("calls", 1.5)]

    def test_a_renewal_starts_the_shares_anew(self, store: Store, clock: Clock) -> None:
        """Each window tells its own; a hold of the last window tells nothing in this one."""
        ledger = Ledger(Budget(tokens=100, per="minute"), store=store)
        told: list[int | Decimal] = []
        ledger.on_spend(lambda event: told.append(event.spent), at=[0.5])
        spend(ledger, 50)
        hold = ledger.reserve(tokens(50))
        clock.now = 60
        hold.settle(tokens(50))
        assert told == [50]
        spend(ledger, 60)
        assert told == [50, 60]

    def test_it_is_called_where_the_spending_is_done_and_outside_all_locks(
        self, store: Store
    ) -> None:
        """In the thread that spends, which may use the ledger, as may others meanwhile."""
        ledger = Ledger(Budget(tokens=100), store=store)
        seen: list[object] = []

        def tell(_: Spending) -> None:
            seen.append(threading.get_ident())
            seen.append(ledger.spent)
            with ThreadPoolExecutor(1) as pool:
                seen.append(pool.submit(lambda: ledger.remaining.tokens).result(60))
            spend(ledger, 5)

        ledger.on_spend(tell, at=[0.5])
        spend(ledger, 50)
        assert seen == [threading.get_ident(), tokens(50), 50]
        assert ledger.spent == tokens(55)

    def test_threads_hear_of_a_share_once(self, store: Store) -> None:
        """However many threads pass it together."""
        ledger = Ledger(Budget(calls=80), store=store)
        told: list[float] = []
        ledger.on_spend(lambda event: told.append(event.share), at=[0.25, 0.5, 1.0])

        def work(_: int) -> None:
            for _ in range(10):
                ledger.reserve(Amount(calls=1)).settle(Amount(calls=1))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert sorted(told) == [0.25, 0.5, 1.0]

    def test_what_a_call_back_raises_is_logged(
        self, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The settling stands, and the others are told."""
        ledger = Ledger(Budget(tokens=100), name="tenant", store=store)
        told: list[Spending] = []

        def fail(_: Spending) -> None:
            raise LookupError("no such channel")

        ledger.on_spend(fail, at=[0.5])
        ledger.on_spend(told.append, at=[0.5])
        with caplog.at_level(logging.ERROR, "shoestring.budget"):
            spend(ledger, 50)
        assert (ledger.spent, len(told)) == (tokens(50), 1)
        (record,) = caplog.records
        assert "on_spend failed for ledger 'tenant'" in record.getMessage()
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], LookupError)

    @pytest.mark.parametrize("bad", [0, -0.5, float("nan"), float("inf"), 10**400])
    def test_bad_shares_are_refused(self, store: Store, bad: float) -> None:
        """A share is positive and finite."""
        with pytest.raises(ValueError, match="a share must be positive and finite"):
            Ledger(Budget(tokens=1), store=store).on_spend(print, at=[0.5, bad])

    def test_bad_listeners_are_refused(self, store: Store) -> None:
        """No share, no number, nothing to call, and no limit to have a share of: with the cure."""
        ledger = Ledger(Budget(tokens=1), store=store)
        nothing: Any = None
        text: Any = ["0.5"]
        with pytest.raises(ValueError, match="on_spend needs a share"):
            ledger.on_spend(print, at=[])
        with pytest.raises(TypeError, match="a share must be a number, not str"):
            ledger.on_spend(print, at=text)
        with pytest.raises(TypeError, match="something to call, not NoneType"):
            ledger.on_spend(nothing)
        for unlimited in (ledger.child(), Ledger(Budget(seconds=5), store=store)):
            with pytest.raises(ValueError, match="give the ledger a Budget with tokens="):
                unlimited.on_spend(print)

    def test_a_new_ledger_of_an_old_id_is_not_listened_to(self, store: Store) -> None:
        """Discarding a ledger, or one above it, ends its call-backs."""
        told: list[Spending] = []
        listen: Callable[[Ledger], object] = lambda ledger: ledger.on_spend(told.append, at=[0.5])  # noqa: E731
        root = Ledger(Budget(tokens=100), id="root", store=store)
        listen(root.child(Budget(tokens=10), id="child").child(Budget(tokens=10), id="deep"))
        store.discard("child")
        spend(root.child(Budget(tokens=10), id="deep"), 5)
        listen(root)
        store.discard("root")
        spend(Ledger(Budget(tokens=10), id="root", store=store), 5)
        assert not told
