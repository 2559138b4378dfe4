"""What a ledger shows of itself: each function is run as one atomic step of its tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoestring.budget.amount import MAX_UNITS, Amount, Caps
from shoestring.budget.receipt import Receipt
from shoestring.budget.tree.record import NOTHING, Record, receipt_line

if TYPE_CHECKING:
    from shoestring.budget.receipt import ReceiptLine
    from shoestring.budget.tree.account import Account, Purpose
    from shoestring.budget.tree.atomic import Atomic
    from shoestring.budget.tree.record import HoldState, Origin, Outcome
    from shoestring.budget.tree.window import Figures

    # A line to be: its place, what it is of, and the bound and outcome of that instant.
    Entry = tuple[int, Record | ReceiptLine, Amount, Outcome | None]


_NO_PAST = (0, 0, 0, 0, 0, 0, 0, 0)


def closed(_now: float, account: Account) -> bool:
    """Return whether the account takes no more reservations."""
    return account.closed is not None


def elapsed(now: float, account: Account) -> float:
    """Return the account's active seconds."""
    return account.clock.elapsed(now)


def state(_now: float, record: Record) -> HoldState:
    """Return where a hold is in its life."""
    return record.state


def spent(_now: float, account: Account) -> Amount:
    """Return what the account and all below it have spent, in the current window."""
    return _amount(account.spent_in, account.spent_out, account.spent_money, account.spent_calls)


def own_spent(_now: float, account: Account) -> Amount:
    """Return what the account has spent itself, in the current window."""
    if account.window is not None:
        return _amount(*account.window.own)
    # The windows of the children are theirs: this account counts what they ever spent.
    own = list(account.figures()[:4])
    for child in account.children:
        for index, (now, before) in enumerate(zip(child.figures(), _past(child), strict=True)):
            if index < len(own):
                own[index] -= now + before
    return _amount(*own)


def past_spent(_now: float, account: Account) -> Amount:
    """Return what the account and all below it have spent in earlier windows."""
    return _amount(*_past(account)[:4])


def held(_now: float, account: Account) -> Amount:
    """Return what open holds and set-asides of the current window keep."""
    return _amount(account.held_in, account.held_out, account.held_money, account.held_calls)


def past_held(_now: float, account: Account) -> Amount:
    """Return what open holds and set-asides of earlier windows keep."""
    return _amount(*_past(account)[4:])


def renews_at(_now: float, account: Account) -> float | None:
    """Return when the next window begins; None for an account that does not renew."""
    return None if account.window is None else account.window.end


def next_look(now: float, account: Account) -> float | None:
    """Return in how many seconds time alone may change what fits; None if it never does."""
    seconds = seconds_left(now, account)
    ends = [above.window.end - now for above in account.renewing if above.window]
    return min(ends if seconds is None else [*ends, seconds], default=None)


def seconds_left(now: float, account: Account) -> float | None:
    """Return the active time left here and above; None where no ledger caps it."""
    left = [
        timed.caps.seconds - timed.clock.elapsed(now)
        for timed in account.timed
        if timed.caps.seconds is not None
    ]
    return max(0.0, min(left)) if left else None


def remaining(now: float, account: Account) -> Caps:
    """Return what is neither spent nor held, the least of here and above."""
    tokens, money, calls = _room(account, None, 0)
    return Caps(tokens, money, calls, seconds_left(now, account))


def affordable(now: float, origin: Origin, token_price: int) -> Caps:
    """Return the largest bound that would be admitted."""
    account = origin.account
    seconds = seconds_left(now, account)
    if account.closed is not None or seconds == 0:
        return Caps(0, 0, 0, seconds)
    tokens, money, calls = _room(account, origin.purpose, token_price)
    by, start = account.widening()
    if tokens is not None:
        tokens = tokens * start // by
    if money is not None:
        money = money * start // by
    return Caps(tokens, money, calls, seconds)


def entries(_now: float, account: Account) -> list[Entry]:
    """Return what the lines of a receipt are written from, in order."""
    found: list[Entry] = []
    for below in account.subtree():
        for seq, item in below.entries.items():
            if isinstance(item, Record):
                found.append((seq, item, item.bound, item.outcome))
            else:
                found.append((seq, item, NOTHING, None))
    return found


def sums(now: float, account: Account) -> tuple[list[Entry], Amount, Amount, Caps, Amount]:
    """Return entries, spent, held, remaining and spent in the past, of one instant."""
    return (
        entries(now, account),
        spent(now, account),
        held(now, account),
        remaining(now, account),
        past_spent(now, account),
    )


def receipt(tree: Atomic, account: Account) -> Receipt:
    """Return the account's receipt. Its lines are written outside the lock: there may be many."""
    found, spent_now, held_now, left, before = tree.run(sums, account)
    found.sort(key=_place)
    lines = tuple(
        receipt_line(item, bound, outcome) if isinstance(item, Record) else item
        for _, item, bound, outcome in found
    )
    return Receipt(lines, account.caps, spent_now, held_now, left, before)


def _place(entry: Entry) -> int:
    return entry[0]


def _past(account: Account) -> Figures:
    """Return the sums of earlier windows."""
    return _NO_PAST if account.window is None else account.window.past.figures()


def _room(account: Account, purpose: Purpose | None, token_price: int) -> list[int | None]:
    """Return what is free here and above, None where nothing is capped.

    For a purpose, less what is kept back from it; for None, all that is neither spent nor held.
    """
    room: list[int | None] = [None, None, None]
    for gate in account.gates:
        kept = gate.account.kept(purpose, token_price)
        used = gate.account.used()
        for index, limit in enumerate((gate.tokens, gate.money, gate.calls)):
            if limit is not None:
                left = max(0, limit - used[index] - kept[index])
                least = room[index]
                room[index] = left if least is None else min(least, left)
    return room


def _amount(tokens_in: int, tokens_out: int, money: int, calls: int) -> Amount:
    """Return a sum as an Amount; what has grown beyond counting shows as the most there is."""
    return Amount(
        min(tokens_in, MAX_UNITS),
        min(tokens_out, MAX_UNITS),
        min(money, MAX_UNITS),
        min(calls, MAX_UNITS),
    )
