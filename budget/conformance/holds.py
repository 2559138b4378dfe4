"""The life of a hold: reserved, dispatched, settled or released."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shoestring.budget import (
    Amount,
    Budget,
    BudgetBusy,
    BudgetExceeded,
    HoldSettled,
    Ledger,
)
from shoestring.budget.conformance.base import Conformance, tokens

if TYPE_CHECKING:
    from shoestring.budget import Basis, Hold, Store
    from shoestring.budget.conformance.base import Clock


class HoldContract(Conformance):
    """A hold is charged once, on the best evidence there is, and never lost."""

    @pytest.fixture
    def ledger(self, store: Store) -> Ledger:
        """A ledger of 100 tokens."""
        return Ledger(Budget(tokens=100), store=store)

    def test_settling_gives_back_the_rest(self, ledger: Ledger) -> None:
        """A hold goes reserved, dispatched, settled; what was not spent is free again."""
        hold = ledger.reserve(tokens(60))
        assert (hold.state, ledger.held) == ("reserved", tokens(60))
        hold.dispatching()
        assert hold.state == "dispatched"
        hold.settle(tokens(40))
        assert (hold.state, ledger.spent, ledger.held) == ("settled", tokens(40), Amount())

    def test_ids_are_unique(self, ledger: Ledger, store: Store) -> None:
        """No two holds share an id, in one ledger or in two."""
        other = Ledger(Budget(tokens=1), store=store)
        ids = {ledger.reserve(Amount()).id for _ in range(9)} | {other.reserve(Amount()).id}
        assert len(ids) == 10

    def test_an_exception_before_dispatching_releases(self, ledger: Ledger) -> None:
        """An exception before dispatching releases the hold and leaves no line."""
        with pytest.raises(KeyError), ledger.reserve(tokens(60)):
            raise KeyError
        assert ledger.held == ledger.spent == Amount()
        assert ledger.receipt.lines == ()

    def test_an_unknown_outcome_charges_in_full(self, ledger: Ledger) -> None:
        """A time-out or a cut after dispatching charges the hold in full, presumed."""

        def call() -> None:
            with ledger.reserve(tokens(60)) as hold:
                hold.dispatching()
                raise TimeoutError

        with pytest.raises(TimeoutError):
            call()
        assert ledger.spent == tokens(60)
        line = ledger.receipt.lines[0]
        assert (line.basis, line.detail) == ("presumed", "outcome unknown: charged in full")

    async def test_a_hold_is_an_async_context_manager(self, ledger: Ledger) -> None:
        """`async with` follows the same rule as `with`."""
        async with await ledger.areserve(tokens(10)):
            pass
        assert ledger.spent == ledger.held == Amount()
        async with await ledger.areserve(tokens(10)) as hold:
            hold.dispatching()
        assert ledger.spent == tokens(10)
        async with await ledger.areserve(tokens(10)) as hold:
            hold.settle(tokens(1))
        assert ledger.spent == tokens(11)

    def test_a_refused_connection_releases(self, ledger: Ledger) -> None:
        """A dispatched hold may be released: the request was refused unbilled."""
        hold = ledger.reserve(tokens(60))
        hold.dispatching()
        hold.release()
        hold.release()
        assert (hold.state, ledger.held, ledger.receipt.lines) == ("released", Amount(), ())

    def test_the_same_settling_again_changes_nothing(self, ledger: Ledger) -> None:
        """The same settle again changes nothing; a different one after a measured one raises."""
        hold = ledger.reserve(tokens(60))
        hold.settle(tokens(40))
        hold.settle(tokens(40))
        with pytest.raises(HoldSettled, match="measured at 40 tokens"):
            hold.settle(tokens(41))
        with pytest.raises(HoldSettled):
            hold.settle(tokens(40), basis="estimated")
        with pytest.raises(HoldSettled):
            hold.release()
        with pytest.raises(HoldSettled):
            hold.dispatching()
        with pytest.raises(HoldSettled):
            hold.extend(tokens(1))
        assert ledger.spent == tokens(40)

    @pytest.mark.parametrize("basis", ["estimated", "presumed"])
    def test_a_measured_settling_replaces_a_guess(self, ledger: Ledger, basis: Basis) -> None:
        """A measured settle after an estimated or presumed one replaces it, up or down."""
        hold = ledger.reserve(tokens(60))
        hold.settle(tokens(50), basis=basis)
        hold.settle(tokens(20))
        assert ledger.spent == tokens(20)
        assert [line.basis for line in ledger.receipt.lines] == ["measured"]

    def test_a_guess_that_was_too_low_is_a_breach_where_its_room_is_gone(
        self, ledger: Ledger
    ) -> None:
        """What a low guess gave back others may hold: a settling that takes it again is on the receipt."""
        hold = ledger.reserve(tokens(60))
        hold.settle(tokens(10), basis="estimated")
        other = ledger.reserve(tokens(90))
        hold.settle(tokens(50))
        assert "breach: 50 tokens spent on a hold of 10" in ledger.receipt.lines[0].detail
        assert not ledger.closed  # the other may still cost less
        other.settle(tokens(90))
        assert (ledger.spent, ledger.closed) == (tokens(140), True)

    def test_a_guess_that_was_too_low_is_no_breach_where_its_room_is_left(
        self, ledger: Ledger
    ) -> None:
        """Nothing is wrong with a correction that still fits."""
        hold = ledger.reserve(tokens(60))
        hold.settle(tokens(10), basis="estimated")
        hold.settle(tokens(50))
        assert ledger.receipt.lines[0].detail == ""

    def test_nothing_follows_a_release(self, ledger: Ledger) -> None:
        """Using a released hold raises HoldSettled and moves nothing."""
        hold = ledger.reserve(tokens(60))
        hold.release()
        with pytest.raises(HoldSettled):
            hold.settle(tokens(1))
        with pytest.raises(HoldSettled):
            hold.dispatching()
        with pytest.raises(HoldSettled):
            hold.extend(tokens(1))
        assert ledger.spent == ledger.held == Amount()

    def test_bad_settlings_are_refused(self, ledger: Ledger) -> None:
        """A number for an Amount, or an unknown basis, is refused and the hold stays open."""
        wrong: Any = 5
        hold = ledger.reserve(tokens(60))
        with pytest.raises(TypeError, match="Amount"):
            hold.settle(wrong)
        with pytest.raises(TypeError, match="Amount"):
            hold.extend(wrong)
        with pytest.raises(ValueError, match="basis must be one of"):
            hold.settle(tokens(1), basis=wrong)
        assert ledger.held == tokens(60)

    def test_extend_holds_more_and_never_waits(self, ledger: Ledger) -> None:
        """Growing adds to the hold, refuses like reserve, and on refusal leaves the hold as it was."""
        hold = ledger.reserve(tokens(60))
        hold.extend(Amount(output_tokens=20))
        assert hold.bound == Amount(60, 20)
        ledger.reserve(tokens(10))
        with pytest.raises(BudgetBusy):
            hold.extend(tokens(11))
        with pytest.raises(BudgetExceeded):
            hold.extend(tokens(101))
        assert hold.bound == Amount(60, 20)
        hold.settle(Amount(60, 20))
        assert ledger.spent == Amount(60, 20)
        assert "breach" not in ledger.receipt.lines[0].detail

    def test_a_hold_whose_lease_ended_is_presumed_spent(self, ledger: Ledger, clock: Clock) -> None:
        """When the lease of a silent owner ends, the hold is presumed spent; others' are not."""
        silent = ledger.reserve(tokens(60), lease=10)
        ledger.reserve(tokens(5), lease=30)
        clock.now = 9.9
        assert ledger.spent == Amount()
        clock.now = 10
        assert ledger.spent == tokens(60)
        assert ledger.held == tokens(5)
        assert silent.state == "settled"
        line = ledger.receipt.lines[0]
        assert (line.basis, line.detail) == ("presumed", "lease ended: charged in full")

    def test_a_late_settling_replaces_the_presumption(self, ledger: Ledger, clock: Clock) -> None:
        """A late settle replaces the presumption, and then stands."""
        hold = ledger.reserve(tokens(60), lease=10)
        hold.dispatching()
        clock.now = 10
        assert ledger.spent == tokens(60)
        with pytest.raises(HoldSettled):
            hold.release()
        hold.settle(tokens(7))
        assert ledger.spent == tokens(7)
        with pytest.raises(HoldSettled):
            hold.settle(tokens(8))

    @pytest.mark.parametrize("how", ["release", "leave"])
    def test_a_late_release_of_what_was_never_sent_replaces_it(
        self, ledger: Ledger, clock: Clock, how: str
    ) -> None:
        """An undispatched hold released after its lease gives its presumed spending back."""
        hold = ledger.reserve(tokens(60), lease=10)
        clock.now = 10
        assert ledger.spent == tokens(60)
        if how == "release":
            hold.release()
        else:
            with hold:
                pass
        assert ledger.spent == ledger.held == Amount()
        assert ledger.receipt.lines == ()

    def test_a_word_from_its_owner_renews_the_lease(self, ledger: Ledger, clock: Clock) -> None:
        """dispatching() and extend() renew the lease."""
        hold = ledger.reserve(tokens(60), lease=10)
        for now, word in ((8, hold.dispatching), (16, lambda: hold.extend(tokens(1)))):
            clock.now = now
            word()
        clock.now = 25
        assert (ledger.held, ledger.spent) == (tokens(61), Amount())
        clock.now = 26
        assert (ledger.held, ledger.spent) == (Amount(), tokens(61))

    def test_an_owner_heard_of_again_holds_again(self, ledger: Ledger, clock: Clock) -> None:
        """Dispatching after the lease ended turns the presumption back into a hold of the same size."""
        hold = ledger.at(purpose="answer").reserve(tokens(60), lease=10)
        clock.now = 10
        assert ledger.spent == tokens(60)
        hold.dispatching()
        assert (hold.state, ledger.held, ledger.spent) == ("dispatched", tokens(60), Amount())
        hold.settle(tokens(3))
        assert ledger.spent == tokens(3)

    def test_a_hold_shows_itself(self, ledger: Ledger) -> None:
        """The repr names the hold, its state and its bound."""
        hold: Hold = ledger.reserve(tokens(60))
        assert repr(hold) == f"<Hold {hold.id} reserved of {tokens(60)}>"
