"""Finding ledgers by id, sharing them between threads and tasks, and waiting for room."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from shoestring.budget import (
    Amount,
    Budget,
    BudgetBusy,
    BudgetChanged,
    BudgetExceeded,
    Hold,
    Ledger,
    LedgerClosed,
    LedgerNotFound,
    open_ledger,
)
from shoestring.budget.conformance.base import Conformance, tokens
from shoestring.budget.conformance.holds import HoldContract
from shoestring.budget.conformance.law import LawContract
from shoestring.budget.conformance.looking import LookingContract
from shoestring.budget.conformance.loops import LoopContract
from shoestring.budget.conformance.renewing import RenewingContract
from shoestring.budget.conformance.spending import SpendingContract

if TYPE_CHECKING:
    from shoestring.budget import Store
    from shoestring.budget.conformance.base import Clock

# Seconds no test should have to wait.
LONG = 60.0


class FindingContract(Conformance):
    """A ledger is found by its id, and an id is given once."""

    def test_a_store_continues_a_ledger_by_id(self, store: Store) -> None:
        """A ledger found by id is the same account, with its budget, labels and spending."""
        budget = Budget(tokens=10, usd="0.5", seconds=9, answer_reserve=Amount(1, 1, 0, 1))
        child = Ledger(budget, name="thread", id="thread", store=store).child(id="run")
        child.reserve(Amount(4)).settle(Amount(4))
        found = store.ledger("thread")
        assert (found.id, found.name, found.spent, found.parent) == (
            "thread",
            "thread",
            Amount(4),
            None,
        )
        assert found.budget is not None
        assert found.budget.caps == budget.caps
        assert found.budget.answer_reserve == budget.answer_reserve
        run = store.ledger("run")
        assert run.budget is None
        assert run.parent is not None
        assert run.parent.id == "thread"
        with pytest.raises(BudgetExceeded):
            run.reserve(Amount(7))

    def test_an_unknown_id_is_named(self, store: Store) -> None:
        """An id that is not in the store raises LedgerNotFound with the cure."""
        with pytest.raises(LedgerNotFound, match="no ledger 'x' in this store: create it"):
            store.ledger("x")

    def test_an_id_is_given_once(self, store: Store) -> None:
        """A second ledger of the same id, even with another budget, is refused and holds nothing."""
        root = Ledger(Budget(tokens=10), id="a", store=store)
        with pytest.raises(ValueError, match="already: go on with it by"):
            Ledger(Budget(tokens=99), id="a", store=store)
        with pytest.raises(ValueError, match="already"):
            root.child(Budget(tokens=5), id="a", set_aside=True)
        assert root.held == Amount()
        assert store.ledger("a").limit.tokens == 10

    def test_opening_goes_on_or_begins(self, store: Store) -> None:
        """The same line begins a ledger and later goes on with it, as a root and below another."""
        daily = Budget(usd="0.50", per="day", answer_reserve=3)
        for spent in (Amount(), Amount(4)):  # two starts
            root = open_ledger(Budget(tokens=90), "org", under=store)
            tenant = open_ledger(daily, "tenant", under=root, name="Tenant")
            assert root.spent == tenant.spent == spent
            assert (root.name, tenant.name) == ("org", "Tenant")
            tenant.reserve(Amount(4)).settle(Amount(4))

    def test_opening_with_another_budget_is_refused(self, store: Store) -> None:
        """Neither cap is silently taken: what the store holds stays as it is."""
        root = open_ledger(Budget(tokens=90), "org", under=store)
        for other in (
            Budget(tokens=91),
            Budget(tokens=90, per="day"),
            Budget(tokens=90, repeats=2),
        ):
            with pytest.raises(BudgetChanged, match="ledger 'org' began with Budget"):
                open_ledger(other, "org", under=store)
        open_ledger(Budget(tokens=9), "tenant", under=root)
        root.child(id="group")
        with pytest.raises(BudgetChanged, match="is below 'org'"):
            open_ledger(Budget(tokens=9), "tenant", under=store)
        with pytest.raises(BudgetChanged, match="is a root"):
            open_ledger(Budget(tokens=90), "org", under=root)
        with pytest.raises(BudgetChanged, match="began with None"):
            open_ledger(Budget(tokens=9), "group", under=root)
        assert store.ledger("org").limit.tokens == 90

    def test_opening_at_once_opens_one(self, store: Store) -> None:
        """Threads that open the same ledger have one budget between them."""
        begin = threading.Barrier(8)

        def spend(_: int) -> str:
            begin.wait(LONG)
            tenant = open_ledger(Budget(tokens=8), "tenant", under=store)
            tenant.reserve(Amount(1)).settle(Amount(1))
            return tenant.id

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(spend, range(8))) == {"tenant"}
        assert store.ledger("tenant").remaining.tokens == 0

    def test_discarding_lets_go_of_all_below(self, store: Store) -> None:
        """A discarded ledger is found no more, nor is any below it; others are."""
        root = Ledger(Budget(tokens=10), id="root", store=store)
        root.child(id="below").child(id="deep")
        kept = Ledger(Budget(tokens=10), id="kept", store=store)
        store.discard("root")
        store.discard("root")
        for gone in ("root", "below", "deep"):
            with pytest.raises(LedgerNotFound):
                store.ledger(gone)
        assert store.ledger("kept").id == kept.id

    def test_discarding_a_child_refunds_nothing(self, store: Store) -> None:
        """What a discarded child has spent stays its parent's spending; its id is free."""
        root = Ledger(Budget(tokens=10), id="root", store=store)
        root.child(id="below").child(id="deep").reserve(tokens(4)).settle(tokens(4))
        store.discard("below")
        with pytest.raises(LedgerNotFound):
            store.ledger("deep")
        again = root.child(id="below")
        assert (again.spent, root.spent, len(root.receipt.lines)) == (Amount(), tokens(4), 1)
        assert store.ledger("below").spent == Amount()

    def test_any_text_is_an_id(self, store: Store) -> None:
        """Ids and labels are data: quotes, line ends and other scripts come back as they were."""
        strange = "a'; DROP TABLE ledger; --\n\x00é漢"
        ledger = Ledger(Budget(tokens=10), id=strange, name=strange, store=store)
        ledger.at(node=strange, route=strange).note(strange, strange, dropped=2)
        with ledger.at(node=strange).reserve(tokens(1), what=strange):
            (note, line) = store.ledger(strange).receipt.lines
        assert (note.node, note.what, note.detail, note.dropped) == (strange, strange, strange, 2)
        assert (line.node, line.what) == (strange, strange)

    def test_figures_beyond_sixty_four_bits_are_kept(self, store: Store) -> None:
        """Sums of breaches have no size at which they wrap, fail or are forgotten."""
        ledger = Ledger(Budget(calls=10), id="big", store=store)
        most = 2**63 - 1
        for _ in range(3):
            ledger.reserve(Amount()).settle(Amount(most, most, most, 1))
        assert store.ledger("big").spent == Amount(most, most, most, 3)
        ledger.reserve(Amount(calls=7)).release()


