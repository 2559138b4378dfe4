"""Why a request is refused, in words: the numbers, the ledger and the cure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoestring.budget.amount import dollars
from shoestring.budget.errors import BudgetBusy, BudgetExceeded, LedgerClosed, LoopDetected
from shoestring.budget.tree.window import moment, utc

if TYPE_CHECKING:
    from decimal import Decimal

    from shoestring.budget.amount import Amount
    from shoestring.budget.errors import Dimension
    from shoestring.budget.tree.account import Account, Gate
    from shoestring.budget.tree.record import Origin, Record

_DIMENSIONS: tuple[Dimension, Dimension, Dimension] = ("tokens", "usd", "calls")
# Labels come from callers, and may come from documents: shown escaped and short.
_LABEL = 60
_ARGUMENTS = 200


def misfit(record: Record) -> BudgetExceeded | BudgetBusy | None:
    """Return why the bound of `record` does not fit; None if it does.

    What can never fit comes first, wherever on the path: it is no use to wait for one ledger and be
    refused by the next.
    """
    origin = record.origin
    busy: BudgetBusy | None = None
    for gate in origin.account.gates:
        account = gate.account
        limits = (gate.tokens, gate.money, gate.calls)
        used = account.used()
        kept = account.kept(origin.purpose)
        ceilings = account.ceilings(origin.purpose)
        for index, need in enumerate(gate.needs(record.bound)):
            limit = limits[index]
            if limit is None or not need or used[index] + kept[index] + need <= limit:
                continue
            if need > ceilings[index]:
                return _exceeded(record, gate, index, need)
            busy = busy or BudgetBusy(
                f"{_told(record, gate, index, need)} "
                "It would fit if open calls cost less: pass wait=seconds, or retry."
            )
    return busy


def overtaking(record: Record) -> BudgetBusy | None:
    """Return the refusal if a newcomer would overtake those who wait; None if it would not."""
    for gate in record.origin.account.gates:
        if gate.account.line and any(gate.needs(record.bound)):
            return BudgetBusy(
                f"{_asker(record)} would overtake calls that wait for room in ledger "
                f"{quoted(gate.account.name)}. Pass wait=seconds to join the queue, or retry."
            )
    return None


def overtime(record: Record, now: float) -> BudgetExceeded | None:
    """Return the refusal if the active time is over, here or above; None if it is not."""
    origin = record.origin
    for account in origin.account.timed:
        limit = account.caps.seconds or 0.0
        elapsed = account.clock.elapsed(now)
        if elapsed >= limit:
            return BudgetExceeded(
                f"{_asker(record)} needs time; {elapsed:,.1f} of {limit:,.1f} seconds are "
                f"used{_where(origin, account)}. {_renewal(account)}"
                f"Raise Budget(seconds=…), or pause() the ledger while it waits.",
                "seconds",
                0.0,
                0.0,
                limit,
                account.name,
                origin.node,
                moment(account.window.end) if account.window else None,
            )
    return None


def closed(record: Record) -> LedgerClosed:
    """Return the refusal of a closed ledger."""
    account = record.origin.account
    cure = "Open another ledger for further work."
    for above in account.renewing:
        if above.window and account.reopens_with == above.id:
            cure = f"It opens again at {utc(above.window.end)}."
    return LedgerClosed(f"{_asker(record)} is refused: {account.closed}. {cure}")


def loop(origin: Origin, account: Account, tool: str, arguments: str, limit: int) -> LoopDetected:
    """Return the refusal of a tool call that was made `limit` times under `account`."""
    who = f"node {quoted(origin.node)}" if origin.node else "a call"
    times = "once" if limit == 1 else f"{limit:,} times"
    return LoopDetected(
        f"{who} repeats itself: tool {quoted(tool)} was called with {quoted(arguments, _ARGUMENTS)} "
        f"{times} already{_where(origin, account)}. {_renewal(account)}Use what it returned, change "
        f"the arguments, call another tool, or raise Budget(repeats={limit}).",
        tool,
        limit,
        account.name,
        origin.node,
    )


def breach(bound: Amount, actual: Amount, detail: str) -> str:
    """Return the caller's remark, and how `actual` passes what was held."""
    parts = [
        f"{_measure(dimension, spent)} spent on a hold of {figure(dimension, held)}"
        for dimension, spent, held in (
            ("tokens", actual.tokens, bound.tokens),
            ("usd", actual.nanodollars, bound.nanodollars),
            ("calls", actual.calls, bound.calls),
        )
        if spent > held
    ]
    return f"{detail}{'; ' if detail else ''}breach: {', '.join(parts)}"


