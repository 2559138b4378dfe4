"""The ledger's law: refusing, truth, children, the answer's reserve and time."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoestring.budget import (
    Amount,
    Budget,
    BudgetBusy,
    BudgetExceeded,
    Caps,
    Ledger,
    LedgerClosed,
)
from shoestring.budget.conformance.base import Conformance, tokens

if TYPE_CHECKING:
    from shoestring.budget import Purpose, Store
    from shoestring.budget.conformance.base import Clock


class LawContract(Conformance):
    """`spent + held <= limit`, here and above, whatever is asked."""

    # The law

    @pytest.mark.parametrize(
        ("budget", "fits", "over", "dimension"),
        [
            (Budget(tokens=100), Amount(60, 40), Amount(60, 41), "tokens"),
            (Budget(usd="0.0000001"), Amount(nanodollars=100), Amount(nanodollars=101), "usd"),
            (Budget(calls=2), Amount(calls=2), Amount(calls=3), "calls"),
        ],
    )
    def test_spent_and_held_never_pass_the_limit(
        self, budget: Budget, fits: Amount, over: Amount, dimension: str, store: Store
    ) -> None:
        """`spent + held <= limit` for every capped dimension: the limit itself fits, one more not."""
        with pytest.raises(BudgetExceeded) as caught:
            Ledger(budget, store=store).reserve(over)
        assert caught.value.dimension == dimension
        ledger = Ledger(budget, store=store)
        ledger.reserve(fits)
        assert ledger.held == fits
        with pytest.raises(BudgetBusy):
            ledger.reserve(fits)

    def test_a_refusal_changes_nothing_in_any_ledger(self, store: Store) -> None:
        """Checked and changed in one step: what the root refuses leaves the child untouched."""
        root = Ledger(Budget(tokens=100), store=store)
        child = root.child(Budget(tokens=1_000))
        with pytest.raises(BudgetExceeded) as caught:
            child.reserve(tokens(101))
        assert caught.value.ledger == "budget"
        assert child.held == root.held == Amount()
        child.reserve(tokens(100)).settle(tokens(80))
        assert child.spent == root.spent == tokens(80)

    def test_a_ledger_caps_only_what_its_budget_caps(self, store: Store) -> None:
        """A dimension without a cap is counted and never refused."""
        ledger = Ledger(Budget(calls=1), store=store)
        ledger.reserve(Amount(10**9, 10**9, 10**18, 1)).settle(Amount(1, 2, 3, 1))
        assert ledger.spent == Amount(1, 2, 3, 1)
        assert ledger.remaining == Caps(calls=0)

    def test_a_bound_of_nothing_fits_an_empty_budget(self, store: Store) -> None:
        """A reservation of zero is allowed, even where nothing is left."""
        Ledger(Budget(tokens=0, calls=0), store=store).reserve(Amount()).settle(Amount())

    # Refusing

    def test_exceeded_says_the_numbers_and_the_cure(self, store: Store) -> None:
        """BudgetExceeded says who needs how much, what remains of which limit, and what to do."""
        ledger = Ledger(Budget(tokens=8_000), store=store)
        ledger.reserve(tokens(6_700)).settle(tokens(6_700))
        with pytest.raises(BudgetExceeded) as caught:
            ledger.at(node="research").reserve(Amount(2_000, 140))
        error = caught.value
        assert str(error) == (
            "node 'research' needs 2,140 tokens; 1,300 of 8,000 remain. "
            "Raise Budget(tokens=…), or ask for less."
        )
        assert (error.needed, error.remaining, error.limit) == (2_140, 1_300, 8_000)
        assert (error.ledger, error.node, error.dimension) == ("budget", "research", "tokens")

    def test_exceeded_survives_pickling(self, store: Store) -> None:
        """The error keeps its words and figures when it crosses a process boundary."""
        with pytest.raises(BudgetExceeded) as caught:
            Ledger(Budget(usd=0.5), store=store).at(node="n").reserve(Amount(nanodollars=10**9))
        copy = pickle.loads(pickle.dumps(caught.value))
        assert str(copy) == str(caught.value)
        assert "needs $1.00; $0.50 of $0.50 remain. Raise Budget(usd=…)" in str(copy)
        assert copy.needed == Decimal(1)
        assert copy.limit == Decimal("0.5")

    def test_exceeded_names_the_ledger_above_that_refuses(self, store: Store) -> None:
        """When an ancestor refuses, the message says which."""
        child = Ledger(Budget(calls=1), name="thread", store=store).child(Budget(calls=9))
        with pytest.raises(
            BudgetExceeded, match=r"needs 2 calls; 1 of 1 remains in ledger 'thread'"
        ):
            child.reserve(Amount(calls=2))

    def test_labels_are_escaped_and_cut_in_messages(self, store: Store) -> None:
        """A hostile node name cannot break the line or flood the message."""
        with pytest.raises(BudgetExceeded) as caught:
            Ledger(Budget(tokens=1), store=store).at(node="a\nb" + "x" * 9_999).reserve(tokens(2))
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 250

    def test_what_can_never_fit_is_exceeded_though_others_hold(self, store: Store) -> None:
        """What cannot fit even if every hold were released raises BudgetExceeded, with wait or not."""
        ledger = Ledger(Budget(tokens=100), store=store)
        ledger.reserve(tokens(50))
        for wait in (0, 60):
            with pytest.raises(BudgetExceeded, match="50 held by open calls"):
                ledger.reserve(tokens(101), wait=wait)

    def test_what_fails_because_of_holds_is_busy(self, store: Store) -> None:
        """What fails only because of others' holds raises BudgetBusy at once when not told to wait."""
        ledger = Ledger(Budget(tokens=100), store=store)
        hold = ledger.reserve(tokens(50))
        with pytest.raises(BudgetBusy, match="pass wait=seconds"):
            ledger.reserve(tokens(51))
        hold.settle(tokens(40))
        ledger.reserve(tokens(51))

    def test_never_fitting_one_ledger_wins_over_busy_at_another(self, store: Store) -> None:
        """Nobody is told to wait for one ledger when another can never admit the call."""
        root = Ledger(Budget(tokens=100), store=store)
        child = root.child(Budget(tokens=60))
        root.reserve(tokens(90))
        with pytest.raises(BudgetExceeded):
            child.reserve(tokens(61))

    def test_exceeded_closes_nothing(self, store: Store) -> None:
        """BudgetExceeded closes nothing: a smaller call may fit."""
        ledger = Ledger(Budget(tokens=100), store=store)
        with pytest.raises(BudgetExceeded):
            ledger.reserve(tokens(101))
        ledger.reserve(tokens(100))
        assert not ledger.closed

    @pytest.mark.parametrize(
        "bad", [{"wait": -1}, {"wait": float("nan")}, {"lease": 0}, {"token_price": -1}]
    )
    def test_bad_arguments_are_refused(self, bad: dict[str, Any], store: Store) -> None:
        """A negative wait, an empty lease or a negative price is a ValueError and holds nothing."""
        ledger = Ledger(Budget(tokens=1), store=store)
        with pytest.raises(ValueError):
            ledger.reserve(tokens(1), **bad)
        assert ledger.held == Amount()

    def test_values_of_a_wrong_type_are_named(self, store: Store) -> None:
        """Passing a number for an Amount, a Budget, an id or a purpose says what is expected."""
        wrong: Any = 5
        ledger = Ledger(Budget(tokens=10), store=store)
        with pytest.raises(TypeError, match="Amount"):
            ledger.reserve(wrong)
        with pytest.raises(TypeError, match="Budget"):
            Ledger(wrong, store=store)
        with pytest.raises(TypeError, match="Budget"):
            ledger.child(wrong)
        with pytest.raises(TypeError, match="str"):
            ledger.child(id=wrong)
        with pytest.raises(ValueError, match="empty"):
            ledger.child(id="")
        with pytest.raises(ValueError, match="purpose"):
            ledger.at(purpose=wrong)

    # Truth

    def test_a_breach_is_recorded_in_full(self, store: Store) -> None:
        """Above the hold it is a breach, on the receipt; the ledger whose limit is passed closes."""
        root = Ledger(Budget(tokens=1_000), name="thread", store=store)
        child = root.child(Budget(tokens=100), name="run")
        child.reserve(tokens(100)).settle(tokens(150), detail="provider ignored the limit")
        assert root.spent == tokens(150)
        line = root.receipt.lines[0]
        assert line.spent == tokens(150)
        assert line.detail == (
            "provider ignored the limit; breach: 150 tokens spent on a hold of 100"
        )
        assert child.closed
        assert not root.closed
        with pytest.raises(
            LedgerClosed, match=r"ledger 'run' closed because .* 150 tokens spent of 100"
        ):
            child.reserve(tokens(1))

    def test_later_holds_widen_by_the_observed_error(self, store: Store) -> None:
        """After a breach, holds on the path widen by actual/bound; calls do not."""
        root = Ledger(Budget(tokens=1_000), store=store)
        child = root.child(Budget(tokens=900))
        child.reserve(Amount(7, 3, 0, 1)).settle(Amount(7, 8, 0, 1))
        hold = root.child().reserve(Amount(5, 6, 100, 3))
        # 11 * 1.5 = 16.5, and the whole is rounded up.
        assert hold.bound == Amount(7, 10, 150, 3)
        assert child.affordable().tokens == (900 - 15) * 2 // 3
        with pytest.raises(BudgetExceeded, match="widened"):
            child.reserve(tokens(700))

    def test_an_absurd_breach_widens_no_more_than_tenfold(self, store: Store) -> None:
        """It is recorded in full, and closes what it passes; it does not end the work of others."""
        root = Ledger(Budget(tokens=10**9), store=store)
        child = root.child(Budget(tokens=1_000))
        child.reserve(tokens(10)).settle(tokens(10**6))
        assert child.closed
        assert root.spent.tokens == 10**6
        assert root.reserve(Amount(10, 10, 7)).bound == Amount(100, 100, 70)
        with root.reserve(tokens(10)) as hold:
            hold.settle(tokens(10**6))
        assert root.spent.tokens == 2 * 10**6
        assert root.reserve(tokens(10)).bound == tokens(100)

    def test_a_breach_from_nothing_widens_nothing(self, store: Store) -> None:
        """Money billed on a hold without money is a breach but gives no ratio."""
        ledger = Ledger(Budget(usd=1), store=store)
        ledger.reserve(tokens(10)).settle(Amount(input_tokens=10, nanodollars=5))
        assert "breach: $0.000000005 spent on a hold of $0.00" in ledger.receipt.lines[0].detail
        assert ledger.reserve(Amount(10, 0, 10)).bound == Amount(10, 0, 10)

    def test_a_widened_bound_stays_countable(self, store: Store) -> None:
        """Widening a bound near 2**63 saturates instead of failing."""
        ledger = Ledger(Budget(calls=10), store=store)
        ledger.reserve(tokens(1)).settle(tokens(1_000))
        assert ledger.reserve(tokens(2**62)).bound.input_tokens == 2**63 - 1

    def test_spending_that_passes_the_limit_later_closes_too(self, store: Store) -> None:
        """A breach that others' holds push past the limit closes the ledger when it is passed."""
        ledger = Ledger(Budget(tokens=100), store=store)
        one, two = ledger.reserve(tokens(50)), ledger.reserve(tokens(50))
        one.settle(tokens(60))
        assert not ledger.closed
        two.settle(tokens(50))
        assert ledger.closed

    def test_what_a_siblings_breach_has_left_too_little_room_for_closes_too(
        self, store: Store
    ) -> None:
        """The limit of a ledger above may be passed by another child than the one that breached."""
        root = Ledger(Budget(tokens=100), store=store)
        one, two = root.child(), root.child()
        first, second = one.reserve(tokens(50)), two.reserve(tokens(50))
        first.settle(tokens(60))
        assert not root.closed
        second.settle(tokens(50))
        assert (root.spent, root.closed, two.closed) == (tokens(110), True, True)

    # The store is shared by the examples on purpose: each has a ledger of its own.
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
    )
    @given(
        limit=st.integers(0, 1_000),
        asked=st.integers(1, 50),
        over=st.integers(1, 50),
        reserve=st.integers(0, 100),
        purpose=st.sampled_from(["work", "answer"]),
        split=st.integers(0, 1_000),
    )
    def test_what_is_affordable_always_reserves(
        self,
        store: Store,
        *,
        limit: int,
        asked: int,
        over: int,
        reserve: int,
        purpose: Purpose,
        split: int,
    ) -> None:
        """A bound within affordable(), which is divided by the widening, is always admitted."""
        ledger = Ledger(
            Budget(tokens=limit + 100, usd="0.000001", answer_reserve=min(reserve, limit)),
            store=store,
        )
        if asked <= (ledger.affordable().tokens or 0):
            ledger.reserve(tokens(asked)).settle(tokens(asked + over))
        handle = ledger.child().at(purpose=purpose)
        room = handle.affordable(token_price=3)
        if handle.closed:
            assert room == Caps(0, 0, 0)
            return
        assert room.tokens is not None
        assert room.nanodollars is not None
        bound = Amount(
            min(split, room.tokens), room.tokens - min(split, room.tokens), room.nanodollars
        )
        handle.reserve(bound, token_price=3).release()
        for more in (Amount(output_tokens=1), Amount(nanodollars=1)):
            with pytest.raises(BudgetExceeded):
                handle.reserve(bound + more, token_price=3)

    # Children

    def test_a_cap_takes_nothing_from_its_parent(self, store: Store) -> None:
        """`child(budget)` is a cap: nothing is held, and a larger budget is bound by the parent."""
        root = Ledger(Budget(tokens=100), store=store)
        child = root.child(Budget(tokens=1_000))
        assert root.held == Amount()
        assert child.limit.tokens == 1_000
        assert child.remaining.tokens == 100
        assert child.parent is root

    def test_a_set_aside_moves_its_amount_into_a_hold(self, store: Store) -> None:
        """`child(budget, set_aside=True)` holds its caps on the parent, undrawn tokens as output."""
        root = Ledger(Budget(tokens=100, calls=10), store=store)
        child = root.child(Budget(tokens=60), set_aside=True)
        assert root.held == Amount(output_tokens=60)
        assert root.remaining == Caps(tokens=40, calls=10)
        assert child.remaining == Caps(tokens=60, calls=10)
        assert child.held == Amount()

    def test_a_call_inside_draws_on_the_set_aside_only(self, store: Store) -> None:
        """A call inside a set-aside draws on it, never on the parent twice."""
        root = Ledger(Budget(tokens=100, calls=10), store=store)
        child = root.child(Budget(tokens=60), set_aside=True)
        hold = child.reserve(Amount(20, 10, 0, 1))
        assert root.held == Amount(20, 40, 0, 1)
        assert root.held.tokens == 60
        hold.settle(Amount(15, 5, 0, 1))
        assert root.spent == Amount(15, 5, 0, 1)
        assert root.held == Amount(output_tokens=40)
        assert root.remaining == Caps(tokens=40, calls=9)

    def test_closing_a_set_aside_returns_what_is_unspent(self, store: Store) -> None:
        """Closing returns what is unspent; open holds stay held until they are settled."""
        root = Ledger(Budget(tokens=100), store=store)
        child = root.child(Budget(tokens=60), set_aside=True)
        child.reserve(tokens(10)).settle(tokens(10))
        hold = child.reserve(tokens(20))
        child.close()
        child.close()
        assert root.held == tokens(20)
        assert root.remaining.tokens == 70
        hold.settle(tokens(5))
        assert root.held == Amount()
        assert root.remaining.tokens == 85

    def test_a_set_aside_refuses_like_a_reservation(self, store: Store) -> None:
        """A set-aside that can never fit is exceeded; one in the way of holds is busy."""
        root = Ledger(Budget(tokens=100), store=store)
        with pytest.raises(BudgetExceeded, match="'child big' needs 101 tokens"):
            root.child(Budget(tokens=101), name="big", set_aside=True)
        root.child(Budget(tokens=60), set_aside=True)
        with pytest.raises(BudgetBusy):
            root.child(Budget(tokens=41), set_aside=True)
        with pytest.raises(BudgetBusy):
            root.reserve(tokens(41))
        with pytest.raises(BudgetExceeded):
            root.reserve(tokens(101))
        assert root.held.tokens == 60

    @pytest.mark.parametrize("budget", [None, Budget(seconds=5)])
    def test_there_must_be_something_to_set_aside(
        self, budget: Budget | None, store: Store
    ) -> None:
        """A set-aside of nothing is refused with the cure."""
        with pytest.raises(ValueError, match="nothing to set aside: give the child a Budget with"):
            Ledger(Budget(tokens=1), store=store).child(budget, set_aside=True)

    def test_set_asides_nest(self, store: Store) -> None:
        """A set-aside within a set-aside draws on it, and returns to it, not past it."""
        root = Ledger(Budget(tokens=100), store=store)
        outer = root.child(Budget(tokens=60), set_aside=True)
        inner = outer.child(Budget(tokens=30), set_aside=True)
        assert root.held.tokens == 60
        inner.reserve(tokens(30)).settle(tokens(12))
        assert (root.spent.tokens, root.held.tokens, outer.held.tokens) == (12, 48, 18)
        inner.close()
        assert (root.held.tokens, outer.remaining.tokens) == (48, 48)
        outer.close()
        assert root.remaining.tokens == 88

    def test_closing_an_outer_set_aside_returns_the_inner_too(self, store: Store) -> None:
        """Closing a ledger closes all below it, so that no set-aside stays behind."""
        root = Ledger(Budget(tokens=100), store=store)
        outer = root.child(Budget(tokens=60), set_aside=True)
        inner = outer.child(Budget(tokens=30), set_aside=True)
        outer.close()
        assert inner.closed
        assert root.held == Amount()
        with pytest.raises(LedgerClosed):
            inner.reserve(tokens(1))

    def test_a_breach_inside_a_set_aside_reaches_the_parent_in_full(self, store: Store) -> None:
        """What a call spends beyond its set-aside is the parent's spending."""
        root = Ledger(Budget(tokens=100), store=store)
        child = root.child(Budget(tokens=10), set_aside=True)
        child.reserve(tokens(10)).settle(tokens(30))
        assert root.spent == tokens(30)
        assert root.held == Amount()
        assert child.closed
        assert not root.closed

    def test_a_child_without_a_budget_groups_only(self, store: Store) -> None:
        """`child(None)` caps nothing and adds up what is spent below."""
        root = Ledger(Budget(tokens=100), store=store)
        group = root.child(name="group")
        group.child().reserve(tokens(10)).settle(tokens(10))
        group.reserve(tokens(5)).settle(tokens(5))
        assert group.limit == Caps()
        assert group.remaining.tokens == 85
        assert (group.spent.tokens, group.own_spent.tokens, root.own_spent.tokens) == (15, 5, 0)

    def test_a_closed_ledger_refuses_here_and_below(self, store: Store) -> None:
        """close() refuses new reservations and children, says why, and keeps open holds."""
        root = Ledger(Budget(tokens=100), name="thread", store=store)
        child = root.child()
        hold = child.reserve(tokens(10))
        root.close()
        for refused in (root, child):
            assert refused.closed
            with pytest.raises(LedgerClosed, match=r"ledger 'thread' was closed\. Open another"):
                refused.reserve(Amount())
        with pytest.raises(LedgerClosed):
            root.child()
        with pytest.raises(LedgerClosed):
            hold.extend(tokens(1))
        assert child.affordable() == Caps(0, 0, 0)
        hold.settle(tokens(9))
        root.note("plan", "a note costs nothing")
        assert root.spent == tokens(9)

    # answer_reserve

    def test_only_the_answer_may_use_its_reserve(self, store: Store) -> None:
        """`answer_reserve` is enforced: work is refused what a call for the answer gets."""
        ledger = Ledger(Budget(tokens=100, calls=3, answer_reserve=30), store=store)
        assert ledger.affordable() == Caps(tokens=70, calls=2)
        with pytest.raises(
            BudgetExceeded, match=r"70 of 100 remain \(30 more kept back for the answer\)"
        ):
            ledger.reserve(tokens(71))
        answer = ledger.at(purpose="answer")
        assert answer.affordable() == Caps(tokens=100, calls=3)
        answer.reserve(Amount(100, 0, 0, 1))

    def test_what_the_answer_spends_is_kept_back_no_longer(self, store: Store) -> None:
        """The reserve shrinks by what answers hold and spend, and grows back when they cost less."""
        ledger = Ledger(Budget(tokens=100, answer_reserve=30), store=store)
        hold = ledger.child().at(purpose="answer").reserve(tokens(30))
        assert ledger.affordable().tokens == 70
        hold.settle(tokens(10))
        assert ledger.affordable().tokens == 70
        ledger.at(purpose="answer").reserve(tokens(40)).settle(tokens(40))
        assert ledger.affordable().tokens == 50

    def test_a_corrected_answer_counts_once(self, store: Store) -> None:
        """A measured settling that replaces an estimate counts once towards the reserve."""
        ledger = Ledger(Budget(tokens=100, answer_reserve=30), store=store)
        hold = ledger.at(purpose="answer").reserve(tokens(30))
        hold.settle(tokens(30), basis="estimated")
        hold.settle(tokens(10))
        assert ledger.affordable().tokens == 70

    def test_a_reserve_in_tokens_keeps_their_price(self, store: Store) -> None:
        """An int means tokens, one call and their price, at the dearest rate a call has shown."""
        ledger = Ledger(Budget(usd="0.000001", answer_reserve=30), store=store)
        assert ledger.affordable().nanodollars == 1_000
        assert ledger.affordable(token_price=20).nanodollars == 400
        with pytest.raises(BudgetExceeded, match="kept back"):
            ledger.child().reserve(Amount(nanodollars=500), token_price=20)
        assert ledger.affordable().nanodollars == 400
        ledger.reserve(Amount(nanodollars=400), token_price=10).release()
        assert ledger.affordable().nanodollars == 400
        assert ledger.at(purpose="answer").affordable().nanodollars == 1_000

    def test_a_reserve_binds_the_ledgers_below(self, store: Store) -> None:
        """Work in a child may not use the reserve of a ledger above."""
        root = Ledger(
            Budget(tokens=100, answer_reserve=Amount(output_tokens=30)), name="thread", store=store
        )
        child = root.child(Budget(tokens=90))
        with pytest.raises(BudgetExceeded, match="in ledger 'thread'"):
            child.reserve(tokens(71))
        child.at(purpose="answer").reserve(tokens(90))

    # seconds

    def test_seconds_are_active_time(self, store: Store, clock: Clock) -> None:
        """`seconds` counts between resume() and pause(), from creation, and passes on as a time-out."""
        ledger = Ledger(Budget(seconds=10), store=store)
        clock.now = 4
        ledger.pause()
        ledger.pause()
        clock.now = 100
        assert ledger.elapsed == 4
        ledger.resume()
        clock.now = 103
        assert ledger.remaining == Caps(seconds=3)
        assert ledger.affordable() == Caps(seconds=3)
        assert ledger.reserve(tokens(1)).timeout == 3
        clock.now = 106
        with pytest.raises(BudgetExceeded, match=r"10.0 of 10.0 seconds are used. Raise") as caught:
            ledger.reserve(Amount())
        assert caught.value.dimension == "seconds"
        assert ledger.affordable() == Caps(0, 0, 0, 0.0)

    def test_time_is_the_least_of_all_ledgers_above(self, store: Store, clock: Clock) -> None:
        """Children have clocks of their own; what is left is the least on the path."""
        root = Ledger(Budget(seconds=10), store=store)
        clock.now = 6
        child = root.child(Budget(seconds=5))
        assert child.remaining.seconds == 4
        root.pause()
        clock.now = 8
        assert (child.elapsed, root.elapsed) == (2, 6)
        assert child.remaining.seconds == 3
        assert child.reserve(Amount()).timeout == 3
        assert Ledger(Budget(tokens=1), store=store).reserve(Amount()).timeout is None

    def test_a_clock_that_jumps_back_gives_no_time_back(self, store: Store, clock: Clock) -> None:
        """Active time never runs backwards."""
        clock.now = 50
        ledger = Ledger(Budget(seconds=10), store=store)
        clock.now = 40
        assert ledger.remaining.seconds == 10
