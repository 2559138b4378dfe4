"""One ledger's sums: plain integers, changed only under the lock of its tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from shoestring.budget.amount import MAX_UNITS, Amount, Caps
from shoestring.budget.tree.answering import AnswerReserve
from shoestring.budget.tree.loops import Repeats
from shoestring.budget.tree.stopwatch import Stopwatch
from shoestring.budget.tree.window import Sums, Window, bounds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shoestring.budget.budget import Budget
    from shoestring.budget.receipt import ReceiptLine
    from shoestring.budget.tree.answering import Units
    from shoestring.budget.tree.record import Record
    from shoestring.budget.tree.waiting import Line, Waiter
    from shoestring.budget.tree.window import Figures, Moments

Purpose = Literal["work", "answer"]

# A bound that was a tenth of the truth is no estimate but a mistake, of the bound or of the report: to
# widen further would let one absurd figure end all work in the tree.
_WIDEST = 10
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


class Account(Sums):
    """The sums of one ledger: its own and its whole subtree's, together.

    A cap's child adds to its parent what it adds to itself. A set-aside's child also holds, in its
    parent, what it has not yet drawn: `limit - spent - held` of each dimension it caps, until it
    is closed. So a call inside draws on the set-aside and never on the parent twice.

    A renewing ledger's sums are those of its current window: `roll` enters the next. What a hold
    keeps and comes to belongs to the window it was reserved in, in each ledger above; where that is
    over, it is booked to the window's past. What a set-aside paid for was drawn when it was opened.

    Attributes:
        path: This account and all above it, up to the root.
        gates: Where a request made here is checked.
        timed: The accounts of the path that cap time.
        renewing: The accounts of the path that renew.
        opened: When it was opened.
        window: The window it is in; None for an account that does not renew.
        plain: Whether it is no set-aside and does not renew: sums are sums.
        closed: Why it takes no more reservations; None while it does.
        reopens_with: The id of the ledger whose renewal opens it again; None if none does.
        breached: Whether a call here or below passed its hold.
        widen_by: With `widen_from`, one exact rational: a hold of `widen_from` units asked for
            becomes one of `widen_by`.
        entries: What its receipt lists, by place in the order of the tree.
        repeats: How often each tool call was made; None where the budget does not care.
        told: Which shares of which limit (0 tokens, 1 money, 2 calls) were told.
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
        "id",
        "line",
        "name",
        "opened",
        "parent",
        "path",
        "plain",
        "renewing",
        "reopens_with",
        "repeats",
        "reserve",
        "set_aside",
        "timed",
        "told",
        "waiting",
        "widen_by",
        "widen_from",
        "window",
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
        super().__init__()
        self.id = id
        self.name = name
        self.budget = budget
        self.parent = parent
        self.set_aside = set_aside
        self.caps = _NO_CAPS if budget is None else budget.caps
        self.clock = Stopwatch(now)
        self.opened = now
        self.window = None if budget is None or budget.per is None else Window(budget.per, now)
        self.plain = self.window is None and not set_aside
        reserve = budget.answer_reserve if budget else 0
        self.reserve = None if reserve in (0, Amount()) else AnswerReserve(reserve)
        self.children: Children = []
        self.path: tuple[Account, ...] = (self, *(parent.path if parent else ()))
        self.gates: tuple[Gate, ...] = tuple(_gates(self.path))
        self.timed = tuple(account for account in self.path if account.caps.seconds is not None)
        self.renewing = tuple(account for account in self.path if account.window is not None)
        self.closed: str | None = None
        self.reopens_with: str | None = None
        self.breached = False
        self.widen_by = self.widen_from = 1
        self.entries: Entries = {}
        repeats = None if budget is None else budget.repeats
        self.repeats = None if repeats is None else Repeats(repeats)
        self.told: frozenset[tuple[int, float]] = frozenset()
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
                    and at.spent_in + at.spent_out + at.held_in + at.held_out
                    > gate.tokens - kept[0] - tokens
                )
                or (
                    gate.money is not None
                    and money
                    and at.spent_money + at.held_money > gate.money - kept[1] - money
                )
                or (
                    gate.calls is not None
                    and calls
                    and at.spent_calls + at.held_calls > gate.calls - kept[2] - calls
                )
            ):
                return False
        return True

    def kept(self, purpose: Purpose | None, token_price: int = 0) -> Units:
        """Return what is kept back here from that purpose."""
        if self.reserve is None or purpose != "work":
            return _NONE_KEPT
        return self.reserve.kept(token_price)

    def kept_at_most(self, purpose: Purpose) -> Units:
        """Return what is kept back from that purpose before anything of it is used."""
        return self.reserve.whole() if self.reserve and purpose == "work" else _NONE_KEPT

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

    def clear(self) -> None:
        """Begin to count anew, in the window it is in and all before."""
        nothing = (0, 0, 0, 0, 0, 0, 0, 0)
        self.restore(nothing)
        if self.window is not None:
            self.window.past.restore(nothing)
            self.window.own = (0, 0, 0, 0)
        if self.reserve is not None:
            self.reserve.restart()

    def undrawn(self) -> Units:
        """Return what a set-aside keeps in its parent beyond its holds."""
        if not self.set_aside or self.closed is not None:
            return (0, 0, 0)
        caps = self.caps
        tokens, money, calls = self.used()
        # The difference first: where it is nought, it is returned, and still moves with the sums.
        return (
            0 if caps.tokens is None else max(caps.tokens - tokens, 0),
            0 if caps.nanodollars is None else max(caps.nanodollars - money, 0),
            0 if caps.calls is None else max(caps.calls - calls, 0),
        )

    def add_held(self, tokens_in: int, tokens_out: int, money: int, calls: int, at: float) -> None:
        """Change what is held here and above; the figures may be negative.

        It was reserved at that time.
        """
        drawn = (at, at, at)
        for account in self.path:
            if account.plain:
                account.held_in += tokens_in
                account.held_out += tokens_out
                account.held_money += money
                account.held_calls += calls
                continue
            before = account.undrawn()
            account.book((0, 0, 0, 0, tokens_in, tokens_out, money, calls), drawn)
            after = account.undrawn()
            # Undrawn tokens are of neither kind yet; they show as output tokens.
            tokens_out += after[0] - before[0]
            money += after[1] - before[1]
            calls += after[2] - before[2]
            drawn = account.drawn(drawn)

    def hold(self, bound: Amount, purpose: Purpose, at: float) -> None:
        """Hold `bound`, reserved at that time, here and above."""
        self.add_held(bound.input_tokens, bound.output_tokens, bound.nanodollars, bound.calls, at)
        if purpose == "answer":
            self._answer(_NONE_KEPT, (bound.tokens, bound.nanodollars, bound.calls), at)

    def charge(
        self, spent: Amount, back: Amount, freed: Amount, purpose: Purpose, at: float
    ) -> None:
        """Add to what is spent, here and above, and take from what is held.

        Args:
            spent: What joins the spending.
            back: What an earlier charge of the same hold had joined, and now leaves.
            freed: What leaves the holds.
            purpose: What the call was for.
            at: When it was reserved.
        """
        spent_in = spent.input_tokens - back.input_tokens
        spent_out = spent.output_tokens - back.output_tokens
        spent_money = spent.nanodollars - back.nanodollars
        spent_calls = spent.calls - back.calls
        held_in = freed.input_tokens
        held_out = freed.output_tokens
        held_money = freed.nanodollars
        held_calls = freed.calls
        drawn = (at, at, at)
        for account in self.path:
            if account.plain:
                account.spent_in += spent_in
                account.spent_out += spent_out
                account.spent_money += spent_money
                account.spent_calls += spent_calls
                account.held_in -= held_in
                account.held_out -= held_out
                account.held_money -= held_money
                account.held_calls -= held_calls
                continue
            before = account.undrawn()
            account.book(
                (
                    *(spent_in, spent_out, spent_money, spent_calls),
                    *(-held_in, -held_out, -held_money, -held_calls),
                ),
                drawn,
            )
            after = account.undrawn()
            held_out += before[0] - after[0]
            held_money += before[1] - after[1]
            held_calls += before[2] - after[2]
            drawn = account.drawn(drawn)
        if self.window is not None and at >= self.window.start:
            own = self.window.own
            self.window.own = (
                own[0] + spent_in,
                own[1] + spent_out,
                own[2] + spent_money,
                own[3] + spent_calls,
            )
        if purpose == "answer":
            self._answer(
                (spent_in + spent_out, spent_money, spent_calls),
                (-freed.tokens, -freed.nanodollars, -freed.calls),
                at,
            )

    def _answer(self, spent: Units, held: Units, at: float) -> None:
        """Count what calls for the answer, reserved at that time, spend and hold here and above."""
        drawn = (at, at, at)
        for account in self.path:
            if account.reserve is not None:
                since = float("-inf") if account.window is None else account.window.start
                now = [moment >= since for moment in drawn]
                account.reserve.use(_of(spent, now), _of(held, now))
            drawn = account.drawn(drawn)

    # The windows.

    def book(self, figures: Figures, at: Moments) -> None:
        """Add to the sums of the window in which it was drawn: the current one, or the past."""
        window = self.window
        if window is None:
            self.add(figures)
            return
        self.roll(max(at))
        tokens, money, calls = (moment >= window.start for moment in at)
        # Spent, then held: tokens read and written, money and calls.
        now = (tokens, tokens, money, calls) * 2
        self.add(units if current else 0 for units, current in zip(figures, now, strict=True))
        window.past.add(
            0 if current else units for units, current in zip(figures, now, strict=True)
        )

    def drawn(self, at: Moments) -> Moments:
        """Return when what was drawn here at those times was drawn above."""
        if not self.set_aside:
            return at
        caps = self.caps
        return (
            at[0] if caps.tokens is None else self.opened,
            at[1] if caps.nanodollars is None else self.opened,
            at[2] if caps.calls is None else self.opened,
        )

    def outlived(self, at: float) -> bool:
        """Whether a window that contains that time is over, here or above."""
        return any(above.window and at < above.window.start for above in self.renewing)

    def roll(self, now: float) -> bool:
        """Enter the window of `now` if the one before is over; return whether it was."""
        window = self.window
        if window is None or now < window.end:
            return False
        self.clock.restart(bounds(window.per, now)[0])
        self.told = frozenset()
        if self.reserve is not None:
            self.reserve.restart()
        if self.repeats is not None:
            self.repeats.counts.clear()
        if self.reopens_with == self.id:
            for below in self.subtree():
                if below.reopens_with == self.id:
                    above = below.parent
                    # Another ledger above may have closed meanwhile: then it is that one's turn.
                    below.closed = None if above is None else above.closed
                    below.reopens_with = None if above is None else above.reopens_with
        # Last: what is broken off before this by an interrupt is done again.
        window.begin(now, self)
        return True

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

    def learn(self, asked: Amount, actual: Amount) -> None:
        """Remember, here and above, that a call passed its hold."""
        for account in self.path:
            account.breached = True
        for by, start in ((actual.tokens, asked.tokens), (actual.nanodollars, asked.nanodollars)):
            # From nothing there is no ratio: the breach stands on the receipt alone.
            if by > start > 0:
                self.widen(min(by, start * _WIDEST), start)

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


def _of(units: Units, which: list[bool]) -> Units:
    """Return the units of those dimensions, and none of the others."""
    tokens, money, calls = which
    return (units[0] if tokens else 0, units[1] if money else 0, units[2] if calls else 0)
