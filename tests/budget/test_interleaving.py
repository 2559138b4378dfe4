"""Threads and tasks, switched at every lock, wait, transaction and await: the law holds after each.

What is short is played in every order there is; what is long in many, by seeds.
"""

from __future__ import annotations

import asyncio
import itertools
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from shoestring.budget import (
    Amount,
    Budget,
    BudgetBusy,
    BudgetError,
    BudgetExceeded,
    Hold,
    Ledger,
    LedgerClosed,
    MemoryStore,
    RedisStore,
    SQLiteStore,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.budget.conftest import Interleaving, Scheduler

    from shoestring.budget import Store

LONG = 60.0
# Over before the first look: in memory, the scheduler ends it whenever it likes.
SHORT = 1e-9
CAP = 100
Ending = str


def tokens(count: int) -> Amount:
    return Amount(input_tokens=count)


class World:
    """A tree under a scheduler, and what its actors were told and have spent."""

    def __init__(self, interleaving: Interleaving, scheduler: Scheduler, store: Store) -> None:
        self.interleaving = interleaving
        self.scheduler = scheduler
        self.root = Ledger(Budget(tokens=CAP), store=store)
        self.child = self.root.child(Budget(tokens=80))
        self.look = [interleaving.onlooker(ledger) for ledger in (self.root, self.child)]
        self.watched = [interleaving.watch(scheduler, self.root)]
        self.told: list[str] = []
        self.asked = self.spent = 0

    def handle(self, store: Store, ledger: Ledger) -> Ledger:
        """The ledger as another process, with a store of its own, would find it."""
        found = store.ledger(ledger.id)
        self.watched.append(self.interleaving.watch(self.scheduler, found))
        return found

    def law(self) -> None:
        if any(inside() for inside in self.watched):
            return
        root, child = self.look
        receipt = root.receipt
        assert receipt.spent.tokens == sum(line.spent.tokens for line in receipt.lines)
        held = sum(x.reserved.tokens for x in receipt.lines if x.detail == "still held")
        assert receipt.held.tokens == held
        breached = any("breach" in line.detail for line in receipt.lines)
        assert breached or receipt.spent.tokens + held <= CAP
        assert breached or child.spent.tokens + child.held.tokens <= 80

    def call(self, ledger: Ledger, size: int, wait: float, ending: Ending) -> None:
        """One call by a thread."""
        self.asked += 1
        try:
            hold = ledger.reserve(tokens(size), wait=wait)
        except BudgetError as refused:
            self.told.append(type(refused).__name__)
        else:
            self.end(hold, size, ending)

    async def acall(self, ledger: Ledger, size: int, wait: float, ending: Ending) -> None:
        """One call by a task."""
        self.asked += 1
        try:
            async with await ledger.areserve(tokens(size), wait=wait) as hold:
                await asyncio.sleep(0)
                self.end(hold, size, ending)
        except BudgetError as refused:
            self.told.append(type(refused).__name__)
        except asyncio.CancelledError:
            self.told.append("cancelled")
            raise

    def end(self, hold: Hold, size: int, ending: Ending) -> None:
        if ending == "release":
            hold.release()
        else:
            actual = {"half": size // 2, "all": size, "breach": size + 50}[ending]
            hold.dispatching()
            hold.settle(tokens(actual))
            self.spent += actual
        self.told.append("granted")

    def check_the_end(self) -> None:
        """Everyone has one answer; nothing is held, nobody waits, and what was spent is counted."""
        assert len(self.told) == self.asked
        assert (self.root.held, self.root.spent.tokens) == (Amount(), self.spent)
        tree = self.root._tree
        if isinstance(self.root.store, MemoryStore):
            assert tree._waiting == 0
            assert not any(below.waiting or below.line for below in tree.root.subtree())


@pytest.fixture
def fresh(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[[], Callable[[], Store]]:
    """Return a function that makes an empty place, and returns what opens stores there."""
    numbers = itertools.count()
    if kind == "memory":
        return lambda: MemoryStore
    if kind == "sqlite":
        return lambda: partial(SQLiteStore, tmp_path / f"{next(numbers)}.db")
    server: Any = request.getfixturevalue("redis_server")
    return lambda: partial(RedisStore, server.url, prefix=f"place {next(numbers)}")


REDIS = pytest.param("redis", marks=pytest.mark.redis)


# How the one call ends and how long it waits, the other's, and how many may be granted.
CASES: tuple[tuple[tuple[Ending, float], tuple[Ending, float], set[int]], ...] = (
    (("half", LONG), ("half", LONG), {2}),
    (("release", LONG), ("half", LONG), {2}),
    (("all", LONG), ("half", LONG), {1, 2}),
    (("breach", LONG), ("release", LONG), {1, 2}),
    (("half", SHORT), ("half", SHORT), {1, 2}),
)


@pytest.mark.parametrize(
    ("kind", "first", "second", "granted"),
    [
        *(("memory", *case) for case in CASES),
        *(pytest.param("sqlite", *case, marks=pytest.mark.slow) for case in CASES[:4]),
        ("sqlite", *CASES[4]),
        *(
            pytest.param("redis", *case, marks=[pytest.mark.redis, pytest.mark.slow])
            for case in CASES
        ),
    ],
)
def test_two_threads_in_every_order(
    interleaving: Interleaving,
    fresh: Callable[[], Callable[[], Store]],
    first: tuple[Ending, float],
    second: tuple[Ending, float],
    granted: set[int],
) -> None:
    """Two that want 60 of 100: the law after every step, one answer each, nobody left asleep."""
    seen: set[int] = set()

    def play(scheduler: Scheduler) -> None:
        world = World(interleaving, scheduler, fresh()())
        for name, ledger, (ending, wait) in (
            ("one", world.root, first),
            ("two", world.child, second),
        ):
            scheduler.spawn(name, partial(world.call, ledger, 60, wait, ending))
        scheduler.run(world.law)
        world.check_the_end()
        seen.add(world.told.count("granted"))

    assert interleaving.every(play) > 1
    assert seen == granted


def test_closing_against_waiting_in_every_order(interleaving: Interleaving) -> None:
    """Whoever waits when the ledger closes is told so, whenever it closes."""
    seen: set[str] = set()

    def play(scheduler: Scheduler) -> None:
        world = World(interleaving, scheduler, MemoryStore())
        hold = world.root.reserve(tokens(60))
        scheduler.spawn("waiter", partial(world.call, world.child, 60, LONG, "release"))
        scheduler.spawn("closer", world.child.close)
        scheduler.spawn("owner", hold.release)
        scheduler.run(world.law)
        world.check_the_end()
        seen.update(world.told)

    assert interleaving.every(play) > 1
    assert seen == {"granted", LedgerClosed.__name__}


def test_two_tasks_and_a_cancellation_in_every_order(interleaving: Interleaving) -> None:
    """A task cancelled at any of its awaits holds nothing, and the other gets its turn."""
    seen: set[tuple[str, ...]] = set()

    def play(scheduler: Scheduler) -> None:
        world = World(interleaving, scheduler, MemoryStore())

        async def main() -> None:
            tasks = [
                asyncio.create_task(world.acall(ledger, 60, LONG, "half"))
                for ledger in (world.root, world.child)
            ]

            async def cancel() -> None:
                tasks[0].cancel()

            await asyncio.gather(cancel(), *tasks, return_exceptions=True)
            if world.asked < 2:  # cancelled before its first step
                world.told.append("cancelled")
                world.asked += 1

        scheduler.spawn("loop", interleaving.loop(scheduler, main()))
        scheduler.run(world.law)
        world.check_the_end()
        seen.add(tuple(sorted(world.told)))

    assert interleaving.every(play) > 20
    assert seen == {("cancelled", "granted"), ("granted", "granted")}


def test_a_thread_makes_room_for_a_task_in_every_order(interleaving: Interleaving) -> None:
    """A task is woken from another thread, however the two interleave."""

    def play(scheduler: Scheduler) -> None:
        world = World(interleaving, scheduler, MemoryStore())
        hold = world.root.reserve(tokens(60))

        async def main() -> None:
            await world.acall(world.root, 60, LONG, "half")

        scheduler.spawn("loop", interleaving.loop(scheduler, main()))
        scheduler.spawn("owner", hold.release)
        scheduler.run(world.law)
        world.check_the_end()
        assert world.told == ["granted"]

    assert interleaving.every(play) > 5


def test_a_short_wait_races_with_its_grant_in_every_order(interleaving: Interleaving) -> None:
    """A wait that ends just when room is made ends in a hold or in BudgetBusy, never in both."""
    seen: set[str] = set()

    def play(scheduler: Scheduler) -> None:
        world = World(interleaving, scheduler, MemoryStore())
        hold = world.root.reserve(tokens(60))
        scheduler.spawn("waiter", partial(world.call, world.root, 60, SHORT, "all"))
        scheduler.spawn("owner", hold.release)
        scheduler.run(world.law)
        world.check_the_end()
        seen.update(world.told)

    assert interleaving.every(play) > 5
    assert seen == {"granted", BudgetBusy.__name__}


@pytest.mark.parametrize("kind", ["sqlite", REDIS])
def test_two_processes_in_every_order(
    interleaving: Interleaving, fresh: Callable[[], Callable[[], Store]]
) -> None:
    """Two stores in one place, switched also in the middle of a transaction, or between asking and keeping."""
    seen: set[tuple[str, ...]] = set()

    def play(scheduler: Scheduler) -> None:
        opened = fresh()
        world = World(interleaving, scheduler, opened())
        other = world.handle(opened(), world.child)
        scheduler.spawn("one", partial(world.call, world.root, 60, 0, "release"))
        scheduler.spawn("two", partial(world.call, other, 60, 0, "release"))
        scheduler.run(world.law)
        world.check_the_end()
        seen.add(tuple(sorted(world.told)))

    assert interleaving.every(play) > 20
    assert seen == {("BudgetBusy", "granted"), ("granted", "granted")}


ENDINGS = ("half", "half", "release", "all", "breach")


def many(interleaving: Interleaving, store: Store, scheduler: Scheduler, dice: Random) -> set[str]:
    """Let threads, and tasks of one loop, make calls of all kinds at both ledgers."""
    world = World(interleaving, scheduler, store)

    def script() -> list[tuple[Ledger, int, float, Ending]]:
        return [
            (
                dice.choice((world.root, world.child)),
                dice.randint(1, 70),
                dice.choice((0, SHORT, LONG)),
                dice.choice(ENDINGS) if dice.random() < 0.9 else "release",
            )
            for _ in range(dice.randint(1, 3))
        ]

    def thread(calls: list[tuple[Ledger, int, float, Ending]]) -> None:
        for call in calls:
            world.call(*call)

    async def task(calls: list[tuple[Ledger, int, float, Ending]]) -> None:
        for call in calls:
            await world.acall(*call)

    async def main(scripts: list[list[tuple[Ledger, int, float, Ending]]], doomed: int) -> None:
        tasks = [asyncio.create_task(task(calls)) for calls in scripts]
        for _ in range(doomed):
            await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    for number in range(3):
        scheduler.spawn(f"thread {number}", partial(thread, script()))
    coroutine = main([script(), script()], dice.randint(0, 12))
    scheduler.spawn("loop", interleaving.loop(scheduler, coroutine))
    scheduler.run(world.law)
    world.check_the_end()
    return set(world.told)


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("memory", 50),
        ("sqlite", 50),
        pytest.param("redis", 20, marks=pytest.mark.redis),
        pytest.param("memory", 1_000, marks=pytest.mark.slow),
        pytest.param("sqlite", 1_000, marks=pytest.mark.slow),
        pytest.param("redis", 300, marks=[pytest.mark.redis, pytest.mark.slow]),
    ],
)
def test_threads_and_tasks_in_many_orders(
    interleaving: Interleaving, fresh: Callable[[], Callable[[], Store]], count: int
) -> None:
    """Three threads, a loop of two tasks, a cancellation: the law after every step, by seeds."""
    seeds = itertools.count()
    seen: set[str] = set()

    def play(scheduler: Scheduler) -> None:
        seen.update(many(interleaving, fresh()(), scheduler, Random(next(seeds))))

    interleaving.some(play, count)
    assert seen >= {"granted", "cancelled", BudgetBusy.__name__, BudgetExceeded.__name__}


def test_a_deadlock_is_told_with_its_schedule(interleaving: Interleaving) -> None:
    """The scheduler itself notices a wait that nobody can end, and says how it came to it."""

    def play(scheduler: Scheduler) -> None:
        world = World(interleaving, scheduler, MemoryStore())
        world.root.reserve(tokens(60))
        scheduler.spawn("waiter", partial(world.call, world.root, 60, LONG, "half"))
        scheduler.run(world.law)

    with pytest.raises(AssertionError, match="deadlock: waiter at gate") as caught:
        interleaving.every(play)
    assert "waiter: lock" in caught.value.__notes__[0]