class WaitingContract(Conformance):
    """What fails only because of others' holds may wait; nothing is held meanwhile."""

    def test_a_thread_waits_until_there_is_room(self, store: Store) -> None:
        """reserve(wait=…) is granted when another thread makes room."""
        ledger = Ledger(Budget(tokens=100), store=store)
        hold = ledger.reserve(tokens(60))
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(ledger.reserve, tokens(60), wait=LONG)
            hold.settle(tokens(40))
            assert future.result(LONG).bound == tokens(60)

    async def test_a_task_waits_until_there_is_room(self, store: Store) -> None:
        """areserve(wait=…) is granted when another task makes room: the loop runs on."""
        ledger = Ledger(Budget(tokens=100), store=store)
        hold = ledger.reserve(tokens(60))
        waiting = asyncio.create_task(ledger.areserve(tokens(60), wait=LONG))
        await asyncio.sleep(0)
        assert not waiting.done()
        hold.release()
        assert (await waiting).bound == tokens(60)

    @pytest.mark.parametrize("wait", [0, 1e-9])
    async def test_busy_when_the_wait_is_over(self, store: Store, wait: float) -> None:
        """After `wait` seconds without room it is BudgetBusy, and nothing is held."""
        ledger = Ledger(Budget(tokens=100), store=store)
        ledger.reserve(tokens(60))
        with pytest.raises(BudgetBusy, match="60 held by open calls"):
            ledger.reserve(tokens(60), wait=wait)
        with pytest.raises(BudgetBusy):
            await ledger.areserve(tokens(60), wait=wait)
        assert ledger.held == tokens(60)

    async def test_a_cancelled_waiter_holds_nothing(self, store: Store) -> None:
        """Cancelled before it is granted, or just then: nothing stays held."""
        ledger = Ledger(Budget(tokens=100), store=store)
        hold = ledger.reserve(tokens(60))
        waiting = asyncio.create_task(ledger.areserve(tokens(60), wait=LONG))
        await asyncio.sleep(0)
        hold.release()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        # Whoever still works on the grant must give it back: else this would never fit.
        (await ledger.areserve(tokens(100), wait=LONG)).release()
        assert ledger.held == Amount()

    def test_waiting_for_what_can_never_fit_ends(self, store: Store) -> None:
        """When spending makes a waiter hopeless it gets BudgetExceeded."""
        ledger = Ledger(Budget(tokens=100), store=store)
        hold = ledger.reserve(tokens(90))
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(ledger.reserve, tokens(80), wait=LONG)
            hold.settle(tokens(50))
            with pytest.raises(BudgetExceeded, match="80 tokens; 50 of 100"):
                future.result(LONG)

    def test_closing_ends_the_waiting(self, store: Store) -> None:
        """Those who wait at a ledger that closes get LedgerClosed."""
        root = Ledger(Budget(tokens=100), store=store)
        child = root.child()
        root.reserve(tokens(60))
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(child.reserve, tokens(60), wait=LONG)
            child.close()
            with pytest.raises(LedgerClosed):
                future.result(LONG)

    def test_time_that_runs_out_ends_the_waiting(self, store: Store, clock: Clock) -> None:
        """A waiter whose ledger runs out of time is told so, not granted and not just busy."""
        ledger = Ledger(Budget(tokens=100, seconds=5), store=store)
        hold = ledger.reserve(tokens(60))
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(ledger.reserve, tokens(60), wait=LONG)
            clock.now = 5
            hold.release()
            with pytest.raises(BudgetExceeded, match="seconds are used"):
                future.result(LONG)


