"""Looking at a store: what stands there, and that looking changes none of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shoestring.budget import Amount, Budget, Caps, Ledger, LedgerNotFound
from shoestring.budget.conformance.base import Conformance, tokens

if TYPE_CHECKING:
    from shoestring.budget import Store
    from shoestring.budget.conformance.base import Clock


class LookingContract(Conformance):
    """An onlooker sees all trees, holds and receipts, and leaves them as they are."""

    def test_ledgers_come_in_tree_order(self, store: Store) -> None:
        """Root by root, parents before their children, siblings as they were opened."""
        first = Ledger(Budget(tokens=100), id="first", store=store)
        left = first.child(id="left")
        first.child(id="right")
        Ledger(Budget(calls=1), id="second", store=store)
        left.child(id="deep")
        assert [(view.id, view.parent, view.depth) for view in store.ledgers()] == [
            ("first", None, 0),
            ("left", "first", 1),
            ("deep", "left", 2),
            ("right", "first", 1),
            ("second", None, 0),
        ]

    def test_a_view_has_the_figures_of_its_ledger(self, store: Store, clock: Clock) -> None:
        """Caps, spending, holds, what is left and the state are what the ledger itself says."""
        root = Ledger(Budget(tokens=1_000, usd=2, seconds=60), name="r", id="root", store=store)
        aside = root.child(Budget(tokens=300), id="aside", set_aside=True)
        aside.reserve(tokens(100)).settle(tokens(90))
        aside.reserve(tokens(50))
        clock.now = 7
        root.pause()
        closed = root.child(Budget(tokens=5), id="closed")
        closed.reserve(tokens(5)).settle(tokens(6))
        views = {view.id: view for view in store.ledgers()}
        for ledger in (root, aside, closed):
            view = views[ledger.id]
            assert (view.name, view.limit, view.closed is not None) == (
                ledger.name,
                ledger.limit,
                ledger.closed,
            )
            assert (view.spent, view.held, view.remaining, view.elapsed) == (
                ledger.spent,
                ledger.held,
                ledger.remaining,
                ledger.elapsed,
            )
        states = [(view.state, view.set_aside) for view in views.values()]
        assert states == [("paused", False), ("open", True), ("closed", False)]
        assert "6 tokens spent of 5" in (views["closed"].closed or "")

    def test_a_look_at_one_ledger(self, store: Store, clock: Clock) -> None:
        """Those above by id, the ledger and those below, its open holds, and its last lines."""
        root = Ledger(Budget(tokens=1_000), id="root", store=store)
        run = root.child(id="run")
        step = run.child(Budget(tokens=500), id="step")
        root.child(id="other").reserve(tokens(9))
        run.note("plan", "a note", dropped=2)
        step.at(node="n", route="r").reserve(tokens(100)).settle(tokens(90), detail="d")
        hold = step.at(node="n", route="r").reserve(tokens(60), what="w", lease=30)
        hold.dispatching()
        clock.now = 10
        look = store.look("run")
        assert look.above == ("root",)
        assert [(view.id, view.depth) for view in look.ledgers] == [("run", 1), ("step", 2)]
        assert look.ledgers[0].remaining == Caps(tokens=841)
        (shown,) = look.holds
        assert (shown.id, shown.node, shown.route, shown.what) == (hold.id, "n", "r", "w")
        assert (shown.state, shown.bound) == ("dispatched", tokens(60))
        assert (shown.age, shown.lease_left, shown.gone) == (10, 20, False)
        assert (look.lines, look.left_out) == (run.receipt.lines, 0)

    def test_a_look_shows_the_newest_lines(self, store: Store) -> None:
        """`lines` bounds the receipt, newest last, and what is left out is counted; holds are not bounded."""
        ledger = Ledger(Budget(tokens=1_000), id="root", store=store)
        ledger.reserve(tokens(7))
        for size in range(1, 6):
            ledger.child().reserve(tokens(size)).settle(tokens(size))
        look = store.look("root", lines=2)
        assert [line.spent.tokens for line in look.lines] == [4, 5]
        assert (look.left_out, len(look.holds)) == (4, 1)
        assert store.look("root", lines=0).left_out == 6
        with pytest.raises(ValueError, match="lines must not be negative"):
            store.look("root", lines=-1)

    def test_looking_charges_nothing(self, store: Store, clock: Clock) -> None:
        """A hold whose lease has ended is shown as that; the next step charges it, not the look."""
        ledger = Ledger(Budget(tokens=100), id="root", store=store)
        hold = ledger.reserve(tokens(60), lease=5)
        clock.now = 6
        for _ in range(2):
            (view,) = store.ledgers()
            assert (view.spent, view.held) == (Amount(), tokens(60))
            (shown,) = store.look("root").holds
            assert (shown.id, shown.lease_left) == (hold.id, 0)
        assert ledger.spent == tokens(60)
        assert store.look("root").holds == ()

    def test_discarded_ledgers_are_not_shown(self, store: Store) -> None:
        """What was let go of is not listed; its spending and its lines stay its parent's."""
        root = Ledger(Budget(tokens=100), id="root", store=store)
        root.child(id="gone").child(id="deep").reserve(tokens(4)).settle(tokens(4))
        store.discard("gone")
        root.child(id="gone", name="again")
        assert [(view.id, view.name) for view in store.ledgers()] == [
            ("root", "budget"),
            ("gone", "again"),
        ]
        look = store.look("root")
        assert (look.ledgers[0].spent, len(look.ledgers), len(look.lines)) == (tokens(4), 2, 1)
        assert store.look("gone").lines == ()
        store.discard("root")
        assert list(store.ledgers()) == []

    def test_looking_for_an_unknown_id(self, store: Store) -> None:
        """An id that is not in the store raises LedgerNotFound; an empty store shows nothing."""
        assert list(store.ledgers()) == []
        with pytest.raises(LedgerNotFound, match="no ledger 'x' in this store"):
            store.look("x")
