"""Whose money a run spends: accounts that are found again when the run goes on."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from langgraph.config import get_config

from shoestring.budget import Ledger, LedgerNotFound
from shoestring.budget.opening import find_or_begin

if TYPE_CHECKING:
    from collections.abc import Generator

    from langgraph.runtime import Runtime

    from shoestring.budget import Budget, Store

# Tasks, and the threads that LangChain and LangGraph start, inherit it; a raw thread does not.
_paying: ContextVar[Ledger | None] = ContextVar("shoestring_paying", default=None)


def current_ledger() -> Ledger:
    """Return the ledger of the agent whose tool runs here.

    For a tool that calls a model of its own: `guard(model, current_ledger())`. An agent or an
    assistant with a budget of its own that runs in a tool opens its ledger below this one by itself.

    Raises:
        LedgerNotFound: Outside of a tool of an agent with a budget, and in a thread that the tool
            started by itself, unless in a `contextvars.copy_context()`.
    """
    ledger = _paying.get()
    if ledger is None:
        raise LedgerNotFound(
            "no tool of an agent with a BudgetMiddleware runs here. In a thread of your own, run in "
            "contextvars.copy_context(), or hand the ledger over"
        )
    return ledger


@contextmanager
def paying(ledger: Ledger) -> Generator[None]:
    """Make `ledger` the one that pays for what is opened inside."""
    token = _paying.set(ledger)
    try:
        yield
    finally:
        _paying.reset(token)


def payer(context: object) -> Ledger | None:
    """Return the account above a run's own: the `ledger` of its context, or its caller's; or None."""
    named: object = getattr(context, "ledger", None)
    return named if isinstance(named, Ledger) else _paying.get()


def on_thread(runtime: Runtime[Any]) -> str | None:
    """Return what tells this graph's state on its thread from all others; None if none is kept.

    The state outlives the run only where a checkpointer keeps it: the graph's own, or that of a
    graph whose node runs it, and then for that node's task alone.
    """
    info = runtime.execution_info
    kept = get_config().get("configurable", {}).get("__pregel_checkpointer")
    if info is None or info.thread_id is None or not kept:
        return None
    inside_of = info.checkpoint_ns.rpartition("|")[0]
    return f"thread {info.thread_id!r}" + (f" in {inside_of}" if inside_of else "")


def open_account(
    budget: Budget, ledger_id: str, name: str, store: Store, parent: Ledger | None
) -> Ledger:
    """Return the ledger of that id, made with its clock stopped if it is not there yet.

    Args:
        budget: Its caps.
        ledger_id: Under the parent's id, where there is a parent.
        name: How messages call it.
        store: Where it lives, if it has no parent: else with that.
        parent: The account that pays beside it; None for none.
    """
    under = store if parent is None else parent
    if parent is not None:
        ledger_id = f"{parent.id}, {ledger_id}"
    ledger, begun = find_or_begin(budget, ledger_id, under=under, name=name)
    if begun:
        ledger.pause()
    return ledger
