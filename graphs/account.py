"""Which ledgers pay for a question, their clocks, and their mirror in the state."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shoestring.agents.runs import on_thread, open_account, payer
from shoestring.budget import Budget, BudgetError, Ledger, LedgerNotFound, Store

if TYPE_CHECKING:
    from collections.abc import Generator

    from langgraph.runtime import Runtime

    from shoestring.graphs.state import BudgetContext, BudgetState, Spend

_ROUTE, _PART = ", route ", ", part "
"""Between the id of a ledger and the name of what is set aside from it, in the set-aside's id."""

_ACCOUNT = ("ledger_id", "thread_ledger_id", "route_ledger_id", "purpose")


def open_thread(budget: Budget, runtime: Runtime[BudgetContext], store: Store) -> Ledger:
    """Return the ledger of a LangGraph thread, made on its first question and found again later."""
    parent = payer(runtime.context)
    thread = runtime.execution_info.thread_id if runtime.execution_info else None
    name = f"thread {thread!r}" if thread is not None else f"run {uuid.uuid4().hex}"
    return open_account(budget, name, "thread", store, parent)


def open_question(
    budget: Budget,
    runtime: Runtime[BudgetContext],
    store: Store,
    *,
    parent: Ledger | None,
    turn: int,
) -> Ledger:
    """Return the ledger of one question, its clock stopped.

    Where the state is kept, the id is made of the thread and the turn, so that a run that is resumed,
    retried or rewound goes on with the account it had: rewinding never refunds.

    Args:
        budget: The caps of the question.
        runtime: The run's.
        store: Where ledgers without a parent live.
        parent: The account that pays beside the question's own; None for none.
        turn: Which question of the thread this is, from 1.
    """
    kept = on_thread(runtime)
    name = f"question {uuid.uuid4().hex}" if kept is None else f"{kept}, question {turn}"
    return open_account(budget, name, "question", store, parent)


def find(state: BudgetState, runtime: Runtime[BudgetContext], store: Store) -> Ledger:
    """Return the ledger named in the state.

    Raises:
        LedgerNotFound: If its store no longer has it, as after a restart with a store in memory.
    """
    paying = payer(runtime.context)
    return (store if paying is None else paying.store).ledger(state["ledger_id"])


@contextmanager
def working(
    state: BudgetState, runtime: Runtime[BudgetContext], store: Store, *, beside: bool = False
) -> Generator[Ledger]:
    """Give the ledger a route spends from; the question's clock and its thread's run while a node works.

    That is the route's own set-aside, where it has one, or else the question's, for the purpose that
    the planner chose. Between nodes the
    clocks stand still: a run that waits for a person costs no active time. Of nodes that work
    `beside` each other none stops the clocks, but that one fails: the node that follows them does.
    """
    ledger = find(state, runtime, store)
    clocks = [ledger]
    if ledger.parent is not None and ledger.parent.id == state.get("thread_ledger_id"):
        clocks.append(ledger.parent)
    for clock in clocks:
        clock.resume()
    done = False
    try:
        own = state.get("route_ledger_id")
        paying = ledger.store.ledger(own) if own else ledger
        yield paying.at(purpose=state.get("purpose", "work"))
        done = True
    finally:
        for clock in clocks:
            if not (beside and done):
                clock.pause()


def account_of(state: BudgetState) -> dict[str, object]:
    """Return what a branch carries of the state to find who pays for it."""
    return {key: value for key, value in state.items() if key in _ACCOUNT}


def open_route(question: Ledger, name: str, budget: Budget | None) -> Ledger | None:
    """Set aside what a route may spend; None where nothing is to be, or not all of it is there."""
    if budget is None:
        return None
    return _set_aside(question, f"{_ROUTE}{name}", budget)


def open_part(ledger: Ledger, name: str, budget: Budget) -> Ledger | None:
    """Set aside what one of several branches may spend; None where not all of it is there."""
    return _set_aside(ledger, f"{_PART}{name}", budget)


def _set_aside(ledger: Ledger, suffix: str, budget: Budget) -> Ledger | None:
    """A rewound run finds the set-aside it had, or opens another beside one that was closed."""
    again, ledger_id = 1, f"{ledger.id}{suffix}"
    while True:
        try:
            found = ledger.store.ledger(ledger_id)
        except LedgerNotFound:
            break
        if not found.closed:
            return found
        again += 1
        ledger_id = f"{ledger.id}{suffix}, {again}"
    try:
        return ledger.child(budget, name=suffix.strip(", "), id=ledger_id, set_aside=True)
    except BudgetError:
        return (
            None  # what was affordable a moment ago is held by others now: draw on what comes free
        )


def mirror(ledger: Ledger) -> Spend:
    """Return the state's mirror of a question's ledger: an entry a hold, keyed by its id.

    A route or a branch may hand in its set-aside: the mirror is that of the question all the same.
    """
    while (parent := ledger.parent) is not None and ledger.id.startswith(
        (f"{parent.id}{_ROUTE}", f"{parent.id}{_PART}")
    ):
        ledger = parent
    spend: Spend = {ledger.id: {}}
    for line in ledger.receipt.lines:
        if line.hold:
            spend[line.hold] = {
                "input_tokens": line.spent.input_tokens,
                "output_tokens": line.spent.output_tokens,
                "nanodollars": line.spent.nanodollars,
                "calls": line.spent.calls,
            }
    return spend
