"""Ledgers live in one process, and are found by id."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from shoestring.budget import Amount, Budget, Ledger, LedgerNotFound, LedgerNotPortable, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_store_continues_a_ledger_by_id() -> None:
    """A ledger found by id is the same account, with its spending."""
    store = MemoryStore()
    ledger = Ledger(Budget(tokens=10), id="thread", store=store)
    child = ledger.child(id="run")
    child.reserve(Amount(4)).settle(Amount(4))
    assert store.ledger("thread").spent == Amount(4)
    assert store.ledger("run").parent is ledger
    assert store.ledger("run").id == "run"


def test_an_unknown_id_is_named() -> None:
    """An id that is not in the store raises LedgerNotFound with the cure."""
    with pytest.raises(LedgerNotFound, match="no ledger 'x' in this store: create it"):
        MemoryStore().ledger("x")


def test_an_id_is_given_once() -> None:
    """A second ledger of the same id is refused, and holds nothing."""
    store = MemoryStore()
    root = Ledger(Budget(tokens=10), id="a", store=store)
    with pytest.raises(ValueError, match="already: go on with it by"):
        Ledger(Budget(tokens=10), id="a", store=store)
    with pytest.raises(ValueError, match="already"):
        root.child(Budget(tokens=5), id="a", set_aside=True)
    assert root.held == Amount()


def test_every_ledger_has_a_fresh_id() -> None:
    """Without an id a ledger gets one of its own."""
    assert Ledger(Budget(tokens=1)).id != Ledger(Budget(tokens=1)).id


@pytest.mark.parametrize("how", [pickle.dumps, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("which", ["ledger", "hold", "store"])
def test_copies_are_refused(how: Callable[[Any], Any], which: str) -> None:
    """Pickling or copying a ledger, a hold or a store raises with the cure."""
    store = MemoryStore()
    ledger = Ledger(Budget(tokens=1), store=store)
    thing = {"ledger": ledger, "hold": ledger.reserve(Amount(1)), "store": store}[which]
    with pytest.raises(LedgerNotPortable, match="create a Ledger in the process that spends"):
        how(thing)


FORK = """
import os, sys
from shoestring.budget import Amount, Budget, Ledger, LedgerNotPortable
ledger = Ledger(Budget(tokens=10))
hold = ledger.reserve(Amount(5))
pid = os.fork()
if pid == 0:
    refused = 0
    for use in (
        lambda: ledger.reserve(Amount(1)), lambda: ledger.spent, lambda: ledger.receipt,
        lambda: hold.settle(Amount(1)), ledger.child, hold.release,
    ):
        try:
            use()
        except LedgerNotPortable as error:
            refused += "forked process" in str(error)
    os._exit(refused)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 6
hold.settle(Amount(3))
assert ledger.spent == Amount(3)
"""


def test_a_forked_ledger_is_refused() -> None:
    """A memory ledger used in a forked process raises; the parent's goes on."""
    subprocess.run([sys.executable, "-W", "error", "-c", FORK], check=True, timeout=60)


LIGHT = """
import sys
import shoestring.budget
heavy = {"langchain", "langchain_core", "langgraph", "torch", "pydantic", "numpy", "asyncio",
         "pytest", "hypothesis"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


def test_importing_the_budget_imports_nothing_heavy() -> None:
    """`import shoestring.budget` loads no LangChain, torch, pydantic, numpy, asyncio or pytest."""
    subprocess.run([sys.executable, "-c", LIGHT], check=True, timeout=60)


def test_all_is_what_is_public() -> None:
    """`__all__` is sorted and names every public class, type and function."""
    import shoestring.budget as package

    names = {
        name
        for name, thing in vars(package).items()
        if name[0] != "_" and not isinstance(thing, ModuleType)
    }
    assert package.__all__ == sorted(names)
