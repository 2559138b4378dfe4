"""The life of a hold, broken off between every two of its steps: cancelled, forked, pickled, killed."""

from __future__ import annotations

import asyncio
import pickle
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from shoestring.budget import (
    Amount,
    Budget,
    BudgetExceeded,
    Ledger,
    LedgerClosed,
    MemoryStore,
    SQLiteStore,
    open_store,
)
from shoestring.budget.errors import BudgetBusy, HoldSettled
from shoestring.budget.stores.session import pause

if TYPE_CHECKING:
    from pathlib import Path

    from shoestring.budget import Store

LONG = 60.0

# A life in steps, as each process of these tests knows it. A late settling comes after the first.
STEPS = """
import os, pickle, signal, sys
from shoestring.budget import *

def ask(ledger, hold):
    return ledger.reserve(Amount(60, 0, 0, 1), what="lived")

def dispatch(ledger, hold):
    hold.dispatching()

def extend(ledger, hold):
    hold.extend(Amount(10))

def guess(ledger, hold):
    hold.settle(Amount(50, 0, 0, 1), basis="estimated")

def settle(ledger, hold):
    hold.settle(Amount(40, 0, 0, 1))

STEPS = (ask, dispatch, extend, guess, settle)

def live(ledger, hold, steps):
    for step in steps:
        hold = step(ledger, hold) or hold
    return hold
"""
# After so many steps: what is charged if nothing more is heard, and on what basis.
CHARGED = [(0, None), (60, "presumed"), (60, "presumed"), (70, "presumed"), (50, "estimated")]
CHARGED.append((40, "measured"))
EVERY_STEP = pytest.mark.parametrize("after", range(len(CHARGED)))


def run(code: str, *args: object, told: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run `code` in a process of its own, to its end."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", STEPS + code, *map(str, args)],
        input=told,
        stdout=subprocess.PIPE,
        timeout=LONG,
        check=False,
    )


@EVERY_STEP
def test_a_process_killed_at_any_step_leaves_what_it_did(place: str, after: int) -> None:
    """Kill -9 after each step, then reopened: an open hold is charged in full, once; what is settled stands."""
    Ledger(Budget(tokens=100), id="root", store=open_store(place)).child(id="run")
    done = run(
        """
live(open_store(sys.argv[1]).ledger("run"), None, STEPS[:int(sys.argv[2])])
os.kill(os.getpid(), signal.SIGKILL)
""",
        place,
        after,
    )
    assert done.returncode == -signal.SIGKILL
    spent, basis = CHARGED[after]
    for _ in range(2):
        ledger = open_store(place).ledger("root")
        assert (ledger.spent.tokens, ledger.held) == (spent, Amount())
        assert [line.basis for line in ledger.receipt.lines] == ([basis] if basis else [])


@EVERY_STEP
def test_a_late_word_after_a_kill_corrects_what_was_presumed(place: str, after: int) -> None:
    """Who finds out later what a killed process spent may say so: it replaces what is no measurement."""
    ledger = Ledger(Budget(tokens=100), id="run", store=open_store(place))
    done = run(
        """
hold = live(open_store(sys.argv[1]).ledger("run"), None, STEPS[:int(sys.argv[2])])
sys.stdout.buffer.write(pickle.dumps(hold))
sys.stdout.flush()
os.kill(os.getpid(), signal.SIGKILL)
""",
        place,
        after,
    )
    again = open_store(place).ledger("run")
    hold = pickle.loads(done.stdout)
    if hold is not None:
        hold.settle(Amount(40, 0, 0, 1))
        hold.settle(Amount(40, 0, 0, 1))
    assert again.spent.tokens == ledger.spent.tokens == (40 if after else 0)


@EVERY_STEP
def test_a_life_goes_on_in_another_process_after_any_step(place: str, after: int) -> None:
    """Pickled after each step, ledger and hold live on elsewhere; here they show what they became there."""
    ledger = Ledger(Budget(tokens=100), store=open_store(place)).child(Budget(tokens=90))
    world: dict[str, Any] = {}
    exec(STEPS, world)
    live, steps = world["live"], world["STEPS"]
    hold = live(ledger, None, steps[:after])
    done = run(
        """
ledger, hold = pickle.loads(sys.stdin.buffer.read())
live(ledger, hold, STEPS[int(sys.argv[1]):])
""",
        after,
        told=pickle.dumps((ledger, hold)),
    )
    assert done.returncode == 0
    assert (ledger.spent, ledger.held) == (Amount(40, 0, 0, 1), Amount())
    if hold is not None:
        assert hold.state == "settled"
        hold.settle(Amount(40, 0, 0, 1))
    assert len(ledger.receipt.lines) == 1


