"""What a store keeps beyond the object that wrote it."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from shoestring.budget import (
    Amount,
    Budget,
    Caps,
    HoldSettled,
    Ledger,
    LedgerClosed,
    LoopDetected,
)
from shoestring.budget.conformance.base import Conformance, tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoestring.budget import Hold, Store
    from shoestring.budget.conformance.base import Clock


def sent(thing: Hold) -> Hold:
    """Return a hold as another process would find it."""
    found: Hold = pickle.loads(pickle.dumps(thing))
    return found


class DurableContract(Conformance):
    """Another store object on the same data goes on where the first one is."""

    @pytest.fixture
    def reopen(self, clock: Clock) -> Callable[[], Store]:
        """Return a function that opens the store's data again, on the same clock."""
        raise NotImplementedError("give your class a fixture `reopen(self, clock)`")

    def test_what_was_spent_and_held_is_found_again(
        self, store: Store, reopen: Callable[[], Store]
    ) -> None:
        """Own and subtree totals, holds, children of both kinds and the receipt are the same."""
        root = Ledger(Budget(tokens=1_000, calls=9), id="root", store=store)
        aside = root.child(Budget(tokens=300), id="aside", set_aside=True)
        cap = root.child(Budget(tokens=5_000), id="cap")
        aside.at(node="n", route="r").reserve(tokens(100)).settle(tokens(90), detail="d")
        cap.reserve(tokens(50), what="w").dispatching()
        root.note("plan", "a note", dropped=3)
        other = reopen()
        for ledger in (root, aside, cap):
            again = other.ledger(ledger.id)
            assert again.spent == ledger.spent
            assert again.own_spent == ledger.own_spent
            assert again.held == ledger.held
            assert again.remaining == ledger.remaining
            assert again.receipt == ledger.receipt
        other.ledger("aside").close()
        assert root.held == tokens(50)
        assert aside.closed

    def test_a_breach_and_its_widening_are_found_again(
        self, store: Store, reopen: Callable[[], Store]
    ) -> None:
        """Later holds widen, and a ledger stays closed, whoever asks."""
        root = Ledger(Budget(tokens=1_000), id="root", store=store)
        child = root.child(Budget(tokens=100), name="run", id="child")
        child.reserve(tokens(100)).settle(tokens(150))
        other = reopen()
        assert other.ledger("root").reserve(tokens(10)).bound == tokens(15)
        with pytest.raises(LedgerClosed, match="150 tokens spent of 100"):
            other.ledger("child").reserve(tokens(1))

    def test_an_answer_reserve_is_found_again(
        self, store: Store, reopen: Callable[[], Store]
    ) -> None:
        """What is kept back for the answer, its price and its use do not start again."""
        ledger = Ledger(
            Budget(tokens=100, usd="0.000001", answer_reserve=30), id="root", store=store
        )
        ledger.reserve(tokens(1), token_price=20).release()
        ledger.at(purpose="answer").reserve(tokens(10)).settle(tokens(10))
        assert reopen().ledger("root").affordable() == Caps(tokens=70, nanodollars=400)

    def test_active_time_is_found_again(
        self, store: Store, reopen: Callable[[], Store], clock: Clock
    ) -> None:
        """Time goes on between processes, unless the ledger was paused."""
        ledger = Ledger(Budget(seconds=100), id="root", store=store)
        clock.now = 10
        assert reopen().ledger("root").elapsed == 10
        ledger.pause()
        clock.now = 50
        again = reopen().ledger("root")
        assert again.elapsed == 10
        again.resume()
        clock.now = 55
        assert (ledger.elapsed, again.elapsed) == (15, 15)

    def test_a_clock_set_back_refunds_nothing(
        self, store: Store, reopen: Callable[[], Store], clock: Clock
    ) -> None:
        """With the clock set back an hour, time, leases and spending go on from where they were."""
        clock.now = 10_000
        ledger = Ledger(Budget(tokens=100, seconds=100), id="root", store=store)
        clock.now = 10_040
        ledger.reserve(tokens(10), lease=20)
        clock.now = 6_400
        again = reopen().ledger("root")
        assert again.elapsed == 40
        clock.now = 6_419
        assert (again.elapsed, again.held) == (59, tokens(10))
        clock.now = 6_420
        assert (again.spent, again.held) == (tokens(10), Amount())
        assert again.reserve(tokens(1)).timeout == 40

    def test_a_clock_set_forward_refunds_nothing(
        self, store: Store, reopen: Callable[[], Store], clock: Clock
    ) -> None:
        """A jump forward ends leases early: the hold is charged, and a late settling corrects it."""
        hold = Ledger(Budget(tokens=100), id="root", store=store).reserve(tokens(10), lease=20)
        clock.now = 10**6
        again = reopen().ledger("root")
        assert again.spent == tokens(10)
        hold.settle(tokens(4))
        assert again.spent == tokens(4)

    def test_a_hold_may_be_settled_elsewhere(self, store: Store) -> None:
        """A pickled hold is the same hold: one settling, wherever, and no other after it."""
        ledger = Ledger(Budget(tokens=100), store=store)
        hold = ledger.reserve(tokens(60))
        elsewhere = sent(hold)
        assert (elsewhere.id, elsewhere.bound, elsewhere.state) == (hold.id, hold.bound, "reserved")
        elsewhere.dispatching()
        hold.extend(tokens(5))
        assert elsewhere.bound == tokens(60)  # as it last knew
        elsewhere.settle(tokens(40))
        assert (hold.state, hold.bound, elsewhere.bound) == ("settled", tokens(65), tokens(65))
        hold.settle(tokens(40))
        with pytest.raises(HoldSettled, match="measured at 40 tokens"):
            hold.settle(tokens(41))
        assert ledger.spent == tokens(40)

    def test_a_hold_may_be_released_elsewhere(self, store: Store) -> None:
        """A hold released elsewhere is released here, and is found no more."""
        ledger = Ledger(Budget(tokens=100), store=store)
        hold = ledger.reserve(tokens(60))
        sent(hold).release()
        hold.release()
        with pytest.raises(HoldSettled):
            hold.settle(tokens(1))
        with pytest.raises(HoldSettled):
            sent(hold)
        assert (ledger.held, ledger.spent) == (Amount(), Amount())

    def test_ledgers_and_stores_pickle(self, store: Store) -> None:
        """A pickled ledger is another handle of the same account, with its labels."""
        ledger = Ledger(Budget(tokens=100), store=store).child(name="run")
        handle = ledger.at(node="n", route="r", purpose="answer")
        again: Ledger = pickle.loads(pickle.dumps(handle))
        again.reserve(tokens(10)).settle(tokens(10))
        assert ledger.receipt.lines == again.receipt.lines
        assert (again.node, again.route, again.purpose) == ("n", "r", "answer")
        assert again.parent is not None
        assert again.parent.spent == tokens(10)

    def test_a_refusal_keeps_what_it_has_learnt(
        self, store: Store, reopen: Callable[[], Store], clock: Clock
    ) -> None:
        """A lease that ended and a dearer price are known from then on, though the call is refused."""
        ledger = Ledger(
            Budget(tokens=100, usd="0.000001", answer_reserve=10), id="root", store=store
        )
        ledger.reserve(tokens(60), lease=5)
        clock.now = 5
        with pytest.raises(RuntimeError):
            ledger.reserve(tokens(60), token_price=50)
        again = reopen().ledger("root")
        assert again.affordable() == Caps(tokens=30, nanodollars=500)
        assert [line.basis for line in again.receipt.lines] == ["presumed"]

    def test_a_window_and_its_past_are_found_again(
        self, store: Store, reopen: Callable[[], Store], clock: Clock
    ) -> None:
        """The window, what belongs to earlier ones, and when a breach is lifted are the same."""
        root = Ledger(Budget(tokens=100, repeats=2, per="minute"), id="root", store=store)
        aside = root.child(Budget(tokens=30), id="aside", set_aside=True)
        hold = root.reserve(tokens(20))
        clock.now = 60
        root.reserve(tokens(40)).settle(tokens(40))
        again = reopen().ledger("root")
        assert again.budget == root.budget
        for ledger in (root, again):
            assert (ledger.spent, ledger.own_spent, ledger.held) == (
                tokens(40),
                tokens(40),
                Amount(),
            )
            assert (ledger.past_spent, ledger.past_held) == (Amount(), Amount(20, 30))
            assert ledger.receipt == root.receipt
        reopen().ledger("aside").reserve(tokens(30)).settle(tokens(10))
        hold.settle(tokens(5))
        root.reserve(tokens(10)).settle(tokens(90))
        assert (again.closed, again.past_spent) == (True, tokens(15))
        clock.now = 120
        assert (again.closed, again.past_spent, again.spent) == (False, tokens(145), Amount())
        aside.close()

    def test_a_new_window_can_be_looked_at_from_anywhere(
        self, store: Store, reopen: Callable[[], Store], clock: Clock
    ) -> None:
        """Each object that looks sees the new window, whoever looked first, and it begins once."""
        ledger = Ledger(Budget(tokens=100, per="minute"), id="root", store=store)
        other = reopen().ledger("root")
        ledger.reserve(tokens(30)).settle(tokens(30))
        clock.now = 60
        assert (other.spent, other.past_spent) == (Amount(), tokens(30))
        other.reserve(tokens(10)).settle(tokens(10))
        assert (ledger.spent, ledger.past_spent) == (tokens(10), tokens(30))

    def test_a_share_is_told_once_for_all_who_open_the_store(
        self, store: Store, reopen: Callable[[], Store]
    ) -> None:
        """Told in one place, it is not told in another, nor after reopening; call-backs stay behind."""
        told: list[tuple[str, float]] = []
        here = Ledger(Budget(tokens=100), id="root", store=store)
        there = reopen().ledger("root")
        here.on_spend(lambda event: told.append(("here", event.share)), at=[0.5, 0.8])
        there.on_spend(lambda event: told.append(("there", event.share)), at=[0.5, 0.8, 0.9])
        here.reserve(tokens(50)).settle(tokens(50))
        there.reserve(tokens(30)).settle(tokens(30))
        reopen().ledger("root").reserve(tokens(10)).settle(tokens(10))
        assert told == [("here", 0.5), ("there", 0.8)]
        moved: Ledger = pickle.loads(pickle.dumps(there))
        moved.reserve(tokens(1)).settle(tokens(1))
        there.reserve(tokens(1)).settle(tokens(1))
        assert told == [("here", 0.5), ("there", 0.8), ("there", 0.9)]

    def test_tool_calls_are_counted_for_all_who_open_the_store(
        self, store: Store, reopen: Callable[[], Store]
    ) -> None:
        """A loop over two processes is one, and its line stands on the receipt once."""
        here = Ledger(Budget(repeats=2), id="root", store=store)
        there = reopen().ledger("root")
        here.calling("t", {"a": 1})
        there.calling("t", {"a": 1})
        for ledger in (here, there, reopen().ledger("root")):
            with pytest.raises(LoopDetected, match="2 times already"):
                ledger.calling("t", {"a": 1})
        assert [line.what for line in here.receipt.lines] == ["loop"]