def breach_closes(account: Account, passed: tuple[int, int, int]) -> str:
    """Return why a breach closes `account`."""
    index, spent, cap = passed
    dimension = _DIMENSIONS[index]
    return (
        f"ledger {quoted(account.name)} closed because a call passed its hold (a breach): "
        f"{_measure(dimension, spent)} spent of {figure(dimension, cap)}"
    )


def quoted(label: str, most: int = _LABEL) -> str:
    """Return `label` as it may stand in a message: quoted, escaped, at most a line's worth."""
    return repr(label if len(label) <= most else label[:most] + "…")


def figure(dimension: str, units: int) -> str:
    """Return `units` without their name, in dollars where they are money."""
    if dimension != "usd":
        return f"{units:,}"
    whole, _, parts = f"{dollars(units):,.9f}".partition(".")
    return f"${whole}.{parts.rstrip('0').ljust(2, '0')}"


def _measure(dimension: str, units: int) -> str:
    """Return `units` with their name."""
    if dimension == "usd":
        return figure(dimension, units)
    noun = dimension.removesuffix("s") if units == 1 else dimension
    return f"{units:,} {noun}"


def _told(record: Record, gate: Gate, index: int, need: int) -> str:
    """Return who needs how much, and how much remains where."""
    origin = record.origin
    account = gate.account
    dimension = _DIMENSIONS[index]
    limit = (gate.tokens, gate.money, gate.calls)[index] or 0
    kept = account.kept(origin.purpose)[index]
    held = (account.held_in + account.held_out, account.held_money, account.held_calls)[index]
    remaining = _remaining(record, gate, index)
    remarks: list[str] = []
    if kept:
        remarks.append(f"{figure(dimension, kept)} more kept back for the answer")
    if held:
        remarks.append(f"{figure(dimension, held)} held by open calls")
    if record.bound != record.asked and dimension != "calls":
        remarks.append("the need is widened, because an earlier call passed its hold")
    verb = "remains" if remaining == 1 and dimension != "usd" else "remain"
    return (
        f"{_asker(record)} needs {_measure(dimension, need)}; {figure(dimension, remaining)}"
        f" of {figure(dimension, limit)} {verb}{_where(origin, account)}"
        f"{' (' + '; '.join(remarks) + ')' if remarks else ''}."
    )


def _remaining(record: Record, gate: Gate, index: int) -> int:
    account = gate.account
    limit = (gate.tokens, gate.money, gate.calls)[index] or 0
    return max(0, limit - account.used()[index] - account.kept(record.origin.purpose)[index])


def _exceeded(record: Record, gate: Gate, index: int, need: int) -> BudgetExceeded:
    dimension = _DIMENSIONS[index]
    cure = f"Raise Budget({dimension}=…)"
    if dimension != "calls":
        cure += ", or ask for less"

    def value(units: int) -> Decimal | int:
        return dollars(units) if dimension == "usd" else units

    account = gate.account
    limit = (gate.tokens, gate.money, gate.calls)[index] or 0
    # Waiting helps only if it would fit into a window nobody has touched.
    helps = account.window and need + account.kept_at_most(record.origin.purpose)[index] <= limit
    return BudgetExceeded(
        f"{_told(record, gate, index, need)} {_renewal(account) if helps else ''}{cure}.",
        dimension,
        value(need),
        value(_remaining(record, gate, index)),
        value(limit),
        account.name,
        record.origin.node,
        moment(account.window.end) if account.window and helps else None,
    )


def _renewal(account: Account) -> str:
    """Return when the ledger renews, as a sentence before another; "" if it does not."""
    return f"It renews at {utc(account.window.end)}. " if account.window else ""


def _where(origin: Origin, account: Account) -> str:
    return "" if account is origin.account else f" in ledger {quoted(account.name)}"


def _asker(record: Record) -> str:
    node = record.origin.node
    return f"node {quoted(node)}" if node else quoted(record.what)
