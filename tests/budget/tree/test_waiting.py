"""First come, first served: waiting for room in threads and in tasks."""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from shoestring.budget import (
    Amount,
    Budget,
    BudgetBusy,
    BudgetExceeded,
    Hold,
    Ledger,
    LedgerClosed,
    MemoryStore,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

LONG = 60.0


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def tokens(count: int) -> Amount:
    return Amount(input_tokens=count)


async def start(reserving: Awaitable[Hold]) -> asyncio.Task[Hold]:
    """Start a reservation and let it run until it waits or is done."""

    async def run() -> Hold:
        return await reserving

    task = asyncio.create_task(run())
    await settled()
    return task


async def settled() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


def until_waiting(ledger: Ledger, count: int) -> None:
    """Return when so many threads wait."""
    while ledger._tree._waiting < count:
        threading.Event().wait(0.001)


async def test_a_waiter_gets_what_is_released() -> None:
    """What fails only because of others' holds waits, and is granted when they settle."""
    ledger = Ledger(Budget(tokens=100))
    hold = ledger.reserve(tokens(60))
    task = await start(ledger.areserve(tokens(60), wait=LONG))
    assert not task.done()
    assert ledger.held == tokens(60)
    hold.settle(tokens(40))
    assert (await task).bound == tokens(60)
    assert ledger.held == tokens(60)


def test_a_thread_waits_and_is_woken_by_another() -> None:
    """reserve(wait=…) blocks its thread until another thread makes room."""
    ledger = Ledger(Budget(tokens=100))
    hold = ledger.reserve(tokens(60))
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(ledger.reserve, tokens(60), wait=LONG)
        until_waiting(ledger, 1)
        hold.release()
        assert future.result(LONG).bound == tokens(60)


async def test_a_thread_wakes_a_task() -> None:
    """A task in a loop is woken by a settling in another thread."""
    ledger = Ledger(Budget(tokens=100))
    hold = ledger.reserve(tokens(60))
    task = await start(ledger.areserve(tokens(60), wait=LONG))
    await asyncio.to_thread(hold.release)
    assert (await task).bound == tokens(60)


@pytest.mark.parametrize("wait", [0, 1e-9])
async def test_busy_when_the_wait_is_over(wait: float) -> None:
    """After `wait` seconds without room it is BudgetBusy, in threads and in tasks."""
    ledger = Ledger(Budget(tokens=100))
    ledger.reserve(tokens(60))
    with pytest.raises(BudgetBusy, match="60 held by open calls"):
        ledger.reserve(tokens(60), wait=wait)
    with pytest.raises(BudgetBusy):
        await ledger.areserve(tokens(60), wait=wait)
    assert ledger._tree._waiting == 0
    ledger.reserve(tokens(40))


async def test_first_come_first_served() -> None:
    """Waiters are granted in order of arrival, though a later one would fit sooner."""
    ledger = Ledger(Budget(tokens=100))
    hold = ledger.reserve(tokens(90))
    order: list[int] = []

    async def ask(size: int) -> Hold:
        got = await ledger.areserve(tokens(size), wait=LONG)
        order.append(size)
        return got

    tasks = [await start(ask(size)) for size in (50, 5, 40, 30)]
    assert not any(task.done() for task in tasks)
    hold.release()
    await settled()
    assert order == [50, 5, 40]
    (await tasks[0]).release()
    await tasks[3]
    assert order == [50, 5, 40, 30]


async def test_a_newcomer_does_not_overtake() -> None:
    """A newcomer that fits is busy while an earlier waiter shares a capped ledger."""
    root = Ledger(Budget(tokens=100))
    hold = root.reserve(tokens(90))
    task = await start(root.child().areserve(tokens(50), wait=LONG))
    with pytest.raises(BudgetBusy, match="overtake"):
        root.child(Budget(calls=3)).reserve(tokens(5))
    later = await start(root.areserve(tokens(5), wait=LONG))
    assert not later.done()
    with pytest.raises(BudgetBusy, match="overtake"):
        root.child(Budget(tokens=5), set_aside=True)
    hold.release()
    await task
    await later


async def test_the_first_in_one_line_waits_for_the_first_in_another() -> None:
    """The first to wait in a child does not pass an earlier one that shares only the root."""
    root = Ledger(Budget(tokens=100))
    child = root.child(Budget(tokens=30))
    rest, hold = root.reserve(tokens(60)), child.reserve(tokens(30))
    earlier = await start(root.areserve(tokens(50), wait=LONG))
    later = await start(child.areserve(tokens(20), wait=LONG))
    hold.release()
    await settled()
    assert not earlier.done()
    assert not later.done()
    rest.release()
    await earlier
    await later


async def test_who_shares_no_capped_ledger_may_pass() -> None:
    """Waiters of one tenant do not hold up another tenant under an uncapped root."""
    root = Ledger(Budget(calls=1_000))
    one, two = root.child(Budget(tokens=100)), root.child(Budget(tokens=100))
    first = one.reserve(tokens(90))
    second = two.reserve(tokens(90))
    blocked = await start(one.areserve(tokens(50), wait=LONG))
    behind = await start(two.areserve(tokens(50), wait=LONG))
    two.reserve(Amount())
    second.release()
    await behind
    assert not blocked.done()
    first.release()
    await blocked


async def test_a_set_aside_is_not_held_up_by_waiters_above() -> None:
    """Calls inside a set-aside draw nothing on the parent, and go on while others wait there."""
    root = Ledger(Budget(tokens=100))
    inside = root.child(Budget(tokens=80), set_aside=True)
    task = await start(root.areserve(tokens(50), wait=LONG))
    inside.reserve(tokens(30)).settle(tokens(30))
    inside.close()
    await task


async def test_waiting_for_what_can_never_fit_ends_at_once() -> None:
    """When spending makes a waiter hopeless it gets BudgetExceeded, and the next has its turn."""
    ledger = Ledger(Budget(tokens=100))
    hold = ledger.reserve(tokens(90))
    hopeless = await start(ledger.areserve(tokens(80), wait=LONG))
    middle = await start(ledger.areserve(tokens(60), wait=LONG))
    fine = await start(ledger.areserve(tokens(40), wait=LONG))
    hold.settle(tokens(50))
    with pytest.raises(BudgetExceeded, match="80 tokens; 50 of 100"):
        await hopeless
    with pytest.raises(BudgetExceeded):
        await middle
    await fine


async def test_a_dearer_price_can_make_a_waiter_hopeless() -> None:
    """Learning a dearer token price keeps more money back, and tells those who wait in vain."""
    ledger = Ledger(Budget(usd="0.0000001", tokens=1_000, answer_reserve=1))
    ledger.reserve(Amount(nanodollars=60))
    task = await start(ledger.areserve(Amount(nanodollars=70), wait=LONG))
    ledger.reserve(Amount(nanodollars=1), token_price=31)
    with pytest.raises(BudgetExceeded, match="kept back"):
        await task


async def test_closing_ends_the_waiting() -> None:
    """Those who wait at a ledger that closes get LedgerClosed; others' turn comes."""
    root = Ledger(Budget(tokens=100))
    child = root.child(Budget(tokens=100))
    root.reserve(tokens(60))
    first = await start(child.areserve(tokens(60), wait=LONG))
    second = await start(root.areserve(tokens(40), wait=LONG))
    child.close()
    with pytest.raises(LedgerClosed):
        await first
    await second


async def test_a_breach_widens_those_who_wait() -> None:
    """A breach widens the request of a waiter before it is granted."""
    ledger = Ledger(Budget(tokens=100))
    one, two = ledger.reserve(tokens(20)), ledger.reserve(tokens(60))
    task = await start(ledger.areserve(tokens(30), wait=LONG))
    one.settle(tokens(30))
    assert not task.done()
    two.settle(tokens(10))
    assert (await task).bound == tokens(45)


async def test_a_cancelled_waiter_leaves_the_queue() -> None:
    """A cancelled waiter leaves the queue and lets the next one pass."""
    ledger = Ledger(Budget(tokens=100))
    ledger.reserve(tokens(60))
    first = await start(ledger.areserve(tokens(60), wait=LONG))
    second = await start(ledger.areserve(tokens(40), wait=LONG))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await second).bound == tokens(40)
    assert ledger._tree._waiting == 0


