"""Accounts and requests as text, and back: what a durable store keeps of them.

The moving figures of one account are one JSON array, and so are those of one request: integers of
any size and floats come back exactly, and a step that changed nothing writes the same text again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shoestring.budget.amount import Amount, dollars
from shoestring.budget.budget import Budget
from shoestring.budget.receipt import ReceiptLine
from shoestring.budget.tree.account import Account
from shoestring.budget.tree.record import NOTHING, Record

if TYPE_CHECKING:
    from shoestring.budget.tree.record import Origin

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_decode = json.JSONDecoder().decode
# The kinds of entries: what a hold becomes, and a note.
_REQUEST, _NOTE = 0, 1


class StoredAccount(Account):
    """An account that is kept in a store.

    Attributes:
        key: Its row.
        saved: The text of its figures as they stand in the store, as far as this process knows.
    """

    __slots__ = ("_written", "key", "saved")

    def __init__(
        self,
        id: str,  # noqa: A002  the public name of the thing
        name: str,
        budget: Budget | None,
        now: float,
        *,
        parent: Account | None = None,
        set_aside: bool = False,
    ) -> None:
        super().__init__(id, name, budget, now, parent=parent, set_aside=set_aside)
        self.key = 0
        self.saved: str | None = None
        # The figures that were last written, and how: they are often the same again.
        self._written: tuple[list[Any], str] = ([], "")

    def dump(self) -> str:
        """Return its figures as text."""
        reserve = self.reserve
        return self._text(
            [
                *self.figures(),
                self.widen_by,
                self.widen_from,
                self.breached,
                self.closed,
                self.clock.state(),
                None if reserve is None else reserve.state(),
                self.opened,
                self.reopens_with,
                None if self.window is None else self.window.state(),
                sorted(self.told),
            ]
        )

    def dump_rest(self) -> str:
        """Return those figures as text that are no sums (`guards.sums_of`)."""
        reserve = self.reserve
        return self._text(
            [
                self.widen_by,
                self.widen_from,
                self.breached,
                self.closed,
                self.clock.state(),
                None if reserve is None else reserve.state()[:2],
                self.opened,
                self.reopens_with,
                None if self.window is None else self.window.start,
                sorted(self.told),
            ]
        )

    def _text(self, figures: list[Any]) -> str:
        if figures != self._written[0]:
            self._written = figures, _encode(figures)
        return self._written[1]

    def load(self, text: str) -> None:
        """Take its figures from text."""
        if text == self.saved:
            return
        (
            self.spent_in,
            self.spent_out,
            self.spent_money,
            self.spent_calls,
            self.held_in,
            self.held_out,
            self.held_money,
            self.held_calls,
            self.widen_by,
            self.widen_from,
            self.breached,
            self.closed,
            clock,
            reserve,
            self.opened,
            self.reopens_with,
            window,
            told,
        ) = _decode(text)
        self.clock.restore(*clock)
        self.told = frozenset((index, share) for index, share in told)
        if self.window is not None:
            start, past, own = window
            self.window.restore(start, tuple(past), tuple(own))
        if self.reserve is not None:
            price, money, spent, held = reserve
            self.reserve.restore(price, money, tuple(spent), tuple(held))
        self.saved = text

    def load_rest(self, text: str) -> None:
        """Take those figures from text that are no sums."""
        if text != self.saved:
            self._take_rest(text)
            self.saved = text

    def recall_rest(self) -> None:
        """Take them from what is known to stand in the store, whatever they were changed to."""
        if self.saved is not None:
            self._take_rest(self.saved)

    def _take_rest(self, text: str) -> None:
        (
            self.widen_by,
            self.widen_from,
            self.breached,
            self.closed,
            clock,
            reserve,
            self.opened,
            self.reopens_with,
            start,
            told,
        ) = _decode(text)
        self.clock.restore(*clock)
        self.told = frozenset((index, share) for index, share in told)
        if self.window is not None:
            _, past, own = self.window.state()
            self.window.restore(start, past, own)
        if self.reserve is not None:
            _, _, spent, held = self.reserve.state()
            price, money = reserve
            self.reserve.restore(price, money, spent, held)


class StoredRecord(Record):
    """A request that is kept in a store; `saved` is its text there, None where it has none."""

    __slots__ = ("saved",)

    saved: str | None

    def __init__(self, origin: Origin, what: str, asked: Amount, lease: float) -> None:
        super().__init__(origin, what, asked, lease)
        self.saved = None

    def dump(self) -> str:
        """Return it as text."""
        origin = self.origin
        outcome = self.outcome
        return _encode(
            [
                _REQUEST,
                origin.node,
                origin.route,
                origin.purpose,
                self.what,
                _units(self.asked),
                _units(self.bound),
                self.lease,
                self.deadline,
                self.timeout,
                self.state,
                self.sent,
                self.lapsed,
                None if outcome is None else (_units(outcome[0]), *outcome[1:]),
                self.at,
            ]
        )

    def load(self, text: str) -> None:
        """Take what may have changed from text."""
        if text != self.saved:
            self._take(text)
            self.saved = text

    def recall(self) -> None:
        """Take it from what is known to stand in the store, whatever it was changed to."""
        if self.saved is not None:
            self._take(self.saved)

    def _take(self, text: str) -> None:
        (
            *_,
            asked,
            bound,
            self.lease,
            self.deadline,
            self.timeout,
            self.state,
            self.sent,
            self.lapsed,
            outcome,
            self.at,
        ) = _decode(text)
        self.asked = Amount(*asked)
        self.bound = Amount(*bound)
        self.outcome = None if outcome is None else (Amount(*outcome[0]), outcome[1], outcome[2])

    def forget(self) -> None:
        """Become released: the store has it no more."""
        self.state = "released"
        self.lapsed = False
        self.outcome = self.saved = None


def labels(text: str) -> tuple[str, str, Any, str] | None:
    """Return node, route, purpose and what of a request as text; None for a note."""
    kind, node, route, purpose, what, *_ = _decode(text)
    return None if kind == _NOTE else (node, route, purpose, what)


def dump_note(line: ReceiptLine) -> str:
    """Return a note as text."""
    return _encode([_NOTE, line.node, line.route, line.what, line.detail, line.dropped])


def load_note(text: str) -> ReceiptLine:
    """Return the note of that text."""
    _, node, route, what, detail, dropped = _decode(text)
    return ReceiptLine(node, route, what, NOTHING, NOTHING, "measured", detail, dropped)


def dump_budget(budget: Budget | None) -> str | None:
    """Return a budget as text; None for none."""
    if budget is None:
        return None
    caps = budget.caps
    reserve = budget.answer_reserve
    kept = _units(reserve) if isinstance(reserve, Amount) else reserve
    capped = (caps.tokens, caps.nanodollars, caps.calls, caps.seconds)
    return _encode([*capped, kept, budget.per, budget.repeats])


def load_budget(text: str | None) -> Budget | None:
    """Return the budget of that text."""
    if text is None:
        return None
    tokens, money, calls, seconds, kept, per, repeats = _decode(text)
    return Budget(
        tokens=tokens,
        usd=None if money is None else dollars(money),
        calls=calls,
        seconds=seconds,
        answer_reserve=kept if isinstance(kept, int) else Amount(*kept),
        per=per,
        repeats=repeats,
    )


def _units(amount: Amount) -> tuple[int, int, int, int]:
    return amount.input_tokens, amount.output_tokens, amount.nanodollars, amount.calls
