"""One ledger's sums: plain integers, changed only under the lock of its tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from shoestring.budget.amount import MAX_UNITS, Amount, Caps
from shoestring.budget.answering import AnswerReserve
from shoestring.budget.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shoestring.budget.answering import Units
    from shoestring.budget.budget import Budget
    from shoestring.budget.receipt import ReceiptLine
    from shoestring.budget.record import Record
    from shoestring.budget.waiting import Line, Waiter

Purpose = Literal["work", "answer"]

_NO_CAPS = Caps()
_NONE_KEPT = (0, 0, 0)


class Children(Protocol):
    """The accounts below one: a list, or what a store has of them."""

    def __iter__(self) -> Iterator[Account]: ...

    def append(self, child: Account, /) -> None:
        """Add an account that was just opened."""
        ...


class Entries(Protocol):
    """What an account's receipt lists, by place: a dict, or what a store has of it."""

    def __setitem__(self, seq: int, entry: Record | ReceiptLine, /) -> None: ...

    def __delitem__(self, seq: int, /) -> None: ...

    def items(self) -> Iterable[tuple[int, Record | ReceiptLine]]:
        """Return the entries with their places."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """One capped ledger that a request passes, with the caps that bind it there.

    A cap is missing where a set-aside below already paid for it.
    """

    account: Account
    tokens: int | None
    money: int | None
    calls: int | None

    def needs(self, bound: Amount) -> Units:
        """Return what `bound` draws on here, of the dimensions that are capped."""
        return (
            bound.input_tokens + bound.output_tokens if self.tokens is not None else 0,
            bound.nanodollars if self.money is not None else 0,
            bound.calls if self.calls is not None else 0,
        )


class Account:
    """The sums of one ledger: its own and its whole subtree's, together.

    A cap's child adds to its parent what it adds to itself. A set-aside's child also holds, in its
    parent, what it has not yet drawn: `limit - spent - held` of each dimension it caps, until it
    is closed. So a call inside draws on the set-aside and never on the parent twice.

    Attributes:
        path: This account and all above it, up to the root.
        gates: Where a request made here is checked.
        timed: The accounts of the path that cap time.
        closed: Why it takes no more reservations; None while it does.
        breached: Whether a call here or below passed its hold.
        widen_by: With `widen_from`, one exact rational: a hold of `widen_from` units asked for
            becomes one of `widen_by`.
        entries: What its receipt lists, by place in the order of the tree.
        waiting: Those who wait at this very account.
        line: The queue of all who wait and would draw on it.
    """

    __slots__ = (
        "breached",
        "budget",
        "caps",
        "children",
        "clock",
        "closed",
        "entries",
        "gates",
        "held_calls",
        "held_in",
        "held_money",
        "held_out",
        "id",
        "line",
        "name",
        "parent",
        "path",
        "reserve",
        "set_aside",
        "spent_calls",
        "spent_in",
        "spent_money",
        "spent_out",
        "timed",
        "waiting",
        "widen_by",
        "widen_from",
    )

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
        self.id = id
        self.name = name
        self.budget = budget
        self.parent = parent
        self.set_aside = set_aside
        self.caps = _NO_CAPS if budget is None else budget.caps
        self.clock = Stopwatch(now)
        reserve = budget.answer_reserve if budget else 0
        self.reserve = None if reserve in (0, Amount()) else AnswerReserve(reserve)
        self.children: Children = []
        self.path: tuple[Account, ...] = (self, *(parent.path if parent else ()))
        self.gates: tuple[Gate, ...] = tuple(_gates(self.path))
        self.timed = tuple(account for account in self.path if account.caps.seconds is not None)
        self.closed: str | None = None
        self.breached = False
        self.widen_by = self.widen_from = 1
        self.spent_in = self.spent_out = self.spent_money = self.spent_calls = 0
        self.held_in = self.held_out = self.held_money = self.held_calls = 0
        self.entries: Entries = {}
        self.waiting: dict[Waiter, None] = {}
        self.line: Line | None = None

    # Admitting.

    def admits(self, bound: Amount, purpose: Purpose) -> bool:
        """Whether `bound` fits here and in every ledger above, now."""
        tokens = bound.input_tokens + bound.output_tokens
        money = bound.nanodollars
        calls = bound.calls
        for gate in self.gates:
            at = gate.account
            kept = at.reserve.kept() if at.reserve and purpose == "work" else _NONE_KEPT
            # What draws on nothing is never in the way, even where a breach has passed the cap.
            if (
                (
                    gate.tokens is not None
                    and tokens
                    and at.spent_in + at.spent_out + at.held_in + at.held_out + kept[0] + tokens
                    > gate.tokens
                )
                or (
                    gate.money is not None
                    and money
                    and at.spent_money + at.held_money + kept[1] + money > gate.money
                )
                or (
                    gate.calls is not None
                    and calls
                    and at.spent_calls + at.held_calls + kept[2] + calls > gate.calls
                )
            ):
                return False
        return True

    def kept(self, purpose: Purpose | None, token_price: int = 0) -> Units:
        """Return what is kept back here from that purpose."""
        if self.reserve is None or purpose != "work":
            return _NONE_KEPT
        return self.reserve.kept(token_price)

    def used(self) -> Units:
        """Return what is spent or held."""
        return (
            self.spent_in + self.spent_out + self.held_in + self.held_out,
            self.spent_money + self.held_money,
            self.spent_calls + self.held_calls,
        )

    def ceilings(self, purpose: Purpose) -> Units:
        """Return what could be free here at most, were every hold released."""
        caps = self.caps
        kept = self.reserve.kept_at_best() if self.reserve and purpose == "work" else _NONE_KEPT
        # Two dimensions of tokens, so twice what one can count stands for no cap.
        tokens = 2 * MAX_UNITS if caps.tokens is None else caps.tokens
        money = MAX_UNITS if caps.nanodollars is None else caps.nanodollars
        calls = MAX_UNITS if caps.calls is None else caps.calls
        return (
            tokens - self.spent_in - self.spent_out - kept[0],
            money - self.spent_money - kept[1],
            calls - self.spent_calls - kept[2],
        )

    # The sums.

    def undrawn(self) -> Units:
        """Return what a set-aside keeps in its parent beyond its holds."""
        if not self.set_aside or self.closed is not None:
            return (0, 0, 0)
        caps = self.caps
        tokens, money, calls = self.used()
        return (
            0 if caps.tokens is None else max(0, caps.tokens - tokens),
            0 if caps.nanodollars is None else max(0, caps.nanodollars - money),
            0 if caps.calls is None else max(0, caps.calls - calls),
        )

    def add_held(self, tokens_in: int, tokens_out: int, money: int, calls: int) -> None:
        """Change what is held here and above; the figures may be negative."""
        for account in self.path:
            before = account.undrawn() if account.set_aside else None
            account.held_in += tokens_in
            account.held_out += tokens_out
            account.held_money += money
            account.held_calls += calls
            if before is not None:
                after = account.undrawn()
                # Undrawn tokens are of neither kind yet; they show as output tokens.
                tokens_out += after[0] - before[0]
                money += after[1] - before[1]
                calls += after[2] - before[2]

    def hold(self, bound: Amount, purpose: Purpose) -> None:
        """Hold `bound` here and above."""
        self.add_held(bound.input_tokens, bound.output_tokens, bound.nanodollars, bound.calls)
        if purpose == "answer":
            for account in self.path:
                if account.reserve is not None:
                    account.reserve.hold(bound, 1)

    def charge(self, spent: Amount, back: Amount, freed: Amount, purpose: Purpose) -> None:
        """Add to what is spent, here and above, and take from what is held.

        Args:
            spent: What joins the spending.
            back: What an earlier charge of the same hold had joined, and now leaves.
            freed: What leaves the holds.
            purpose: What the call was for.
        """
        spent_in = spent.input_tokens - back.input_tokens
        spent_out = spent.output_tokens - back.output_tokens
        spent_money = spent.nanodollars - back.nanodollars
        spent_calls = spent.calls - back.calls
        held_in = freed.input_tokens
        held_out = freed.output_tokens
        held_money = freed.nanodollars
        held_calls = freed.calls
        for account in self.path:
            before = account.undrawn() if account.set_aside else None
            account.spent_in += spent_in
            account.spent_out += spent_out
            account.spent_money += spent_money
            account.spent_calls += spent_calls
            account.held_in -= held_in
            account.held_out -= held_out
            account.held_money -= held_money
            account.held_calls -= held_calls
            if before is not None:
                after = account.undrawn()
                held_out += before[0] - after[0]
                held_money += before[1] - after[1]
                held_calls += before[2] - after[2]
        if purpose == "answer":
            for account in self.path:
                if account.reserve is not None:
                    account.reserve.spend(spent, 1)
                    account.reserve.spend(back, -1)
                    account.reserve.hold(freed, -1)

    def overdrawn(self) -> bool:
        """Whether what is spent or held passes a cap, here or above."""
        return any(
            cap is not None and used > cap
            for account in self.path
            for used, cap in zip(
                account.used(),
                (account.caps.tokens, account.caps.nanodollars, account.caps.calls),
                strict=True,
            )
        )

    def passed(self) -> tuple[int, int, int] | None:
        """Return the first cap that spending has passed, as (which, spent, cap).

        Which: 0 tokens, 1 money, 2 calls.
        """
        spent = (self.spent_in + self.spent_out, self.spent_money, self.spent_calls)
        caps = (self.caps.tokens, self.caps.nanodollars, self.caps.calls)
        for index, (units, cap) in enumerate(zip(spent, caps, strict=True)):
            if cap is not None and units > cap:
                return index, units, cap
        return None

    # The widening.

    def widening(self) -> tuple[int, int]:
        """Return the widest (by, from) on the path."""
        by, start = self.widen_by, self.widen_from
        for account in self.path:
            if account.widen_by * start > by * account.widen_from:
                by, start = account.widen_by, account.widen_from
        return by, start

    def widen(self, by: int, start: int) -> None:
        """Remember, here and above, that a call asked for `start` units and cost `by`."""
        for account in self.path:
            if by * account.widen_from > account.widen_by * start:
                account.widen_by, account.widen_from = by, start

    def widened(self, asked: Amount) -> Amount:
        """Return what to hold for `asked`, given by how much earlier calls passed their holds."""
        by, start = self.widening()
        if by == start:
            return asked
        tokens = -(-asked.tokens * by // start)
        # The parts add up to the widened whole.
        tokens_in = asked.input_tokens * by // start if asked.output_tokens else tokens
        money = -(-asked.nanodollars * by // start)
        # What is beyond counting is beyond any cap, too.
        return Amount(
            min(tokens_in, MAX_UNITS),
            min(tokens - tokens_in, MAX_UNITS),
            min(money, MAX_UNITS),
            asked.calls,
        )

    def subtree(self) -> Iterator[Account]:
        """Yield this account and all below it, parents first."""
        stack: list[Account] = [self]
        while stack:
            account = stack.pop()
            yield account
            stack.extend(account.children)


def _gates(path: tuple[Account, ...]) -> Iterator[Gate]:
    """Yield where a request at `path[0]` is checked, from there up to the root."""
    tokens_paid = money_paid = calls_paid = False
    for account in path:
        caps = account.caps
        tokens = None if tokens_paid else caps.tokens
        money = None if money_paid else caps.nanodollars
        calls = None if calls_paid else caps.calls
        if tokens is not None or money is not None or calls is not None:
            yield Gate(account, tokens, money, calls)
        if account.set_aside:
            tokens_paid = tokens_paid or caps.tokens is not None
            money_paid = money_paid or caps.nanodollars is not None
            calls_paid = calls_paid or caps.calls is not None
