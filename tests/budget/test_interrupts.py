"""Ctrl-C, or a time-out raised by a signal handler, wherever CPython can deliver it."""

from __future__ import annotations

import ctypes
import dis
import sys
import threading
from collections import defaultdict
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import shoestring.budget as package
from shoestring.budget import (
    Amount,
    Budget,
    BudgetBusy,
    BudgetExceeded,
    Hold,
    Ledger,
    MemoryStore,
    RedisStore,
    SQLiteStore,
)
from shoestring.budget.conformance import Clock
from shoestring.budget.tree.tree import Tree
from shoestring.budget.tree.waiting import ThreadGate

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    from shoestring.budget import Store

PACKAGE = str(Path(package.__file__).resolve().parent)
# CPython looks for interrupts where a function begins, behind calls, and where a loop goes round.
CHECKED = {"CALL", "CALL_FUNCTION_EX", "CALL_KW", "JUMP_BACKWARD"}


class Interrupted(BaseException):
    """What a signal handler raises."""


class Interrupter:
    """Has the interpreter deliver `Interrupted` at the n-th point of a call where it could.

    Only in the package under test: what interrupts the caller's own code is the caller's.
    """

    def __init__(self, point: int) -> None:
        self.left = point
        # Asked for by a look-up, not a call: a call would be interrupted itself.
        deliver = ctypes.pythonapi.PyThreadState_SetAsyncExc
        thread = ctypes.c_ulong(threading.get_ident())
        self._now: defaultdict[None, object] = defaultdict(
            partial(deliver, thread, ctypes.py_object(Interrupted))
        )

    def run(self, call: Callable[[], object]) -> bool:
        """Run `call`; return whether it was interrupted."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            call()
        except Interrupted:
            return True
        finally:
            sys.settrace(before)
        return False

    def _enter(self, frame: FrameType, event: str, arg: object) -> Any:
        if not ours(frame.f_code.co_filename):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._step

    def _step(self, frame: FrameType, event: str, arg: object) -> Any:
        if event != "opcode":
            return self._step
        if frame.f_lasti in points(frame.f_code):
            self.left -= 1
            if not self.left:
                self._now[None]
        return self._step


@cache
def ours(file: str) -> bool:
    """Whether a file is part of the package under test."""
    return str(Path(file).resolve()).startswith(PACKAGE)


@cache
def points(code: CodeType) -> frozenset[int]:
    """Return where in `code` an interrupt can be delivered."""
    return frozenset(at.offset for at in dis.get_instructions(code) if at.opname in CHECKED)


class Scene:
    """A tree of both kinds of children, with a hold in each state of its life."""

    def __init__(self, store: Store, clock: Clock) -> None:
        # Far from any other scene, and at the start of a window: the time of a file only grows.
        self.start = clock.now = (clock.now // 6_000 + 1) * 6_000
        self.clock = clock
        self.root = Ledger(
            Budget(tokens=1_000, usd=1, calls=50, answer_reserve=Amount(50, 0, 7, 1)), store=store
        )
        self.aside = self.root.child(Budget(tokens=400), name="aside", set_aside=True)
        self.inner = self.aside.child(Budget(tokens=200, calls=9), name="inner", set_aside=True)
        self.cap = self.root.child(Budget(tokens=500), name="cap")
        self.fresh = self.inner.reserve(Amount(60, 20, 9, 1), lease=9_000)
        self.sent = self.cap.at(purpose="answer").reserve(Amount(70, 30, 5, 1), lease=9_000)
        self.sent.dispatching()
        self.guess = self.aside.reserve(Amount(80, 0, 0, 1), lease=9_000)
        self.guess.settle(Amount(40, 0, 0, 1), basis="estimated")
        self.late = self.inner.reserve(Amount(30, 10, 0, 1), lease=10)
        self.got: list[Hold] = []
        self.kids: list[Ledger] = []
        self.minute = self.cap.child(Budget(tokens=90, answer_reserve=9, per="minute"))
        self.old = self.minute.at(purpose="answer").reserve(Amount(20, 5, 0, 1), lease=9_000)
        self.minute.reserve(Amount(10)).settle(Amount(40))  # a breach, within its limit
        self.summed = (self.root, self.aside, self.inner, self.cap)
        self.ledgers = (*self.summed, self.minute)

    def state(self) -> list[object]:
        """All that can be seen, less what has no place in a comparison."""
        seen: list[object] = []
        for ledger in self.ledgers:
            receipt = ledger.receipt
            lines = [(x.what, x.reserved, x.spent, x.basis, x.detail) for x in receipt.lines]
            answer = ledger.at(purpose="answer")
            seen += [sorted(lines, key=str), receipt.spent, receipt.held, receipt.remaining]
            seen += [ledger.own_spent, ledger.closed, ledger.affordable(), answer.affordable()]
        return seen

    def check(self) -> None:
        """The sums are those of the receipts, in every ledger; and no cap is passed unsaid."""
        for ledger in self.summed:
            receipt = ledger.receipt
            spent = open_ = 0
            for line in receipt.lines:
                spent += line.spent.tokens
                open_ += line.reserved.tokens if line.detail == "still held" else 0
            assert receipt.spent.tokens == spent
            assert receipt.held.tokens >= open_
            limit = ledger.limit.tokens
            passed = any(line.spent.tokens > line.reserved.tokens + 30 for line in receipt.lines)
            assert limit is None or passed or spent + receipt.held.tokens <= limit
        # What a set-aside has not drawn is held above, and nothing else is.
        inner = 0 if self.inner.closed else max(0, 200 - _used(self.inner))
        aside = 0 if self.aside.closed else max(0, 400 - _used(self.aside))
        assert self.aside.held.tokens == inner + _open(self.aside)
        kids = 50 * len(self.kids)
        assert self.root.held.tokens == inner + aside + kids + _open(self.root)


def _open(ledger: Ledger) -> int:
    return sum(x.reserved.tokens for x in ledger.receipt.lines if x.detail == "still held")


def _used(ledger: Ledger) -> int:
    return ledger.spent.tokens + ledger.held.tokens


def _leave(scene: Scene) -> None:
    with scene.sent:
        pass


def _grow_again(scene: Scene) -> None:
    scene.clock.now = scene.start + 20
    scene.late.extend(Amount(5))


def _grow_into_a_window(scene: Scene) -> None:
    scene.clock.now = scene.start + 70
    scene.old.extend(Amount(5))


def _settle_in_a_later_window(scene: Scene) -> None:
    scene.clock.now = scene.start + 70
    scene.old.settle(Amount(7))


def _say_it_late(scene: Scene) -> None:
    scene.clock.now = scene.start + 20
    scene.late.settle(Amount(7))


STEPS: dict[str, Callable[[Scene], object]] = {
    "ask": lambda scene: scene.got.append(scene.inner.reserve(Amount(10, 5, 3, 1), lease=9_000)),
    "ask at a price": lambda scene: scene.got.append(
        scene.cap.reserve(Amount(10, 5, 3, 1), lease=9_000, token_price=9)
    ),
    "ask for a set-aside": lambda scene: scene.kids.append(
        scene.root.child(Budget(tokens=50), set_aside=True)
    ),
    "dispatch": lambda scene: scene.fresh.dispatching(),
    "extend": lambda scene: scene.fresh.extend(Amount(5, 0, 0, 1)),
    "settle": lambda scene: scene.sent.settle(Amount(11, 3, 1, 1)),
    "settle a guess": lambda scene: scene.guess.settle(Amount(70, 0, 0, 1)),
    "breach": lambda scene: scene.fresh.settle(Amount(300, 20, 9, 1)),
    "release": lambda scene: scene.fresh.release(),
    "leave": _leave,
    "settle late": _say_it_late,
    "extend late": _grow_again,
    "close": lambda scene: scene.inner.close(),
    "extend in a later window": _grow_into_a_window,
    "settle in a later window": _settle_in_a_later_window,
    "note": lambda scene: scene.cap.note("plan", "told"),
}


@pytest.fixture
def clocked(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Store, Clock]:
    clock = Clock()
    if kind == "memory":
        return MemoryStore(clock=clock), clock
    if kind == "redis":
        return RedisStore(request.getfixturevalue("redis_server").url, clock=clock), clock
    return SQLiteStore(tmp_path / "ledgers.db", clock=clock), clock


# In a file each step is a transaction, and all of them are rolled back alike, and a server keeps all of
# it or nothing: some will do.
FILED = ("ask", "ask for a set-aside", "settle", "release", "extend late")
SERVED = [pytest.mark.redis, pytest.mark.slow]


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        *(("memory", step) for step in STEPS),
        *(pytest.param("sqlite", step, marks=pytest.mark.slow) for step in FILED),
        *(pytest.param("redis", step, marks=SERVED) for step in FILED),
    ],
)
def test_an_interrupt_in_a_step_leaves_all_of_it_or_nothing(
    clocked: tuple[Store, Clock], step: str
) -> None:
    """Interrupted at every point in turn, a step has happened or not; then it can be done again."""
    act = STEPS[step]
    whole = Scene(*clocked)
    at_first = whole.state()
    act(whole)
    in_the_end, passed = whole.state(), whole.clock.now - whole.start
    whole.check()
    overdue = Scene(*clocked)
    overdue.clock.now += passed
    # Time passes by itself: a lease that ends in a step has ended, whatever becomes of the step.
    before = (at_first, overdue.state())
    point = 0
    while True:
        point += 1
        scene = Scene(*clocked)
        if not Interrupter(point).run(partial(act, scene)):
            break
        scene.check()
        state = scene.state()
        assert state in before or state == in_the_end, f"torn at point {point}"
        if step.startswith("ask"):
            # Who was interrupted has no hold: none is kept for him, though what he said is known.
            assert (scene.root.held, scene.root.spent) == (at_first[2], at_first[1])
        elif state != in_the_end:
            act(scene)
            assert scene.state() == in_the_end, f"cannot be done again after point {point}"
    assert point > 5


@pytest.mark.parametrize(
    "kind",
    ["memory", "sqlite", pytest.param("redis", marks=pytest.mark.redis)],
)
def test_an_interrupt_swallows_no_call_back(clocked: tuple[Store, Clock]) -> None:
    """Interrupted at every point of a settling, whoever is to be told of it is, at the next step at last."""
    point = 0
    while True:
        point += 1
        ledger = Ledger(Budget(tokens=100), store=clocked[0])
        told: list[float] = []
        ledger.on_spend(lambda event, told=told: told.append(event.share), at=[0.5])  # type: ignore[misc]  # bound now
        hold = ledger.reserve(Amount(60))
        interrupted = Interrupter(point).run(lambda hold=hold: hold.settle(Amount(55)))  # type: ignore[misc]
        hold.settle(Amount(55))
        assert set(told) == {0.5}, f"at point {point}"
        assert len(told) <= 1 + interrupted, f"at point {point}"
        ledger.reserve(Amount(1)).release()
        assert len(told) <= 1 + interrupted, f"told again after point {point}"
        if not interrupted:
            break
    assert point > 20


def test_an_interrupt_wakes_whom_it_makes_room_for() -> None:
    """Interrupted at every point, a release never takes room from those who wait and leaves them asleep."""
    point = 0
    while True:
        point += 1
        ledger = Ledger(Budget(tokens=100))
        tree, origin = ledger._tree, ledger.child(Budget(tokens=80))._origin
        hold = ledger.reserve(Amount(90))
        gates = [ThreadGate() for _ in range(3)]
        for gate in gates:
            tree.run(tree._ask, tree.request(origin, "call", Amount(50), 600.0), 0, gate)
        interrupted = Interrupter(point).run(hold.release)
        woken = [gate.wait(0) for gate in gates]
        # One after the other: each has 50 of the 80 of the child.
        if hold._record.state == "released":
            assert (woken, ledger.held) == ([True, False, False], Amount(50)), f"point {point}"
        else:
            assert (woken, ledger.held) == ([False] * 3, Amount(90)), f"point {point}"
            hold.release()
            assert [gate.wait(0) for gate in gates] == [True, False, False]
        with pytest.raises(BudgetBusy, match="overtake"):
            ledger.reserve(Amount(1))
        if not interrupted:
            break
    assert point > 50


def test_an_interrupted_asker_leaves_the_queue() -> None:
    """Interrupted at every point, one who asks and would wait stands in nobody's way."""
    point = 0
    while True:
        point += 1
        ledger = Ledger(Budget(tokens=100))
        hold = ledger.reserve(Amount(60))

        def ask(ledger: Ledger = ledger) -> None:
            with pytest.raises(BudgetBusy):
                ledger.reserve(Amount(60), wait=1e-9)

        interrupted = Interrupter(point).run(ask)
        ledger.reserve(Amount(40)).release()
        hold.release()
        ledger.reserve(Amount(100)).release()
        assert ledger.receipt.lines == ()
        if not interrupted:
            break
    assert point > 50