FORK = """
ledger = Ledger(Budget(tokens=100), store=open_store(sys.argv[1]) if sys.argv[1] else None)
after = int(sys.argv[2])
hold = live(ledger, None, STEPS[:after])
pid = os.fork()
if pid == 0:
    try:
        live(ledger, hold, STEPS[after:])
    except LedgerNotPortable:
        os._exit(7)
    sys.exit(0)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
if not sys.argv[1]:
    # Nothing is left to do for the last: it asked for nothing.
    assert code == (7 if after < len(STEPS) else 0), code
    live(ledger, hold, STEPS[after:])
else:
    assert code == 0, code
assert (ledger.spent, ledger.held) == (Amount(40, 0, 0, 1), Amount()), ledger.receipt
assert len(ledger.receipt.lines) == 1
"""


@EVERY_STEP
def test_a_life_goes_on_in_a_fork_after_any_step(place: str, after: int) -> None:
    """A fork after each step lives the rest of it, on the same account."""
    assert run(FORK, place, after).returncode == 0


@EVERY_STEP
def test_a_life_in_memory_goes_on_where_it_began(after: int) -> None:
    """A fork after each step is refused the rest, and the process that owns the ledger lives on."""
    assert run(FORK, "", after).returncode == 0


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "ledgers.db")


@pytest.mark.parametrize("stage", range(6))
async def test_a_task_cancelled_at_any_await_of_a_life_is_charged_as_far_as_it_came(
    store: Store, stage: int
) -> None:
    """Cancelled before dispatching nothing is charged, after it all that is held, and what is settled stands."""
    ledger = Ledger(Budget(tokens=100), store=store)

    async def maybe(here: int) -> None:
        if here == stage:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        await asyncio.sleep(0)

    async def live() -> None:
        async with await ledger.areserve(Amount(60), wait=LONG) as hold:
            await maybe(0)
            hold.dispatching()
            await maybe(1)
            hold.extend(Amount(10))
            await maybe(2)
            hold.settle(Amount(50), basis="estimated")
            await maybe(3)
            hold.settle(Amount(40))
            await maybe(4)

    done = await asyncio.gather(asyncio.create_task(live()), return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError) == (stage < 5)
    assert ledger.held == Amount()
    assert ledger.spent.tokens == (0, 60, 70, 50, 40, 40)[stage]


@pytest.mark.parametrize("turns", range(8))
async def test_a_task_cancelled_while_it_asks_holds_nothing(store: Store, turns: int) -> None:
    """Cancelled after any number of turns of the loop, whoever asked and got no hold has none."""
    ledger = Ledger(Budget(tokens=100), store=store)
    asking = asyncio.create_task(ledger.areserve(Amount(60), wait=LONG))
    for _ in range(turns):
        await asyncio.sleep(0)
    asking.cancel()
    (got,) = await asyncio.gather(asking, return_exceptions=True)
    if not isinstance(got, BaseException):
        got.release()
    # Whoever still works on the grant must give it back: else this would never fit.
    (await ledger.areserve(Amount(100), wait=LONG)).release()
    assert (ledger.held, ledger.receipt.lines) == (Amount(), ())


def test_pauses_grow_and_are_never_in_step() -> None:
    """Who tries again waits longer each time, up to a bound, and no two wait the same."""
    pauses = [[pause(tries) for tries in range(30)] for _ in range(2)]
    assert not set(pauses[0]) & set(pauses[1])
    assert max(pauses[0][:3]) < min(pauses[0][10:])
    assert max(pauses[0]) <= 0.02


@pytest.mark.parametrize("kind", [BudgetBusy, BudgetExceeded, HoldSettled, LedgerClosed])
def test_every_refusal_is_a_runtime_error(kind: type[Exception]) -> None:
    """LangGraph's default policy retries most other exceptions, and a refusal is no accident."""
    assert issubclass(kind, RuntimeError)
