"""Which ledger pays for a question, and its mirror in the state."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from shoestring.budget import Budget, Ledger, LedgerNotFound, MemoryStore

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

    from shoestring.graphs.state import BudgetContext, BudgetState, Spend


def open_question(
    budget: Budget,
    *,
    store: MemoryStore,
    parent: Ledger | None,
    thread_id: str | None,
    thread_budget: Budget | None,
    turn: int,
) -> Ledger:
    """Return the ledger of one question, made on its first visit and found again on every later one.

    On a thread its id is made of the thread and the turn, so that a run that is resumed, retried or
    rewound goes on with the account it had: rewinding never refunds.

    Args:
        budget: The caps of the question.
        store: Where ledgers without a parent live.
        parent: The account that pays beside the question's own; None for none.
        thread_id: The LangGraph thread; None for a run without one.
        thread_budget: Caps of the whole thread; None for none.
        turn: Which question of the thread this is, from 1.
    """
    if parent is not None:
        store = parent.store
    if thread_id is None:
        return _account(budget, f"question-{uuid.uuid4().hex}", "question", store, parent)
    scope = f"{parent.id}." if parent is not None else ""
    if thread_budget is not None:
        parent = _account(thread_budget, f"{scope}thread-{thread_id}", "thread", store, parent)
        parent.resume()
    return _account(budget, f"{scope}thread-{thread_id}.{turn}", "question", store, parent)


def _account(
    budget: Budget, ledger_id: str, name: str, store: MemoryStore, parent: Ledger | None
) -> Ledger:
    try:
        return store.ledger(ledger_id)
    except LedgerNotFound:
        if parent is not None:
            return parent.child(budget, name=name, id=ledger_id)
        return Ledger(budget, name=name, id=ledger_id, store=store)


def payer(runtime: Runtime[BudgetContext]) -> Ledger | None:
    """Return the account that pays beside the assistant's own; None where the caller named none."""
    # Typed as a BudgetContext, but None where the run was given no context.
    return getattr(runtime.context, "ledger", None)


def find(state: BudgetState, runtime: Runtime[BudgetContext], store: MemoryStore) -> Ledger:
    """Return the ledger named in the state.

    Raises:
        LedgerNotFound: If its store no longer has it, as after a restart with a store in memory.
    """
    paying = payer(runtime)
    return (store if paying is None else paying.store).ledger(state["ledger_id"])


def mirror(ledger: Ledger) -> Spend:
    """Return the state's mirror of a ledger: an entry a hold, keyed by its id."""
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
