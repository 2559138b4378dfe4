"""The law, against an independent model, over random trees and lives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from shoestring.budget import (
    Amount,
    Budget,
    BudgetBusy,
    BudgetExceeded,
    Hold,
    Ledger,
    Period,
    Purpose,
    Store,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from fractions import Fraction

Units = tuple[int, int, int]
ZERO: Units = (0, 0, 0)
caps = st.one_of(st.none(), st.integers(0, 60))
small = st.integers(0, 25)
periods: st.SearchStrategy[Period | None] = st.sampled_from([None, "minute", "hour"])
SECONDS = {"minute": 60, "hour": 3_600}
# Drawn when, held and spent, in one dimension.
Flow = tuple[float, int, int]


def three(figures: Iterable[int]) -> Units:
    """Return tokens, money and calls."""
    tokens, money, calls = figures
    return tokens, money, calls


def plus(one: Units, other: Units) -> Units:
    """Return the sum."""
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2])


@dataclass(eq=False)
class Call:
    """What the model knows of a hold."""

    hold: Hold
    node: Node
    bound: Units
    purpose: str
    at: float
    due: float
    lease: int
    sent: bool = False
    open: bool = True
    spent: Units = ZERO
    lapsed: bool = False


@dataclass(eq=False)
class Node:
    """What the model knows of a ledger: recomputed from its calls whenever it is asked."""

    ledger: Ledger
    limit: tuple[int | None, int | None, int | None]
    parent: Node | None
    now: Callable[[], float]
    per: Period | None = None
    set_aside: bool = False
    opened: float = 0.0
    reserve: Units = ZERO
    closed: bool = False
    calls: list[Call] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    def path(self) -> list[Node]:
        return [self, *(self.parent.path() if self.parent else [])]

    def all_calls(self) -> list[Call]:
        return [*self.calls, *(call for child in self.children for call in child.all_calls())]

    def window(self, at: float) -> int:
        """Return which window a time is in; without windows, all are in one."""
        return 0 if self.per is None else int(at // SECONDS[self.per])

    def current(self, at: float) -> bool:
        return self.window(at) == self.window(self.now())

    def flows(self, index: int) -> list[Flow]:
        """Return what is drawn here, one dimension of it."""
        own = [(c.at, c.bound[index] if c.open else 0, c.spent[index]) for c in self.calls]
        return [*own, *(flow for child in self.children for flow in child.above(index))]

    def above(self, index: int) -> list[Flow]:
        """Return what is drawn in the parent: the calls', or what was set aside once for them all."""
        flows, cap = self.flows(index), self.limit[index]
        if not self.set_aside or cap is None:
            return flows
        held, spent = sum(flow[1] for flow in flows), sum(flow[2] for flow in flows)
        return [(self.opened, held if self.closed else max(cap - spent, held), spent)]

    def sums(self, *, past: bool = False) -> tuple[Units, Units]:
        """Return what is spent and what is held, in the current window or in those before."""
        flows = [[f for f in self.flows(i) if self.current(f[0]) != past] for i in range(3)]
        return (
            three(sum(flow[2] for flow in dimension) for dimension in flows),
            three(sum(flow[1] for flow in dimension) for dimension in flows),
        )

    def used(self, call: Call, units: Units) -> Units:
        """Return the part of a call's units that is drawn in the current window."""
        found: list[int] = []
        for index in range(3):
            at = call.at
            for below in call.node.path()[: -len(self.path())]:
                if below.set_aside and below.limit[index] is not None:
                    at = below.opened
            found.append(units[index] if self.current(at) else 0)
        return three(found)

    def kept(self, *, at_best: bool = False) -> Units:
        used = ZERO
        for call in self.all_calls():
            if call.purpose == "answer":
                used = plus(used, self.used(call, call.spent))
                if call.open and not at_best:
                    used = plus(used, self.used(call, call.bound))
        return three(max(0, r - u) for r, u in zip(self.reserve, used, strict=True))