def test_a_full_stack_is_an_interrupt() -> None:
    """A step that finds the stack full, at any depth of it, changes nothing or all."""
    ledger = Ledger(Budget(tokens=10**6), store=MemoryStore())
    child = ledger.child(Budget(tokens=10**6), set_aside=True)

    def deeper(left: int) -> None:
        if left:
            deeper(left - 1)
        else:
            child.reserve(Amount(3)).settle(Amount(1))

    limit = sys.getrecursionlimit()
    failed = done = 0
    for depth in range(limit - 120, limit):
        try:
            deeper(depth)
        except RecursionError:
            failed += 1
        else:
            done += 1
        lines = child.receipt.lines
        spent = sum(line.spent.tokens for line in lines)
        assert (ledger.spent.tokens, child.spent.tokens) == (spent, spent)
        assert ledger.held.tokens + spent == 10**6
        assert child.held.tokens == sum(x.reserved.tokens for x in lines if x.basis == "presumed")
    assert failed
    assert done


def test_a_refusal_is_no_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals change nothing: nothing is counted anew for them, however long the receipt."""
    ledger = Ledger(Budget(tokens=10))
    monkeypatch.delattr(Tree, "_mend")
    with pytest.raises(BudgetExceeded):
        ledger.reserve(Amount(11))
    with ledger.reserve(Amount(10)), pytest.raises(BudgetBusy):
        ledger.reserve(Amount(1))
