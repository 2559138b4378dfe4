"""Does the law hold at each of 1,000,000 random operations?

    python benchmarks/law.py [--store memory|sqlite|URL] [--operations N] [--seed S]

Random trees, up to five deep, of both kinds of children, some of which renew every minute;
reservations, extensions, dispatches, settlings (low, full, above the hold, late, again, in a later
window), releases, leases that end, closings, prices. After each operation a model of its own, sums
over a table of calls from the leaves up, says what every ledger touched must show as spent, held and
remaining, now and in earlier windows, and what must have been refused, and how. The same seed is the
same run.
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoestring.budget import (
    Amount,
    Budget,
    BudgetBusy,
    BudgetError,
    BudgetExceeded,
    Hold,
    HoldSettled,
    Ledger,
    LedgerClosed,
    MemoryStore,
    RedisStore,
    SQLiteStore,
    Store,
)

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATIONS = {"memory": 1_000_000, "sqlite": 10_000}
# Operations on one tree, before the next is planted.
SEASON = 250
DEPTH, WIDTH = 5, 12
DIMENSIONS = ("tokens", "usd", "calls")
# Those that renew do so every minute.
WINDOW = 60
Table = dict[str, int]
# What is drawn in each window: spent and held, by all calls and by those for the answer.
Drawn = dict[int, dict[str, list[int]]]


class Model:
    """What the ledgers must show: a table of accounts and a table of calls, and nothing kept of sums."""

    def __init__(self, now: float) -> None:
        self.window = int(now // WINDOW)
        self.accounts: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.spent: list[Table] = []
        self.held: list[Table] = []
        self.past: list[tuple[Table, Table]] = []
        self.answers: list[tuple[Table, Table]] = []

    def open(self, parent: int | None, caps: dict[str, int | None], **rest: object) -> None:
        """Add an account."""
        depth = 1 if parent is None else self.accounts[parent]["depth"] + 1
        self.accounts.append(
            {
                "parent": parent,
                "caps": caps,
                "depth": depth,
                "closed": False,
                "reopens": None,
                "renews": False,
                "opened": self.window,
                "breached": False,
                "ratio": Fraction(1),
                "kept": dict.fromkeys(DIMENSIONS, 0),
                "priced": 0,
                "aside": False,
                **rest,
            }
        )

    def path(self, at: int | None) -> list[int]:
        """Return the account and all above it."""
        return [] if at is None else [at, *self.path(self.accounts[at]["parent"])]

    def add_up(self) -> None:
        """Sum up everything, from the leaves to the root."""
        count = len(self.accounts)
        drawn: list[Drawn] = [{} for _ in range(count)]
        for call in self.calls:
            units = call["bound"] if call["open"] else call["spent"]
            which = int(call["open"])
            table = _table(drawn[call["at"]], call["window"])
            for name in DIMENSIONS:
                table[name][which] += units[name]
                if call["answer"]:
                    table[name][2 + which] += units[name]
        self.spent, self.held, self.past, self.answers = [], [], [], []
        # Children stand behind their parents.
        for at in reversed(range(count)):
            account = self.accounts[at]
            before, now = ([[0] * 4 for _ in DIMENSIONS] for _ in "ab")
            for window, table in drawn[at].items():
                _add(before if account["renews"] and window < self.window else now, table)
            self.spent.insert(0, _named(now, 0))
            self.held.insert(0, _named(now, 1))
            self.past.insert(0, (_named(before, 0), _named(before, 1)))
            self.answers.insert(0, (_named(now, 2), _named(now, 3)))
            if account["parent"] is not None:
                self._draw_above(account, drawn[at], drawn[account["parent"]], now)

    @staticmethod
    def _draw_above(
        account: dict[str, Any], here: Drawn, above: Drawn, now: list[list[int]]
    ) -> None:
        """Draw in the parent what is drawn here: what a set-aside caps, when it was opened."""
        for index, name in enumerate(DIMENSIONS):
            cap = account["caps"][name]
            if account["aside"] and cap is not None:
                spent, held, *answers = now[index]
                keeps = held if account["closed"] else max(cap - spent, held)
                totals = [(account["opened"], [spent, keeps, *answers])]
            else:
                totals = [(window, table[name]) for window, table in here.items()]
            for window, total in totals:
                into = _table(above, window)[name]
                for which, units in enumerate(total):
                    into[which] += units

    def kept(self, at: int, name: str, *, best: bool = False) -> int:
        """What work may not use there; at best, were every hold released."""
        spent, held = self.answers[at]
        used = spent[name] if best else spent[name] + held[name]
        return max(0, self.accounts[at]["kept"][name] - used)

    def caps_above(self, at: int, name: str) -> list[tuple[int, int]]:
        """Which caps bind a request there: up to the first set-aside that paid for it."""
        found: list[tuple[int, int]] = []
        for above in self.path(at):
            cap = self.accounts[above]["caps"][name]
            if cap is not None:
                found.append((above, cap))
                if self.accounts[above]["aside"]:
                    break
        return found

    def room(self, at: int, name: str, *, work: bool = False) -> int | None:
        """What is left there of a dimension; for work, less what is kept back."""
        rooms = [
            max(
                0,
                cap
                - self.spent[above][name]
                - self.held[above][name]
                - (self.kept(above, name) if work else 0),
            )
            for above, cap in self.caps_above(at, name)
        ]
        return min(rooms) if rooms else None

    def refusal(self, at: int, need: Table, *, work: bool) -> type[BudgetError] | None:
        """How a request must be refused; None if it must be granted."""
        if self.accounts[at]["closed"]:
            return LedgerClosed
        busy = False
        for name in DIMENSIONS:
            for above, cap in self.caps_above(at, name):
                free = cap - self.spent[above][name]
                best = free - (self.kept(above, name, best=True) if work else 0)
                now = free - self.held[above][name] - (self.kept(above, name) if work else 0)
                if need[name] > max(0, now):
                    if need[name] > max(0, best):
                        return BudgetExceeded
                    busy = True
        return BudgetBusy if busy else None

    def ratio(self, at: int) -> Fraction:
        """By how much a request there is widened."""
        return max(self.accounts[above]["ratio"] for above in self.path(at))

    def widened(self, at: int, asked: Table) -> Table:
        """What to hold for what is asked."""
        by = self.ratio(at)
        return {
            "tokens": ceil(asked["tokens"] * by),
            "usd": ceil(asked["usd"] * by),
            "calls": asked["calls"],
        }

    def passed(self, at: int, *, held: bool) -> bool:
        """Whether spending (and holds) is above a cap there."""
        return any(
            cap is not None and self.spent[at][name] + (self.held[at][name] if held else 0) > cap
            for name, cap in self.accounts[at]["caps"].items()
        )

    def close(self, at: int, reopens: int | None = None) -> None:
        """Close an account and all below, for good or until that one renews."""
        for below, account in enumerate(self.accounts):
            if at not in self.path(below):
                continue
            if not account["closed"]:
                # What a set-aside had is given back.
                account.update(closed=True, reopens=None if account["aside"] else reopens)
            elif reopens is None:
                account["reopens"] = None
        self.add_up()

    def enter(self, now: float) -> int:
        """Enter the window of now; return how many accounts that opens again."""
        closed = sum(account["closed"] for account in self.accounts)
        if int(now // WINDOW) > self.window:
            self.window = int(now // WINDOW)
            for at, account in enumerate(self.accounts):
                if account["reopens"] is not None:
                    above = self.accounts[account["parent"]] if at else {}
                    # Parents stand before their children: what of them is closed now stays so.
                    account["closed"] = above.get("closed", False)
                    account["reopens"] = above.get("reopens")
            self.add_up()
        return closed - sum(account["closed"] for account in self.accounts)

    def outlived(self, call: dict[str, Any]) -> bool:
        """Whether a window that the call belongs to is over."""
        return call["window"] < self.window and any(
            self.accounts[above]["renews"] for above in self.path(call["at"])
        )

    def know_price(self, at: int, price: int) -> None:
        """Keep reserves given in tokens in money, too."""
        for above in self.path(at):
            kept = self.accounts[above]["kept"]
            kept["usd"] = max(kept["usd"], self.accounts[above]["priced"] * price)

    def settle(self, call: dict[str, Any], actual: Table) -> bool:
        """Record what a call came to; return whether it is a breach."""
        first, earlier = call["open"], call["spent"]
        call.update(open=False, spent=actual, lapsed=False)
        self.add_up()
        path = self.path(call["at"])
        allowed = call["bound"]
        if not first and (
            self.outlived(call) or any(self.passed(above, held=True) for above in path)
        ):
            allowed = earlier
        breach = any(actual[name] > allowed[name] for name in DIMENSIONS)
        if breach:
            for above in path:
                account = self.accounts[above]
                account["breached"] = True
                for name in ("tokens", "usd"):
                    if actual[name] > call["asked"][name] > 0:
                        account["ratio"] = max(
                            account["ratio"], Fraction(actual[name], call["asked"][name])
                        )
        self.close_passed(path)
        return breach

    def close_passed(self, path: list[int]) -> None:
        """Close what a breach has brought above its limit."""
        for above in path:
            account = self.accounts[above]
            if account["breached"] and not account["closed"] and self.passed(above, held=False):
                self.close(above, above if account["renews"] else None)

    def lapse(self, now: float) -> int:
        """Presume spent what nobody has spoken of for too long; return how many calls."""
        over = [call for call in self.calls if call["open"] and call["due"] <= now]
        for call in over:
            self.settle(call, dict(call["bound"]))
            call["lapsed"] = True
        return len(over)


class Season:
    """One tree, its model, and the operations on both."""

    def __init__(
        self, store: Store, clock: list[float], dice: random.Random, seen: Counter[str]
    ) -> None:
        self.clock, self.dice, self.seen = clock, dice, seen
        self.model = Model(clock[0])
        self.ledgers: list[Ledger] = []
        self.holds: list[Hold] = []
        caps = {"tokens": dice.randint(0, 3_000), "usd": dice.randint(0, 2_000), "calls": 120}
        kept: int | Amount = dice.choice((0, dice.randint(0, min(90, caps["tokens"]))))
        if kept and dice.random() < 0.5:
            kept = Amount(0, kept, min(5, caps["usd"]), 2)
        renews = dice.random() < 0.3
        self.ledgers.append(Ledger(_budget(caps, kept, renews=renews), store=store))
        self.model.open(None, dict(caps), renews=renews)
        if isinstance(kept, Amount):
            keeps = {"tokens": kept.tokens, "usd": kept.nanodollars, "calls": kept.calls}
            self.model.accounts[0]["kept"] = keeps
        elif kept:
            self.model.accounts[0].update(kept={"tokens": kept, "usd": 0, "calls": 1}, priced=kept)
        self.model.add_up()
        # How often each is tried; what has nothing to work on gives way to another.
        often = {
            self.reserve: 100,
            self.dispatch: 40,
            self.settle: 80,
            self.release: 15,
            self.extend: 20,
            self.again: 5,
            self.child: 12,
            self.wait: 10,
            self.close: 1,
        }
        self.operations, self.weights = list(often), list(often.values())

    def operate(self) -> None:
        """Do one thing, and check all that it touched."""
        at: int | None = None
        while at is None:
            (do,) = self.dice.choices(self.operations, self.weights)
            at = do()
        for touched in self.model.path(at):
            self.check(touched)

    def check(self, at: int) -> None:
        """Compare what a ledger shows with what it must show, and with the law."""
        model, ledger = self.model, self.ledgers[at]
        spent, held, left = ledger.spent, ledger.held, ledger.remaining
        must = model.spent[at], model.held[at]
        assert _units(spent) == must[0], (at, spent, must)
        assert _units(held) == must[1], (at, held, must)
        assert (left.tokens, left.nanodollars, left.calls) == tuple(
            model.room(at, name) for name in DIMENSIONS
        )
        past = model.past[at]
        assert _units(ledger.past_spent) == past[0], (at, ledger.past_spent, past)
        assert _units(ledger.past_held) == past[1], (at, ledger.past_held, past)
        account = model.accounts[at]
        for name, cap in account["caps"].items():
            # The law.
            assert cap is None or account["breached"] or must[0][name] + must[1][name] <= cap
        assert ledger.closed == account["closed"]

    def units(self) -> Table:
        """A small request."""
        dice = self.dice
        return {
            "tokens": dice.randint(0, 60),
            "usd": dice.choice((0, dice.randint(0, 60))),
            "calls": dice.randint(0, 2),
        }

    def some(self) -> int:
        """Some account."""
        return self.dice.randrange(len(self.ledgers))

    def reserve(self) -> int:
        """Ask for room."""
        model, at, asked = self.model, self.some(), self.units()
        answer = self.dice.random() < 0.3
        price = self.dice.choice((0, 0, self.dice.randint(1, 4)))
        lease = self.dice.choice((5.0, 50.0, 500.0))
        if price:
            model.know_price(at, price)
        bound = model.widened(at, asked)
        refusal = model.refusal(at, bound, work=not answer)
        handle = self.ledgers[at].at(purpose="answer" if answer else "work")
        try:
            hold = handle.reserve(_amount(asked, self.dice), lease=lease, token_price=price)
        except BudgetError as error:
            return self.refused("reserve", at, error, refusal)
        assert refusal is None, (refusal, asked)
        assert _units(hold.bound) == bound
        self.seen["reserved" if bound == asked else "reserved, widened"] += 1
        self.holds.append(hold)
        model.calls.append(
            {
                "at": at,
                "window": model.window,
                "asked": asked,
                "bound": bound,
                "spent": dict.fromkeys(DIMENSIONS, 0),
                "open": True,
                "answer": answer,
                "lease": lease,
                "due": self.clock[0] + lease,
                "sent": False,
                "lapsed": False,
                "final": False,
            }
        )
        model.add_up()
        return at

    def refused(
        self, what: str, at: int, error: BudgetError, must: type[BudgetError] | None
    ) -> int:
        """Check that it was to be refused, and just so."""
        assert type(error) is must, (what, error, must)
        self.seen[f"refused: {what}, {type(error).__name__}"] += 1
        return at

    def pick(self, **like: bool) -> int | None:
        """Some call that is so."""
        fits = [
            number
            for number, call in enumerate(self.model.calls)
            if all(call[key] == value for key, value in like.items())
        ]
        return self.dice.choice(fits) if fits else None

    def dispatch(self) -> int | None:
        """Say that a request goes out; one whose lease has ended is held again."""
        model = self.model
        number = self.pick(lapsed=True) if self.dice.random() < 0.3 else self.pick(open=True)
        if number is None:
            return None
        call = model.calls[number]
        self.holds[number].dispatching()
        self.seen["dispatched" if call["open"] else "dispatched late"] += 1
        call.update(
            open=True,
            sent=True,
            lapsed=False,
            due=self.clock[0] + call["lease"],
            spent=dict.fromkeys(DIMENSIONS, 0),
        )
        model.add_up()
        return int(call["at"])

    def settle(self) -> int | None:
        """Record what a call cost: less, all, now and then more; also one presumed, or estimated."""
        dice, model = self.dice, self.model
        number = self.pick(open=False, final=False) if dice.random() < 0.3 else self.pick(open=True)
        if number is None:
            return None
        call = model.calls[number]
        share = dice.choice((0.0, 1.0, 1.0, dice.random()))
        actual = {name: int(units * share) for name, units in call["bound"].items()}
        if dice.random() < 0.004:
            actual["tokens"] += dice.randint(1, 9)
        kind = (
            "settled"
            if call["open"]
            else "settled, late"
            if call["lapsed"]
            else "settled, an estimate replaced"
        )
        final = dice.random() < 0.9
        spent = _amount(actual, dice)
        self.holds[number].settle(spent, basis="measured" if final else "estimated")
        call.update({"final": final, "as": spent})
        if model.outlived(call):
            kind += ", of an earlier window"
        breach = model.settle(call, actual)
        self.seen[kind] += 1
        self.seen["breaches"] += breach
        return int(call["at"])

    def release(self) -> int | None:
        """Give a hold back, open or presumed; what was sent and presumed stays charged."""
        model = self.model
        number = self.pick(lapsed=True) if self.dice.random() < 0.2 else self.pick(open=True)
        if number is None:
            return None
        call = model.calls[number]
        try:
            self.holds[number].release()
        except HoldSettled:
            assert call["lapsed"]
            assert call["sent"]
            self.seen["refused: release of what was sent"] += 1
            return int(call["at"])
        assert call["open"] or not call["sent"]
        self.seen["released" if call["open"] else "released late"] += 1
        del model.calls[number], self.holds[number]
        model.add_up()
        return int(call["at"])

    def extend(self) -> int | None:
        """Hold more."""
        model = self.model
        number = self.pick(lapsed=True) if self.dice.random() < 0.2 else self.pick(open=True)
        if number is None:
            return None
        call, more = model.calls[number], self.units()
        at = int(call["at"])
        bound = model.widened(at, more)
        late = "" if call["open"] else " late"
        whole = {name: call["bound"][name] + bound[name] for name in DIMENSIONS}
        held_again = {
            "open": True,
            "lapsed": False,
            "due": self.clock[0] + call["lease"],
            "spent": dict.fromkeys(DIMENSIONS, 0),
        }
        moves = model.outlived(call)
        if moves and not model.accounts[at]["closed"]:
            # Heard of again, whatever comes of it; then the whole of it asks for room now.
            call.update(held_again)
            model.calls.remove(call)
            model.add_up()
            refusal = model.refusal(at, whole, work=not call["answer"])
            model.calls.insert(number, call)
            model.add_up()
        else:
            refusal = model.refusal(at, bound, work=not call["answer"])
        try:
            self.holds[number].extend(_amount(more, self.dice))
        except BudgetError as error:
            return self.refused("extend", at, error, refusal)
        assert refusal is None
        self.seen[f"extended{late}{' into a later window' if moves else ''}"] += 1
        call.update(
            held_again,
            window=model.window if moves else call["window"],
            asked={name: call["asked"][name] + more[name] for name in DIMENSIONS},
            bound=whole,
        )
        model.add_up()
        return at

    def again(self) -> int | None:
        """Settle a measured call again: the same way does nothing, another fails."""
        number = self.pick(final=True)
        if number is None:
            return None
        call = self.model.calls[number]
        if self.dice.random() < 0.5:
            self.holds[number].settle(call["as"])
            self.seen["settled, the same again"] += 1
            return int(call["at"])
        other = dict(call["spent"], tokens=call["spent"]["tokens"] + 1)
        try:
            self.holds[number].settle(_amount(other, self.dice))
        except HoldSettled:
            self.seen["refused: another settling"] += 1
            return int(call["at"])
        raise AssertionError("a measured settling was replaced")

    def child(self) -> int | None:
        """Open an account below another: a group, a cap or a set-aside."""
        dice, model, at = self.dice, self.model, self.some()
        if len(self.ledgers) >= WIDTH or model.accounts[at]["depth"] >= DEPTH:
            return None
        caps = {name: dice.choice((None, dice.randint(0, 300))) for name in DIMENSIONS}
        group = all(cap is None for cap in caps.values())
        aside = not group and dice.random() < 0.5
        need = {name: (cap or 0) if aside else 0 for name, cap in caps.items()}
        refusal = model.refusal(at, need, work=True)
        renews = not group and not aside and dice.random() < 0.4
        budget = None if group else _budget(caps, 0, renews=renews)
        try:
            child = self.ledgers[at].child(budget, set_aside=aside)
        except BudgetError as error:
            return self.refused("child", at, error, refusal)
        assert refusal is None
        kind = "set aside" if aside else "grouped" if group else "capped"
        self.seen[kind + (", renewing" if renews else "")] += 1
        self.ledgers.append(child)
        model.open(at, caps, aside=aside, renews=renews)
        model.add_up()
        return len(self.ledgers) - 1

    def wait(self) -> int:
        """Let time pass, and leases end."""
        self.clock[0] += self.dice.choice((1, 10, 40))
        self.seen["waited"] += 1
        window = self.model.window
        self.seen["opened again"] += self.model.enter(self.clock[0])
        self.seen["windows entered"] += self.model.window > window
        self.seen["leases ended"] += self.model.lapse(self.clock[0])
        return self.some()

    def close(self) -> int | None:
        """Close a ledger, though not the root."""
        at = self.some()
        if not at:
            return None
        self.ledgers[at].close()
        self.model.close(at)
        self.seen["closed"] += 1
        return at

    def end(self) -> None:
        """The receipt adds up, in every ledger."""
        for at, ledger in enumerate(self.ledgers):
            self.check(at)
            receipt = ledger.receipt
            lines = sum(line.spent.tokens for line in receipt.lines)
            assert lines == receipt.spent.tokens + receipt.past_spent.tokens
        self.seen["closed by a breach"] += sum(
            account["breached"] and account["closed"] for account in self.model.accounts
        )


def _table(drawn: Drawn, window: int) -> dict[str, list[int]]:
    """What is drawn in that window."""
    if window not in drawn:
        drawn[window] = {name: [0] * 4 for name in DIMENSIONS}
    return drawn[window]


def _add(sums: list[list[int]], table: dict[str, list[int]]) -> None:
    for total, name in zip(sums, DIMENSIONS, strict=True):
        for which, units in enumerate(table[name]):
            total[which] += units


def _named(sums: list[list[int]], which: int) -> Table:
    return {name: total[which] for name, total in zip(DIMENSIONS, sums, strict=True)}


def _units(amount: Amount) -> Table:
    return {"tokens": amount.tokens, "usd": amount.nanodollars, "calls": amount.calls}


def _amount(units: Table, dice: random.Random) -> Amount:
    read = dice.randint(0, units["tokens"])
    return Amount(read, units["tokens"] - read, units["usd"], units["calls"])


def _budget(caps: dict[str, int | None], kept: int | Amount, *, renews: bool) -> Budget:
    usd = caps["usd"]
    return Budget(
        tokens=caps["tokens"],
        usd=None if usd is None else f"{usd}e-9",
        calls=caps["calls"],
        answer_reserve=kept,
        per="minute" if renews else None,
    )


def play(kind: str, operations: int, seed: int, folder: Path) -> Counter[str]:
    """Play so many operations, checking each; return how many there were of each kind."""
    dice, clock, seen = random.Random(seed), [0.0], Counter[str]()
    stores: dict[str, Callable[[], Store]] = {
        "memory": lambda: MemoryStore(clock=lambda: clock[0]),
        "sqlite": lambda: SQLiteStore(folder / "law.db", clock=lambda: clock[0]),
    }
    # Any other is the URL of a server.
    store = stores.get(kind, lambda: RedisStore(kind, clock=lambda: clock[0]))()
    for start in range(0, operations, SEASON):
        season = Season(store, clock, dice, seen)
        for step in range(min(SEASON, operations - start)):
            try:
                season.operate()
            except BaseException as error:
                error.add_note(f"seed {seed}, operation {start + step}")
                raise
        season.end()
        store.discard(season.ledgers[0].id)
    return seen


def main() -> None:
    """Play, and print what was played."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", help="memory, sqlite or redis://…; the first two if not given")
    parser.add_argument("--operations", type=int, help="how many; 1,000,000 in memory")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for kind in (options.store,) if options.store else tuple(OPERATIONS):
        count = options.operations or OPERATIONS.get(kind, OPERATIONS["sqlite"])
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            seen = play(kind, count, options.seed, Path(folder))
        seconds = time.perf_counter() - start
        print(
            f"{kind}, seed {options.seed}: the law held at each of {count:,} operations "
            f"({seconds:,.0f} s, {count / seconds:,.0f} operations/s, all checks included)"
        )
        for name, times in sorted(seen.items()):
            print(f"  {name:<34}{times:>10,}")


if __name__ == "__main__":
    main()
