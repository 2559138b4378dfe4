"""The atomic core: a ledger and all ledgers below it, under one lock."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from shoestring.budget.amount import Amount
from shoestring.budget.errors import (
    BudgetBusy,
    BudgetError,
    HoldSettled,
    LedgerNotFound,
    not_portable,
)
from shoestring.budget.hold import Hold
from shoestring.budget.receipt import ReceiptLine
from shoestring.budget.tree import refusal, view
from shoestring.budget.tree.account import Account
from shoestring.budget.tree.atomic import Atomic
from shoestring.budget.tree.leases import Leases
from shoestring.budget.tree.loops import fingerprint, written
from shoestring.budget.tree.record import NOTHING, Record
from shoestring.budget.tree.recount import recount, requeue
from shoestring.budget.tree.turns import join, leave, next_in_turn
from shoestring.budget.tree.waiting import TaskGate, ThreadGate, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shoestring.budget.budget import Budget
    from shoestring.budget.receipt import Basis
    from shoestring.budget.tree.listening import Listeners
    from shoestring.budget.tree.record import HoldState, Origin

# Seconds between looks at a ledger that is almost out of time, but may be paused.
_LOOK_AGAIN = 0.01


class Tree(Atomic):
    """All accounts under one root. Every public method is one atomic step.

    Each checks everything first and changes everything then. The private methods run inside one.
    """

    __slots__ = ("_leases", "_open", "_renewing", "_renews", "_seq", "_waiting", "root")

    # What a request is written down as.
    request: type[Record] = Record

    def __init__(
        self,
        id: str,  # noqa: A002  the public name of the thing
        name: str,
        budget: Budget | None,
        clock: Callable[[], float],
        listeners: Listeners | None = None,
    ) -> None:
        super().__init__(clock, listeners)
        self.root = self._account(id, name, budget, clock(), None, set_aside=False)
        self._leases = Leases()
        # The accounts that renew, and before when none does.
        self._renewing: list[Account] = []
        self._renews = float("inf")
        self._expect_renewal(self.root)
        # How many holds are open, and how many requests wait.
        self._open = 0
        self._waiting = 0
        # The last place given in the order of the tree.
        self._seq = 0

    def _turn(self, now: float) -> None:
        if self._renews <= now:
            self._roll(now)

    def _before(self, now: float) -> None:
        self._turn(now)
        if self._leases.next <= now:
            for record in self._leases.ended(now):
                self._presume(now, record, "lease ended: charged in full")

    def _expect_renewal(self, account: Account) -> None:
        """See to it that an account enters its next window when it is time."""
        if account.window is not None:
            self._renewing.append(account)
            self._renews = min(self._renews, account.window.end)

    def _roll(self, now: float) -> None:
        """Let the accounts whose windows are over enter the next."""
        rolled = [account for account in self._renewing if account.roll(now)]
        self._renews = min(account.window.end for account in self._renewing if account.window)
        if self._waiting:
            self._ripple(now, rolled)

    def _presume(self, now: float, record: Record, why: str) -> None:
        """Charge a hold in full whose owner is silent, until it is heard of again."""
        self._settle(now, record, record.bound, "presumed", why, lapsed=True)

    def _watch(self, record: Record) -> None:
        """See to it that the lease of an open hold ends."""
        self._leases.add(record, self._open)

    def _mend(self, now: float) -> None:
        self._outbox.revise()
        accounts = tuple(self.root.subtree())
        found = recount(accounts)
        leases = Leases()
        for record in found:
            leases.add(record, len(found))
        self._leases = leases
        self._open = len(found)
        self._renewing = [account for account in accounts if account.window is not None]
        self._renews = min(
            (account.window.end for account in self._renewing if account.window),
            default=float("inf"),
        )
        waiting, answered = requeue(accounts)
        for waiter in answered:
            self._woken[waiter] = None
            del waiter.record.origin.account.waiting[waiter]
        self._waiting = len(waiting)
        for account in accounts:
            if self.listeners.heard:
                self._outbox.add(self.listeners.notice(account))
            if account.breached:
                self._close_passed(now, account)
            if account.closed is not None:
                for waiter in tuple(account.waiting):
                    self._answer(waiter, refusal.closed(waiter.record))
        self._ripple(now, accounts)

    def _unreachable(self, waiter: Waiter) -> None:
        self.run(self._disown, waiter.record)

    # Reserving.

    def reserve(self, record: Record, token_price: int, wait: float) -> Hold:
        """Grant the request of `record`, at once or within `wait` seconds, or raise why not."""
        try:
            if not wait:
                return self.run(self._reserve, record, token_price)
            gate = ThreadGate()
            got = self.run(self._ask, record, token_price, gate)
            if isinstance(got, Hold):
                return got
            left = wait
            while not gate.wait(step := self._patience(got, left)):
                left -= step
                if self.run(self._recheck, got, left <= 0):
                    break
            return got.result()
        except BudgetError:
            raise
        except BaseException:
            self.run(self._disown, record)
            raise

    async def areserve(self, record: Record, token_price: int, wait: float) -> Hold:
        """Do what `reserve` does without blocking the event loop."""
        try:
            if not wait:
                return self.run(self._reserve, record, token_price)
            gate = TaskGate()
            got = self.run(self._ask, record, token_price, gate)
            if isinstance(got, Hold):
                return got
            left = wait
            while not await gate.wait(step := self._patience(got, left)):
                left -= step
                if self.run(self._recheck, got, left <= 0):
                    break
            return got.result()
        except BudgetError:
            raise
        except BaseException:
            self.run(self._disown, record)
            raise

    def _patience(self, waiter: Waiter, left: float) -> float:
        """Return how long a waiter may sleep before the time has to be looked at."""
        seconds = self.run(view.next_look, waiter.record.origin.account)
        return left if seconds is None else min(left, max(seconds, _LOOK_AGAIN))

    def _reserve(self, now: float, record: Record, token_price: int) -> Hold:
        error = self._refusal(now, record, token_price)
        if error is not None:
            raise error
        return self._grant(now, record)

    def _ask(
        self, now: float, record: Record, token_price: int, gate: ThreadGate | TaskGate
    ) -> Hold | Waiter:
        """Grant the request of `record`, let it wait at `gate`, or raise why neither."""
        error = self._refusal(now, record, token_price)
        if error is None:
            return self._grant(now, record)
        if not isinstance(error, BudgetBusy):
            raise error
        self._seq += 1
        waiter = Waiter(record, gate, self._seq)
        self._waiting += 1
        join(waiter)
        return waiter

    def _know_price(self, now: float, account: Account, token_price: int) -> None:
        for above in account.path:
            if above.reserve is not None:
                above.reserve.know_price(token_price)
        if self._waiting:
            self._ripple(now, account.path)

    def _refusal(self, now: float, record: Record, token_price: int) -> BudgetError | None:
        """Widen a newcomer's bound, and return why it gets nothing; None if it is admitted."""
        account = record.origin.account
        if token_price:
            self._know_price(now, account, token_price)
        record.bound = account.widened(record.asked)
        return self._refusal_of(now, record)

    def _refusal_of(self, now: float, record: Record) -> BudgetError | None:
        account = record.origin.account
        if account.closed is not None:
            return refusal.closed(record)
        if account.timed and (late := refusal.overtime(record, now)):
            return late
        if not account.admits(record.bound, record.origin.purpose):
            return refusal.misfit(record)
        return refusal.overtaking(record) if self._waiting else None

    def _grant(self, now: float, record: Record) -> Hold:
        """Hold the bound of `record`, which fits."""
        account = record.origin.account
        record.at = now
        record.deadline = now + record.lease
        if account.timed:
            record.timeout = view.seconds_left(now, account)
        account.hold(record.bound, record.origin.purpose, now)
        self._seq = record.seq = self._seq + 1
        account.entries[record.seq] = record
        self._open += 1
        self._watch(record)
        return Hold(self, record)

    # Waiting.

    def _recheck(self, now: float, waiter: Waiter, last: bool) -> bool:  # noqa: FBT001  private
        """Return whether the waiter has its outcome; give it one if it is out of time or `last`."""
        if waiter.outcome is not None:
            return True
        record = waiter.record
        error: BudgetError | None = refusal.overtime(record, now)
        if error is None and last:
            error = refusal.misfit(record) or refusal.overtaking(record)
        if error is None:
            return False
        waiter.outcome = error
        self._waiting -= 1
        self._ripple(now, leave(waiter))
        return True

    def _disown(self, now: float, record: Record) -> None:
        """Forget a request whose asker was interrupted; what was granted meanwhile is released."""
        for waiter in record.origin.account.waiting:
            if waiter.record is record:
                waiter.outcome = BudgetBusy("the waiting was cancelled")
                self._waiting -= 1
                self._ripple(now, leave(waiter))
                return
        if record.seq and record.open:
            self._release(now, record)

    def _answer(self, waiter: Waiter, outcome: Hold | BudgetError) -> tuple[Account, ...]:
        """End a wait; return the accounts whose lines may move on."""
        waiter.outcome = outcome
        self._waiting -= 1
        self._woken[waiter] = None
        return leave(waiter)

    def _ripple(self, now: float, changed: Iterable[Account]) -> None:
        """Refuse those who wait in vain since `changed`, and grant those whose turn it is.

        Each step ends a wait or drops an account from the list: the work is linear in both.
        """
        todo = list(changed)
        for account in tuple(todo):
            if account.line:
                for waiter in account.line.hopeless(account):
                    error = refusal.misfit(waiter.record)
                    if error is not None:
                        todo += self._answer(waiter, error)
        while todo:
            first = next_in_turn(todo.pop())
            if first is None:
                continue
            record = first.record
            late = refusal.overtime(record, now)
            if late:
                todo += self._answer(first, late)
            elif record.origin.account.admits(record.bound, record.origin.purpose):
                todo += self._answer(first, self._grant(now, record))

    # The life of a hold.

    def state(self, record: Record) -> HoldState:
        """Return where a hold is in its life."""
        return self.run(view.state, record)

    def pickled(self, record: Record) -> tuple[Callable[..., Hold], tuple[object, ...]]:
        """Return how to find the hold again elsewhere."""
        _ = record  # in memory there is no elsewhere
        raise not_portable("pickled or copied")

    def dispatch(self, record: Record) -> None:
        """Note that the request goes out."""
        self.run(self._dispatch, record)

    def _dispatch(self, now: float, record: Record) -> None:
        self._renew(now, record)
        record.state = "dispatched"
        record.sent = True

    def settle(self, record: Record, actual: Amount, basis: Basis, detail: str) -> None:
        """Record what was spent."""
        self.run(self._settle, record, actual, basis, detail)

    def _settle(
        self,
        now: float,
        record: Record,
        actual: Amount,
        basis: Basis,
        detail: str,
        *,
        lapsed: bool = False,
    ) -> None:
        account = record.origin.account
        purpose = record.origin.purpose
        held = record.bound
        if record.open:
            account.charge(actual, NOTHING, record.bound, purpose, record.at)
            self._open -= 1
        elif record.outcome is None:
            raise _ended(record)
        else:
            earlier, on, _ = record.outcome
            if on == "measured":
                if basis == on and actual == earlier:
                    return
                raise _measured(record, earlier, actual)
            account.charge(actual, earlier, NOTHING, purpose, record.at)
            if account.overdrawn() or account.outlived(record.at):
                # What the earlier settling gave back was granted to others meanwhile, or may have
                # been: of a window that is over, only the sum of all is known.
                held = earlier
        remark = detail if held.covers(actual) else refusal.breach(held, actual, detail)
        record.outcome = (actual, basis, remark)
        record.state = "settled"
        record.lapsed = lapsed
        if remark is not detail:
            self._widen(account, record.asked, actual)
        if self.listeners.heard:
            self._outbox.add(self.listeners.notice(account))
        # The root knows of every breach: what a sibling's has left too little room for closes, too.
        if account.path[-1].breached:
            self._close_passed(now, account)
        if self._waiting:
            self._ripple(now, account.path)

    def release(self, record: Record) -> None:
        """Give the whole hold back."""
        self.run(self._release, record)

    def _release(self, now: float, record: Record) -> None:
        account = record.origin.account
        if record.open:
            account.charge(NOTHING, NOTHING, record.bound, record.origin.purpose, record.at)
            self._open -= 1
        elif record.outcome is None:
            return
        elif record.lapsed and not record.sent:
            account.charge(NOTHING, record.outcome[0], NOTHING, record.origin.purpose, record.at)
        else:
            raise _ended(record)
        record.state = "released"
        record.lapsed = False
        record.outcome = None
        del account.entries[record.seq]
        if self._waiting:
            self._ripple(now, account.path)

    def leave(self, record: Record) -> None:
        """End a `with` block: release what was never sent, charge in full what nobody settled."""
        self.run(self._leave, record)

    def _leave(self, now: float, record: Record) -> None:
        if record.state == "dispatched":
            self._settle(now, record, record.bound, "presumed", "outcome unknown: charged in full")
        elif record.state == "reserved" or (record.lapsed and not record.sent):
            self._release(now, record)

    def extend(self, record: Record, more: Amount) -> None:
        """Hold `more` as well."""
        self.run(self._extend, record, more)

    def _extend(self, now: float, record: Record, more: Amount) -> None:
        origin = record.origin
        account = origin.account
        if not record.open and not record.lapsed:
            raise _ended(record)
        if account.closed is not None:
            raise refusal.closed(record)
        growth = Record(origin, record.what, more, record.lease)
        bound = growth.bound = account.widened(more)
        asked, total = record.asked + more, record.bound + bound
        if account.outlived(record.at):
            # In a window that is over nothing can grow: the whole of it moves into those of now.
            self._renew(now, record)
            account.charge(NOTHING, NOTHING, record.bound, origin.purpose, record.at)
            growth.bound = total
            error = refusal.misfit(growth)
            if error is not None:
                account.hold(record.bound, origin.purpose, record.at)
                raise error
            account.hold(total, origin.purpose, now)
            at = now
        else:
            # A hold is older than any who wait: growing is no overtaking.
            error = refusal.misfit(growth)
            if error is not None:
                raise error
            self._renew(now, record)
            account.hold(bound, origin.purpose, record.at)
            at = record.at
        record.asked, record.bound, record.at = asked, total, at

    def _renew(self, now: float, record: Record) -> None:
        """Renew the lease; if it has ended, hold again what was presumed spent."""
        if not record.open and not record.lapsed:
            raise _ended(record)
        record.deadline = now + record.lease
        if record.open:
            return
        origin = record.origin
        # The one is as large as the other: no ledger's sum moves.
        origin.account.charge(NOTHING, record.bound, NOTHING, origin.purpose, record.at)
        origin.account.hold(record.bound, origin.purpose, record.at)
        record.state = "dispatched" if record.sent else "reserved"
        record.lapsed = False
        record.outcome = None
        self._open += 1
        self._watch(record)

    # Truth.

    def _widen(self, account: Account, asked: Amount, actual: Amount) -> None:
        """Remember a breach of what was `asked`, and widen those who wait."""
        account.learn(asked, actual)
        if self._waiting:
            for below in self.root.subtree():
                for waiter in below.waiting:
                    waiter.record.bound = below.widened(waiter.record.asked)
                    join(waiter)

    def _close_passed(self, now: float, account: Account) -> None:
        """Close the ledgers whose own cap spending has passed."""
        for above in account.path:
            passed = above.passed() if above.closed is None else None
            if passed:
                renews = None if above.window is None else above.id
                self._close(now, above, refusal.breach_closes(above, passed), renews)

    def close(self, account: Account) -> None:
        """Close `account` and all below it; what is unspent of a set-aside returns."""
        self.run(self._close, account, f"ledger {refusal.quoted(account.name)} was closed")

    def _close(
        self, now: float, account: Account, reason: str, reopens_with: str | None = None
    ) -> None:
        """Close `account` and all below it, until that ledger renews, or for good."""
        changed = list(account.path)
        # From the leaves up, so that what a set-aside returns to another is returned in turn.
        for below in reversed(tuple(account.subtree())):
            if below.closed is not None:
                if below.reopens_with is not None and reopens_with is None:
                    below.closed, below.reopens_with = reason, None
                continue
            tokens, money, calls = below.undrawn()
            below.closed = reason
            # A set-aside has ended: what it had is given back.
            below.reopens_with = None if below.set_aside else reopens_with
            if below.parent is not None:
                below.parent.add_held(0, -tokens, -money, -calls, below.opened)
            for waiter in tuple(below.waiting):
                changed += self._answer(waiter, refusal.closed(waiter.record))
        if self._waiting:
            self._ripple(now, changed)

    # Children and notes.

    def child(
        self,
        origin: Origin,
        id: str,  # noqa: A002  the public name of the thing
        name: str,
        budget: Budget | None,
        *,
        set_aside: bool,
    ) -> Account:
        """Open an account below `origin`."""
        born: list[Account] = []
        try:
            return self.run(self._adopt, origin, id, name, budget, set_aside, born)
        except (BudgetError, ValueError):
            raise
        except BaseException:
            # Whoever is interrupted has no child, and what was set aside for it returns.
            for account in born:
                with suppress(LedgerNotFound):
                    self.run(self._disinherit, account)
            raise

    def _account(
        self,
        id: str,  # noqa: A002  the public name of the thing
        name: str,
        budget: Budget | None,
        now: float,
        parent: Account | None,
        *,
        set_aside: bool,
    ) -> Account:
        return Account(id, name, budget, now, parent=parent, set_aside=set_aside)

    def _adopt(  # noqa: PLR0917  private
        self,
        now: float,
        origin: Origin,
        id: str,  # noqa: A002  the public name of the thing
        name: str,
        budget: Budget | None,
        set_aside: bool,  # noqa: FBT001  private
        born: list[Account],
    ) -> Account:
        parent = origin.account
        child = self._account(id, name, budget, now, parent, set_aside=set_aside)
        born.append(child)
        tokens, money, calls = child.undrawn()
        # A set-aside asks for room as a call does, though it is not widened: it is no estimate.
        record = Record(origin, f"child {name}", Amount(0, tokens, money, calls), 0)
        error: BudgetError | None = None
        if set_aside:
            error = self._refusal_of(now, record)
        elif parent.closed is not None:
            error = refusal.closed(record)
        if error is not None:
            raise error
        parent.hold(record.bound, "work", child.opened)
        parent.children.append(child)
        self._expect_renewal(child)
        return child

    def _disinherit(self, now: float, account: Account) -> None:
        """Close an account that nobody has, if it was opened at all."""
        if account.parent is not None and any(one is account for one in account.parent.children):
            self._close(now, account, f"ledger {refusal.quoted(account.name)} was never given out")

    # Loops.

    def calling(self, origin: Origin, tool: str, arguments: object) -> None:
        """Count a tool call, or raise that it was made too often."""
        text = written(arguments)
        self.run(self._calling, origin, tool, text, fingerprint(tool, text))

    def _calling(self, now: float, origin: Origin, tool: str, text: str, call: str) -> None:
        account = origin.account
        counting = [(above, above.repeats) for above in account.path if above.repeats is not None]
        for above, repeats in counting:
            made = repeats.counts.get(call)
            if made < repeats.limit:
                continue
            error = refusal.loop(origin, above, tool, text, repeats.limit)
            if made == repeats.limit:
                # On the receipt once, however often the loop goes on.
                repeats.counts.put(call, made + 1)
                node, route = origin.node, origin.route
                line = ReceiptLine(node, route, "loop", NOTHING, NOTHING, "measured", str(error))
                self._note(now, account, line)
            raise error
        for _, repeats in counting:
            repeats.counts.put(call, repeats.counts.get(call) + 1)

    # Time.

    def pause(self, account: Account) -> None:
        """Stop the account's clock."""
        self.run(self._pause, account)

    def _pause(self, now: float, account: Account) -> None:
        account.clock.pause(now)

    def resume(self, account: Account) -> None:
        """Start the account's clock."""
        self.run(self._resume, account)

    def _resume(self, now: float, account: Account) -> None:
        account.clock.resume(now)

    def note(self, origin: Origin, what: str, detail: str, dropped: int) -> None:
        """Add a line that costs nothing."""
        node, route = origin.node, origin.route
        line = ReceiptLine(node, route, what, NOTHING, NOTHING, "measured", detail, dropped)
        self.run(self._note, origin.account, line)

    def _note(self, _now: float, account: Account, line: ReceiptLine) -> None:
        self._seq += 1
        account.entries[self._seq] = line


def _ended(record: Record) -> HoldSettled:
    return HoldSettled(
        f"the hold for {refusal.quoted(record.what)} is {record.state} already: "
        f"reserve again for another call"
    )


def _measured(record: Record, earlier: Amount, actual: Amount) -> HoldSettled:
    return HoldSettled(
        f"the hold for {refusal.quoted(record.what)} was measured at {_told(earlier)}; "
        f"it cannot be settled again at {_told(actual)}: reserve again for another call"
    )


def _told(amount: Amount) -> str:
    money = refusal.figure("usd", amount.nanodollars)
    return f"{amount.tokens:,} tokens, {money} and {amount.calls:,} calls"