class LedgerMachine(RuleBasedStateMachine):
    """Random reservations, lives of holds, children and time, on a tree of ledgers."""

    def open_store(self, clock: Callable[[], float]) -> Store:
        """Return an empty store on that clock."""
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.nodes: list[Node] = []

    @initialize(per=periods)
    def open_root(self, per: Period | None) -> None:
        budget = Budget(
            tokens=100, usd="0.0000001", calls=40, answer_reserve=Amount(20, 0, 10, 2), per=per
        )
        root = Ledger(budget, store=self.open_store(self.time))
        self.nodes = [Node(root, (100, 100, 40), None, self.time, per, reserve=(20, 10, 2))]
        # A start from which most of the law is a few steps away.
        self.open_child(index=0, tokens=40, money=None, calls=None, set_aside=True, per=None)
        self.open_child(index=0, tokens=60, money=50, calls=None, set_aside=False, per="minute")

    def time(self) -> float:
        return self.now

    def node(self, index: int) -> Node:
        return self.nodes[index % len(self.nodes)]

    def open_calls(self) -> list[Call]:
        return [call for call in self.nodes[0].all_calls() if call.open]

    def refusal(self, node: Node, need: Units, purpose: str) -> type[Exception] | None:
        """Decide from the model alone whether `need` fits at `node`, and how it fails."""
        covered = [False, False, False]
        busy = False
        for above in node.path():
            spent, held = above.sums()
            kept = above.kept() if purpose == "work" else ZERO
            least = above.kept(at_best=True) if purpose == "work" else ZERO
            for index in range(3):
                cap = above.limit[index]
                if cap is None or covered[index] or not need[index]:
                    continue
                if spent[index] + need[index] + least[index] > cap:
                    return BudgetExceeded
                busy = busy or spent[index] + held[index] + need[index] + kept[index] > cap
            if above.set_aside:
                covered = [
                    c or cap is not None for c, cap in zip(covered, above.limit, strict=True)
                ]
        return BudgetBusy if busy else None

    @rule(
        index=small,
        tokens=small,
        money=small,
        calls=st.integers(0, 2),
        purpose=st.sampled_from(["work", "answer"]),
        lease=st.one_of(st.integers(1, 30), st.just(10_000)),
    )
    def reserve(
        self, *, index: int, tokens: int, money: int, calls: int, purpose: Purpose, lease: int
    ) -> None:
        node = self.node(index)
        if node.closed:
            return
        need = (tokens, money, calls)
        bound = Amount(tokens // 2, tokens - tokens // 2, money, calls)
        refusal = self.refusal(node, need, purpose)
        handle = node.ledger.at(purpose=purpose)
        if refusal:
            with pytest.raises(refusal):
                handle.reserve(bound)
        else:
            hold = handle.reserve(bound, lease=lease)
            due = self.now + lease
            node.calls.append(Call(hold, node, need, purpose, self.now, due, lease))

    @rule(index=small, purpose=st.sampled_from(["work", "answer"]))
    def reserve_all_that_is_affordable(self, *, index: int, purpose: Purpose) -> None:
        node = self.node(index)
        if node.closed:
            return
        handle = node.ledger.at(purpose=purpose)
        room = handle.affordable()
        assert room.tokens is not None
        handle.reserve(Amount(room.tokens, 0, room.nanodollars or 0, room.calls or 0)).release()

    @precondition(lambda self: self.open_calls())
    @rule(index=small)
    def dispatch(self, index: int) -> None:
        call = self.open_calls()[index % len(self.open_calls())]
        call.hold.dispatching()
        call.sent = True
        call.due = self.now + call.lease

    @precondition(lambda self: self.open_calls())
    @rule(index=small, share=st.fractions(0, 1), release=st.booleans())
    def finish(self, *, index: int, share: Fraction, release: bool) -> None:
        call = self.open_calls()[index % len(self.open_calls())]
        if release:
            call.hold.release()
        else:
            call.spent = three(int(units * share) for units in call.bound)
            call.hold.settle(Amount(0, *call.spent))
        call.open = False

    @precondition(lambda self: self.open_calls())
    @rule(index=small, tokens=small, money=small)
    def extend(self, *, index: int, tokens: int, money: int) -> None:
        call = self.open_calls()[index % len(self.open_calls())]
        node = call.node
        if node.closed:
            return
        more: Units = (tokens, money, 0)
        outlived = not all(above.current(call.at) for above in node.path())
        if outlived:
            call.open = False
        need = plus(call.bound, more) if outlived else more
        refusal = self.refusal(node, need, call.purpose)
        call.open = True
        if refusal:
            with pytest.raises(refusal):
                call.hold.extend(Amount(tokens, 0, money))
            return
        call.hold.extend(Amount(tokens, 0, money))
        call.bound = plus(call.bound, more)
        call.at = self.now if outlived else call.at
        call.due = self.now + call.lease

    @rule(seconds=st.one_of(st.integers(1, 20), st.sampled_from([30, 60, 3_600])))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        for call in self.open_calls():
            if call.due <= self.now:
                call.open, call.spent, call.lapsed = False, call.bound, True

    @precondition(lambda self: any(call.lapsed for call in self.nodes[0].all_calls()))
    @rule(share=st.fractions(0, 1))
    def settle_late(self, share: Fraction) -> None:
        call = next(call for call in self.nodes[0].all_calls() if call.lapsed)
        call.spent = three(int(units * share) for units in call.bound)
        call.hold.settle(Amount(0, *call.spent))
        call.lapsed = False

    @precondition(lambda self: len(self.nodes) < 8)
    @rule(
        index=small,
        tokens=caps,
        money=caps,
        calls=caps,
        set_aside=st.booleans(),
        per=periods,
    )
    def open_child(
        self,
        *,
        index: int,
        tokens: int | None,
        money: int | None,
        calls: int | None,
        set_aside: bool,
        per: Period | None,
    ) -> None:
        parent = self.node(index)
        limit = (tokens, money, calls)
        if parent.closed or limit == (None, None, None):
            return
        usd = None if money is None else f"{money}e-9"
        per = None if set_aside else per
        budget = Budget(tokens=tokens, usd=usd, calls=calls, per=per)
        need = three(cap or 0 for cap in limit)
        refusal = self.refusal(parent, need, "work") if set_aside else None
        if refusal:
            with pytest.raises(refusal):
                parent.ledger.child(budget, set_aside=True)
            return
        ledger = parent.ledger.child(budget, set_aside=set_aside)
        child = Node(ledger, limit, parent, self.time, per, set_aside, self.now)
        parent.children.append(child)
        self.nodes.append(child)

    @precondition(lambda self: len(self.nodes) > 1)
    @rule(index=small)
    def close(self, index: int) -> None:
        node = self.nodes[1 + index % (len(self.nodes) - 1)]
        node.ledger.close()
        stack = [node]
        while stack:
            below = stack.pop()
            below.closed = True
            stack.extend(below.children)

    @invariant()
    def totals_equal_the_model(self) -> None:
        for node in self.nodes:
            ledger = node.ledger
            seen = (ledger.spent, ledger.held, ledger.past_spent, ledger.past_held)
            assert [(a.tokens, a.nanodollars, a.calls) for a in seen] == [
                *node.sums(),
                *node.sums(past=True),
            ]
            own = [node.used(call, call.spent) for call in node.calls]
            assert ledger.own_spent.tokens == sum(units[0] for units in own)
            assert ledger.closed == node.closed

    @invariant()
    def the_limit_is_never_passed(self) -> None:
        for node in self.nodes:
            spent, held = node.ledger.spent, node.ledger.held
            limit = node.ledger.limit
            assert limit.tokens is None or spent.tokens + held.tokens <= limit.tokens
            assert limit.calls is None or spent.calls + held.calls <= limit.calls
            assert (
                limit.nanodollars is None
                or spent.nanodollars + held.nanodollars <= limit.nanodollars
            )

    @invariant()
    def no_window_ever_passes_its_limit(self) -> None:
        for node in self.nodes:
            for index, cap in enumerate(node.limit):
                drawn: dict[int, int] = {}
                for at, held, spent in node.flows(index):
                    window = node.window(at)
                    drawn[window] = drawn.get(window, 0) + held + spent
                assert cap is None or max(drawn.values(), default=0) <= cap

    @invariant()
    def work_never_uses_the_reserve(self) -> None:
        root = self.nodes[0]
        work = ZERO
        for call in root.all_calls():
            if call.purpose == "work":
                work = plus(work, root.used(call, call.bound if call.open else call.spent))
        assert work[0] <= 80
        assert work[1] <= 90
        assert work[2] <= 38

    @invariant()
    def the_receipt_adds_up(self) -> None:
        receipt = self.nodes[0].ledger.receipt
        lines = sum(line.spent.tokens for line in receipt.lines)
        assert lines == receipt.spent.tokens + receipt.past_spent.tokens


def law_machine(open_store: Callable[[Callable[[], float]], Store]) -> type[LedgerMachine]:
    """Return a hypothesis state machine over the ledgers of a store.

    Args:
        open_store: Returns an empty store on the given clock; called once an example.
    """

    class StoreMachine(LedgerMachine):
        def open_store(self, clock: Callable[[], float]) -> Store:
            return open_store(clock)

    return StoreMachine