async def test_a_grant_that_races_with_cancellation_is_released() -> None:
    """A waiter granted and cancelled before it runs again holds nothing."""
    ledger = Ledger(Budget(tokens=100))
    hold = ledger.reserve(tokens(60))
    task = await start(ledger.areserve(tokens(60), wait=LONG))
    hold.release()
    assert ledger.held == tokens(60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ledger.held == Amount()
    assert ledger.receipt.lines == ()


def test_a_waiter_whose_loop_is_closed_holds_nothing() -> None:
    """A grant that nobody can receive, because the loop is closed, is released."""
    ledger = Ledger(Budget(tokens=100))
    hold = ledger.reserve(tokens(60))
    loop = asyncio.new_event_loop()
    reserving = ledger.areserve(tokens(60), wait=LONG)

    async def begin() -> None:
        # Up to where it waits, and no further: nobody will run it again.
        reserving.send(None)

    loop.run_until_complete(begin())
    loop.close()
    hold.release()
    assert ledger.held == Amount()
    reserving.close()
    assert ledger._tree._waiting == 0


async def test_the_loop_runs_on_while_a_task_waits() -> None:
    """While areserve waits the event loop goes on, and another task makes the room."""
    ledger = Ledger(Budget(tokens=100))
    hold = ledger.reserve(tokens(100))

    async def other() -> None:
        hold.release()

    task = await start(ledger.areserve(tokens(100), wait=LONG))
    await asyncio.gather(task, other())


async def test_a_presumption_tells_those_who_wait_in_vain() -> None:
    """A lease that ends becomes spending, and refuses a waiter it leaves no room."""
    clock = Clock()
    ledger = Ledger(Budget(tokens=100), store=MemoryStore(clock=clock))
    ledger.reserve(tokens(60), lease=5)
    task = await start(ledger.areserve(tokens(60), wait=LONG))
    clock.now = 5
    assert ledger.spent == tokens(60)
    with pytest.raises(BudgetExceeded):
        await task


async def test_time_that_runs_out_ends_the_waiting() -> None:
    """A waiter whose ledger runs out of time is told so, not granted and not just busy."""
    clock = Clock()
    ledger = Ledger(Budget(tokens=100, seconds=5), store=MemoryStore(clock=clock))
    hold = ledger.reserve(tokens(60))
    task = await start(ledger.areserve(tokens(60), wait=LONG))
    clock.now = 5
    hold.release()
    with pytest.raises(BudgetExceeded, match="seconds are used"):
        await task


def test_waiting_ends_when_the_time_of_the_ledger_does() -> None:
    """A wait longer than the seconds left ends with them, as exceeded time."""
    # A second passes between any two steps: the third after its creation is too late.
    seconds = itertools.count(0.0)
    store = MemoryStore(clock=lambda: next(seconds))
    ledger = Ledger(Budget(tokens=100, seconds=2.5), store=store)
    ledger.reserve(tokens(60))
    with pytest.raises(BudgetExceeded) as caught:
        ledger.reserve(tokens(60), wait=LONG)
    assert caught.value.dimension == "seconds"


def test_a_waiter_wakes_when_its_window_ends() -> None:
    """Nobody else has to stir: who waits at a renewing ledger looks again when it renews."""
    # Some milliseconds pass between any two steps: the window ends while it waits.
    seconds = itertools.count(59.99, 0.003)
    ledger = Ledger(
        Budget(tokens=100, per="minute"), store=MemoryStore(clock=lambda: next(seconds))
    )
    ledger.reserve(tokens(60))
    assert ledger.reserve(tokens(60), wait=LONG).bound == tokens(60)
    assert ledger.past_held == tokens(60)


def test_waiting_may_be_endless() -> None:
    """An infinite wait is allowed in a thread."""
    ledger = Ledger(Budget(tokens=100))
    hold = ledger.reserve(tokens(100))
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(ledger.reserve, tokens(1), wait=float("inf"))
        until_waiting(ledger, 1)
        hold.release()
        future.result(LONG)


async def test_ten_thousand_wait_and_none_starves() -> None:
    """10,000 waiting reservations on one ledger are all granted in order, in linear memory."""
    ledger = Ledger(Budget(tokens=10))
    child = ledger.child(Budget(calls=10**6))
    count = 10_000
    hold = ledger.reserve(tokens(10))
    order: list[int] = []

    async def one(index: int) -> None:
        async with await child.areserve(tokens(10), wait=LONG * 5):
            order.append(index)

    tracemalloc.start()
    tasks = [asyncio.create_task(one(index)) for index in range(count)]
    await settled()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ledger._tree._waiting == count
    hold.release()
    await asyncio.gather(*tasks)
    assert order == list(range(count))
    assert ledger.held == Amount()
    # Task, future, timer and place in the queue together.
    assert size / count < 10_000


async def test_hopeless_waiters_are_told_one_by_one() -> None:
    """Each settling refuses only those it leaves no room, and no others."""
    ledger = Ledger(Budget(tokens=2_000))
    holds = [ledger.reserve(tokens(1)) for _ in range(1_000)]
    ledger.reserve(tokens(1_000))
    tasks = [await start(ledger.areserve(tokens(1_001), wait=LONG))]
    tasks += [
        asyncio.create_task(ledger.areserve(tokens(1_001 + index), wait=LONG))
        for index in range(1, 999)
    ]
    await settled()
    for done, hold in enumerate(holds[:500], start=1):
        hold.settle(tokens(1))
        assert ledger._tree._waiting == 999 - max(0, done - 1)
    await settled()
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(result, BudgetExceeded) for result in results) == 499


def test_interleaved_thread_switches_never_pass_the_cap() -> None:
    """Eight threads that all want the last tokens: exactly as many get them as fit."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            ledger = Ledger(Budget(tokens=1_000))
            barrier = threading.Barrier(8)

            def grab(ledger: Ledger = ledger, barrier: threading.Barrier = barrier) -> bool:
                barrier.wait()
                try:
                    ledger.reserve(tokens(400)).settle(tokens(400))
                except (BudgetBusy, BudgetExceeded):
                    return False
                return True

            with ThreadPoolExecutor(8) as pool:
                got = sum(future.result() for future in [pool.submit(grab) for _ in range(8)])
            # A refusal while another holds is final here, so one or two get through.
            assert 1 <= got <= 2
            assert ledger.spent.tokens == got * 400
    finally:
        sys.setswitchinterval(interval)