class SharingContract(Conformance):
    """The cap is a cap in threads and tasks."""

    @pytest.mark.parametrize("capped", [True, False])
    def test_threads_hammering_one_ledger_never_pass_the_cap(
        self,
        store: Store,
        capped: bool,  # noqa: FBT001  pytest passes it by name
    ) -> None:
        """A count of our own never passes the cap, and nothing is lost."""
        root = Ledger(Budget(tokens=1_000, calls=10**6), store=store)
        lock = threading.Lock()
        inside = spent = most = 0

        def work(seed: int) -> None:
            nonlocal inside, spent, most
            ledger = root.child(Budget(tokens=900) if capped else None)
            for step in range(60):
                size = 100 + (seed * 37 + step * 11) % 150
                try:
                    hold = ledger.reserve(Amount(size, 0, 0, 1), wait=LONG if step % 2 else 0)
                except (BudgetBusy, BudgetExceeded):
                    continue
                with lock:
                    inside += size
                    most = max(most, inside + spent)
                with lock:
                    inside -= size
                    spent += step % 2
                hold.settle(Amount(step % 2, 0, 0, 1))

        with ThreadPoolExecutor(8) as pool:
            for future in [pool.submit(work, seed) for seed in range(8)]:
                future.result()
        assert most <= 1_000
        assert root.spent.tokens == spent <= 1_000
        assert root.held == Amount()

    async def test_tasks_hammering_one_ledger_never_pass_the_cap(self, store: Store) -> None:
        """Fifty tasks with room for three: all get their turn, never more than three at once."""
        ledger = Ledger(Budget(tokens=350), store=store)
        inside = most = 0

        async def call() -> None:
            nonlocal inside, most
            async with await ledger.areserve(tokens(100), wait=LONG) as hold:
                hold.dispatching()
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1
                hold.settle(tokens(1))

        await asyncio.gather(*(call() for _ in range(50)))
        assert (ledger.spent, ledger.held) == (tokens(50), Amount())
        assert 1 <= most <= 3

    def test_the_last_of_it_is_given_once(self, store: Store) -> None:
        """Threads that all want the last tokens: exactly as many get them as fit."""
        ledger = Ledger(Budget(tokens=1_000), store=store)
        barrier = threading.Barrier(8)

        def grab() -> Hold | None:
            barrier.wait()
            try:
                return ledger.reserve(tokens(400))
            except BudgetBusy:
                return None

        with ThreadPoolExecutor(8) as pool:
            got = [future.result() for future in [pool.submit(grab) for _ in range(8)]]
        assert sum(hold is not None for hold in got) == 2
        assert ledger.held == tokens(800)


class StoreContract(
    LawContract,
    HoldContract,
    RenewingContract,
    SpendingContract,
    LoopContract,
    FindingContract,
    LookingContract,
    WaitingContract,
    SharingContract,
):
    """All of it. Subclass it with a fixture `store(self, clock)`."""
