"""Budgets that renew: what belongs to which window, and what begins anew."""

from __future__ import annotations

import asyncio
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from shoestring.budget import (
    Amount,
    Budget,
    BudgetBusy,
    BudgetExceeded,
    Ledger,
    LedgerClosed,
)
from shoestring.budget.conformance.base import Conformance, tokens

if TYPE_CHECKING:
    from shoestring.budget import Period, Store
    from shoestring.budget.conformance.base import Clock

# Seconds no test should have to wait.
LONG = 60.0
MINUTE, DAY = 60.0, 86_400.0


def utc(text: str) -> float:
    """Return a time in UTC as seconds since 1970."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


class RenewingContract(Conformance):
    """A ledger with `per=` starts anew with each UTC minute, hour, day or month."""

    @pytest.mark.parametrize(
        ("per", "last", "first"),
        [
            ("minute", "2026-11-22 23:59:59.5", "2026-11-23 00:00"),
            ("hour", "2026-11-22 08:00", "2026-11-22 09:00"),
            ("day", "2026-11-22 00:00", "2026-11-23 00:00"),
            ("month", "2028-02-29 23:59:59", "2028-03-01 00:00"),
            ("month", "2026-12-01 00:00", "2027-01-01 00:00"),
        ],
    )
    def test_each_window_has_the_whole_budget(
        self, store: Store, clock: Clock, per: Period, last: str, first: str
    ) -> None:
        """What is spent in one UTC window is not missing in the next, which begins on the dot."""
        clock.now = utc(last)
        ledger = Ledger(Budget(tokens=100, usd="0.5", per=per), id="t", store=store)
        assert ledger.renews_at == datetime.fromisoformat(first).replace(tzinfo=UTC)
        ledger.reserve(Amount(90, 0, 7, 1)).settle(Amount(80, 5, 7, 1))
        clock.now = utc(first) - 0.001
        assert (ledger.remaining.tokens, ledger.spent) == (15, Amount(80, 5, 7, 1))
        clock.now = utc(first)
        assert (ledger.remaining.tokens, ledger.spent) == (100, Amount())
        assert (ledger.past_spent, store.ledger("t").past_spent) == (Amount(80, 5, 7, 1),) * 2
        ledger.reserve(tokens(100)).settle(tokens(100))
        with pytest.raises(BudgetExceeded):
            ledger.reserve(tokens(1))

    def test_a_refusal_says_when_it_renews(self, store: Store, clock: Clock) -> None:
        """What would fit the next window is told when that begins; what never fits is not."""
        clock.now = utc("2026-11-22 10:00")
        tenant = Ledger(
            Budget(tokens=100, answer_reserve=Amount(10), per="day"), name="tenant", store=store
        )
        run = tenant.child(Budget(tokens=500))
        run.reserve(tokens(60)).settle(tokens(60))
        with pytest.raises(BudgetExceeded, match=r"It renews at 2026-11-23 00:00 UTC\.") as caught:
            run.reserve(tokens(90))
        assert caught.value.renews_at == datetime(2026, 11, 23, tzinfo=UTC)
        assert pickle.loads(pickle.dumps(caught.value)).renews_at == caught.value.renews_at
        with pytest.raises(BudgetExceeded) as caught:
            run.reserve(tokens(91))
        assert (caught.value.renews_at, "renews" in str(caught.value)) == (None, False)

    def test_a_hold_belongs_to_the_window_it_was_reserved_in(
        self, store: Store, clock: Clock
    ) -> None:
        """Settled, released or presumed in the next window, it draws on the last one."""
        ledger = Ledger(Budget(tokens=100, per="minute"), id="t", store=store)
        settled, released, presumed = (ledger.reserve(tokens(30), lease=90) for _ in range(3))
        settled.dispatching()
        clock.now = MINUTE
        assert (ledger.held, ledger.past_held) == (Amount(), tokens(90))
        other = ledger.reserve(tokens(100))
        settled.settle(tokens(20))
        released.release()
        assert (ledger.spent, ledger.past_spent) == (Amount(), tokens(20))
        assert (ledger.held, ledger.past_held) == (tokens(100), tokens(30))
        clock.now = 90
        assert (ledger.spent, ledger.past_spent) == (Amount(), tokens(50))
        presumed.settle(tokens(10))
        other.settle(tokens(70))
        assert (ledger.spent, ledger.past_spent) == (tokens(70), tokens(30))
        assert (ledger.held, ledger.past_held) == (Amount(), Amount())
        receipt = ledger.receipt
        assert sum(line.spent.tokens for line in receipt.lines) == 100
        assert (receipt.spent, receipt.past_spent) == (tokens(70), tokens(30))

    def test_an_owner_heard_of_in_the_next_window_holds_in_the_last(
        self, store: Store, clock: Clock
    ) -> None:
        """A presumed hold that is dispatched again, and left, stays in its own window."""
        ledger = Ledger(Budget(tokens=100, per="minute"), store=store)
        hold = ledger.reserve(tokens(30), lease=10)
        clock.now = MINUTE
        assert ledger.past_spent == tokens(30)
        with hold:
            hold.dispatching()
            assert (ledger.past_spent, ledger.past_held) == (Amount(), tokens(30))
        assert (ledger.past_spent, ledger.past_held) == (tokens(30), Amount())
        assert (ledger.spent, ledger.held) == (Amount(), Amount())

    def test_extending_moves_a_hold_into_the_window_of_now(
        self, store: Store, clock: Clock
    ) -> None:
        """A window that is over cannot grow: the whole hold must fit the current one, or stays."""
        ledger = Ledger(Budget(tokens=100, per="minute"), store=store)
        hold = ledger.reserve(tokens(60))
        clock.now = MINUTE
        other = ledger.reserve(tokens(20))
        with pytest.raises(BudgetBusy, match="100 tokens; 80 of 100"):
            hold.extend(tokens(40))
        assert (ledger.held, ledger.past_held, hold.bound) == (tokens(20), tokens(60), tokens(60))
        hold.extend(tokens(20))
        assert (ledger.held, ledger.past_held, hold.bound) == (tokens(100), Amount(), tokens(80))
        hold.settle(tokens(70))
        other.release()
        assert (ledger.spent, ledger.past_spent) == (tokens(70), Amount())

    def test_a_correction_of_a_window_that_is_over_may_be_a_breach(
        self, store: Store, clock: Clock
    ) -> None:
        """What a guess gave back may be spent, so more than the guess is a breach, though it fits now."""
        ledger = Ledger(Budget(tokens=100, per="minute"), store=store)
        hold = ledger.reserve(tokens(60))
        hold.settle(tokens(20), basis="estimated")
        ledger.reserve(tokens(80)).settle(tokens(80))
        clock.now = MINUTE
        hold.settle(tokens(50))
        assert (ledger.past_spent, ledger.spent, ledger.closed) == (tokens(130), Amount(), False)
        assert "breach: 50 tokens spent on a hold of 20" in ledger.receipt.lines[0].detail

    def test_a_child_that_does_not_renew_is_spent_once(self, store: Store, clock: Clock) -> None:
        """A run below a tenant's day keeps its sums; its calls draw on the tenant's day of theirs."""
        tenant = Ledger(Budget(tokens=100, per="minute"), store=store)
        run = tenant.child(Budget(tokens=120))
        run.reserve(tokens(80)).settle(tokens(80))
        tenant.reserve(tokens(5)).settle(tokens(5))
        clock.now = MINUTE
        assert (run.remaining.tokens, tenant.remaining.tokens) == (40, 100)
        run.reserve(tokens(30)).settle(tokens(30))
        tenant.reserve(tokens(7)).settle(tokens(7))
        with pytest.raises(BudgetExceeded, match="20 tokens; 10 of 120 remain"):
            run.reserve(tokens(20))
        assert (run.spent, run.own_spent, run.past_spent) == (tokens(110), tokens(110), Amount())
        assert (tenant.spent, tenant.own_spent) == (tokens(37), tokens(7))
        assert tenant.past_spent == tokens(85)

    def test_windows_of_different_length_nest(self, store: Store, clock: Clock) -> None:
        """Each ledger above counts by its own window; one that does not renew counts all."""
        whole = Ledger(Budget(tokens=250), store=store)
        day = whole.child(Budget(tokens=180, per="day"))
        minute = day.child(Budget(tokens=100, per="minute"))
        minute.reserve(tokens(100)).settle(tokens(100))
        clock.now = MINUTE
        with pytest.raises(BudgetExceeded, match="90 tokens; 80 of 180"):
            minute.reserve(tokens(90))
        minute.reserve(tokens(80)).settle(tokens(80))
        clock.now = DAY
        assert (minute.remaining.tokens, day.remaining.tokens) == (70, 70)
        minute.reserve(tokens(70)).settle(tokens(70))
        assert [ledger.spent.tokens for ledger in (minute, day, whole)] == [70, 70, 250]
        assert [ledger.past_spent.tokens for ledger in (minute, day, whole)] == [180, 180, 0]
        assert [ledger.own_spent.tokens for ledger in (minute, day, whole)] == [70, 0, 0]

    # Set-asides.

    def test_a_set_aside_does_not_renew(self, store: Store) -> None:
        """Refused with the cure: what was moved once is spent once."""
        ledger = Ledger(Budget(tokens=100), store=store)
        with pytest.raises(ValueError, match="leave out per=, or leave out set_aside=True"):
            ledger.child(Budget(tokens=10, per="day"), set_aside=True)
        assert ledger.held == Amount()

    def test_a_set_aside_draws_on_the_window_it_was_opened_in(
        self, store: Store, clock: Clock
    ) -> None:
        """What it took at its opening pays for calls of later windows; what returns, returns there."""
        tenant = Ledger(Budget(tokens=100, per="minute"), store=store)
        aside = tenant.child(Budget(tokens=60), set_aside=True)
        inner = aside.child(Budget(tokens=20), set_aside=True)
        clock.now = MINUTE
        assert (tenant.held, tenant.past_held, aside.remaining.tokens) == (
            Amount(),
            Amount(0, 60),
            40,
        )
        whole = tenant.reserve(tokens(100))
        aside.reserve(tokens(40)).settle(tokens(30))
        inner.reserve(tokens(20)).settle(tokens(5))
        assert (tenant.spent, tenant.past_spent, tenant.past_held.tokens) == (
            Amount(),
            tokens(35),
            25,
        )
        aside.close()
        assert (tenant.held, tenant.past_held) == (tokens(100), Amount())
        whole.release()
        assert tenant.held == Amount()

    def test_what_a_set_aside_does_not_cap_draws_on_the_window_of_now(
        self, store: Store, clock: Clock
    ) -> None:
        """Tokens set aside yesterday do not make today's calls and money free."""
        tenant = Ledger(Budget(tokens=100, usd="0.0000001", calls=3, per="minute"), store=store)
        aside = tenant.child(Budget(tokens=60), set_aside=True)
        clock.now = MINUTE
        aside.reserve(Amount(10, 0, 40, 2)).settle(Amount(10, 0, 30, 1))
        assert (tenant.spent, tenant.past_spent) == (Amount(0, 0, 30, 1), tokens(10))
        with pytest.raises(BudgetExceeded, match="3 calls; 2 of 3"):
            aside.reserve(Amount(10, 0, 0, 3))

    # What else begins anew.

    def test_active_time_begins_anew(self, store: Store, clock: Clock) -> None:
        """`seconds` are those of the window, counted from its start where the clock runs."""
        ledger = Ledger(Budget(seconds=50, per="minute"), store=store)
        paused = Ledger(Budget(seconds=50, per="minute"), store=store)
        clock.now = 40
        paused.pause()
        clock.now = 55
        with pytest.raises(BudgetExceeded, match="It renews at 1970-01-01 00:01 UTC"):
            ledger.reserve(Amount())
        clock.now = MINUTE + 5
        assert (ledger.elapsed, ledger.remaining.seconds) == (5, 45)
        assert ledger.reserve(Amount()).timeout == 45
        assert (paused.elapsed, paused.remaining.seconds) == (0, 50)
        paused.resume()
        clock.now += 10
        assert paused.elapsed == 10

    def test_an_answer_reserve_begins_anew(self, store: Store, clock: Clock) -> None:
        """All of it is kept back again, whatever answers of the last window spend late."""
        ledger = Ledger(Budget(tokens=100, answer_reserve=Amount(30), per="minute"), store=store)
        answer = ledger.at(purpose="answer")
        answer.reserve(tokens(10)).settle(tokens(10))
        late = answer.reserve(tokens(20))
        assert ledger.affordable().tokens == 70
        clock.now = MINUTE
        assert ledger.affordable().tokens == 70
        late.settle(tokens(15))
        assert (ledger.affordable().tokens, answer.affordable().tokens) == (70, 100)
        answer.reserve(tokens(10)).settle(tokens(10))
        assert (ledger.affordable().tokens, answer.affordable().tokens) == (70, 90)

    def test_a_renewal_opens_what_a_breach_has_closed(self, store: Store, clock: Clock) -> None:
        """A breach closes until the window is over, here and below; but for set-asides, which ended."""
        ledger = Ledger(Budget(tokens=100, per="minute"), store=store)
        child = ledger.child()
        aside = ledger.child(Budget(tokens=10), set_aside=True)
        child.reserve(tokens(50)).settle(tokens(110))
        for closed in (ledger, child):
            with pytest.raises(LedgerClosed, match="It opens again at 1970-01-01 00:01 UTC"):
                closed.reserve(tokens(1))
        clock.now = MINUTE
        child.reserve(tokens(1))
        assert (ledger.closed, child.closed, aside.closed) == (False, False, True)
        with pytest.raises(LedgerClosed, match="Open another ledger"):
            aside.reserve(tokens(1))

    def test_a_renewal_does_not_open_what_was_closed(self, store: Store, clock: Clock) -> None:
        """close() closes for good, also what a breach had closed before."""
        ledger = Ledger(Budget(tokens=100, per="minute"), store=store)
        one, two = ledger.child(), ledger.child()
        one.close()
        two.reserve(tokens(50)).settle(tokens(110))
        two.close()
        clock.now = MINUTE
        assert [each.closed for each in (ledger, one, two)] == [False, True, True]
        ledger.close()
        clock.now = 2 * MINUTE
        assert ledger.closed

    @pytest.mark.parametrize("first", ["minute", "day"])
    def test_each_breach_is_lifted_by_its_own_renewal(
        self, store: Store, clock: Clock, first: str
    ) -> None:
        """Where a minute's and a day's ledger have closed, the longer one decides."""
        day = Ledger(Budget(tokens=200, per="day"), store=store)
        minute = day.child(Budget(tokens=100, per="minute"))
        run = minute.child()
        if first == "minute":
            run.reserve(tokens(50)).settle(tokens(110))
        day.reserve(tokens(40)).settle(tokens(500))
        clock.now = MINUTE
        assert [each.closed for each in (day, minute, run)] == [True, True, True]
        clock.now = DAY
        run.reserve(tokens(1))
        assert [each.closed for each in (day, minute, run)] == [False, False, False]

    # Waiting, and the clock.

    def test_a_thread_that_waits_is_granted_in_the_next_window(
        self, store: Store, clock: Clock
    ) -> None:
        """What open holds keep from a waiter is free when the window rolls."""
        ledger = Ledger(Budget(tokens=100, per="minute"), store=store)
        ledger.reserve(tokens(60))
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(ledger.reserve, tokens(60), wait=LONG)
            clock.now = MINUTE
            while not future.done():
                # Any step will do: the time has come.
                assert ledger.past_held == tokens(60)
            assert future.result(LONG).bound == tokens(60)
        assert ledger.held == tokens(60)

    async def test_a_task_that_waits_is_granted_in_the_next_window(
        self, store: Store, clock: Clock
    ) -> None:
        """The same for a task."""
        ledger = Ledger(Budget(tokens=100, per="minute"), store=store)
        ledger.reserve(tokens(60))
        waiting = asyncio.create_task(ledger.areserve(tokens(60), wait=LONG))
        await asyncio.sleep(0)
        assert not waiting.done()
        clock.now = MINUTE
        assert ledger.past_held == tokens(60)
        assert (await waiting).bound == tokens(60)

    def test_a_clock_set_back_renews_neither_early_nor_twice(
        self, store: Store, clock: Clock
    ) -> None:
        """Time goes on from where it was: the window is as long as it would have been."""
        clock.now = 10 * MINUTE + 50
        ledger = Ledger(Budget(tokens=100, per="minute"), store=store)
        ledger.reserve(tokens(30)).settle(tokens(30))
        clock.now = 5 * MINUTE
        assert ledger.spent == tokens(30)
        ledger.reserve(tokens(20)).settle(tokens(20))
        clock.now = 5 * MINUTE + 9
        assert (ledger.spent, ledger.past_spent) == (tokens(50), Amount())
        clock.now = 5 * MINUTE + 10
        assert (ledger.spent, ledger.past_spent) == (Amount(), tokens(50))
        ledger.reserve(tokens(1)).settle(tokens(1))
        clock.now = 0
        assert (ledger.spent, ledger.past_spent) == (tokens(1), tokens(50))

    def test_windows_nobody_looked_at_are_passed_over(self, store: Store, clock: Clock) -> None:
        """After many empty windows it is the current one that counts, once."""
        ledger = Ledger(Budget(tokens=100, per="minute"), store=store)
        ledger.reserve(tokens(30)).settle(tokens(30))
        clock.now = 1_000 * MINUTE + 1
        ledger.reserve(tokens(60)).settle(tokens(60))
        assert (ledger.spent, ledger.past_spent) == (tokens(60), tokens(30))
        assert ledger.renews_at == datetime.fromtimestamp(1_001 * MINUTE, UTC)
        assert Ledger(Budget(tokens=1), store=store).renews_at is None
