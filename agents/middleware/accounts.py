"""The ledgers of an agent's runs: opened, found again, timed and forgotten."""

from __future__ import annotations

import threading
import uuid
import weakref
from collections import Counter, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from langgraph.config import get_config

from shoestring.agents.runs import on_thread, open_account, payer
from shoestring.budget import Budget, Ledger, LedgerNotFound, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Generator

    from langgraph.runtime import Runtime

    from shoestring.agents.middleware.state import RunState
    from shoestring.budget import Store


class Keeper:
    """Tells by its end that a run has ended."""

    __slots__ = ("__weakref__",)


class Accounts:
    """Where the ledgers of runs are.

    Args:
        budget: A `Budget`: each run has a ledger of its own. Or a `Ledger`, which all share.
        store: Where those of a `Budget` live, unless another account pays beside them; None for a
            store that ends with this process.
    """

    def __init__(self, budget: Budget | Ledger, store: Store | None) -> None:
        self._budget = budget
        self._private = store is None
        if isinstance(budget, Ledger):
            self.store = budget.store
        else:
            self.store = MemoryStore() if store is None else store
        self._ended: deque[str] = deque()
        self._at_work: Counter[str] = Counter()
        self._clocks = threading.Lock()

    def open(self, runtime: Runtime[Any], number: int) -> Ledger:
        """Return the ledger of a new run, or of one that is repeated; `number` is its place on its thread."""
        if isinstance(self._budget, Ledger):
            return self._budget
        self._forget()
        kept = on_thread(runtime)
        # Made of the thread and the number: a thread that is rewound finds the account it had.
        name = f"run {uuid.uuid4().hex}" if kept is None else f"{agent()} on {kept}, run {number}"
        return open_account(self._budget, name, agent(), self.store, payer(runtime.context))

    def find(self, state: RunState, context: object) -> Ledger:
        """Return the ledger that a run's state names.

        Raises:
            LedgerNotFound: If it names none, or its store no longer has it.
        """
        ledger_id = state.get("ledger_id")
        if ledger_id is None:
            raise LedgerNotFound(
                "this run began before BudgetMiddleware joined the agent and has no ledger: start it anew"
            )
        if isinstance(self._budget, Ledger):
            store = self.store
            if ledger_id == self._budget.id:
                return self._budget
        else:
            above = payer(context)
            store = self.store if above is None else above.store
        try:
            return store.ledger(ledger_id)
        except LedgerNotFound as error:
            error.add_note(
                "Ledgers in memory end with their process. To go on in another, keep them in a file: "
                "BudgetMiddleware(budget, ledgers=SQLiteStore(path))"
            )
            raise

    def tool(self, ledger: Ledger, name: str, budget: Budget) -> Ledger:
        """Return the account of a tool in a run: a cap of its own, below the run's."""
        return open_account(budget, f"tool {name}", f"tool {name}", self.store, ledger)

    def keeper(self, ledger: Ledger, runtime: Runtime[Any]) -> Keeper | None:
        """Return what to keep in the state of a run, for its ledger to be forgotten with it.

        However the run ends: with an answer, an error, or its task's cancellation. None where the
        ledger can be asked for again.
        """
        own = isinstance(self._budget, Budget) and payer(runtime.context) is None
        if not own or not self._private or on_thread(runtime) is not None:
            return None
        made = Keeper()
        # Noted only: a finaliser may run wherever memory is freed, also under the lock of the store.
        weakref.finalize(made, self._ended.append, ledger.id).atexit = False
        return made

    def _forget(self) -> None:
        """Let go of the ledgers of ended runs, which nobody can ask for again."""
        while self._ended:
            self.store.discard(self._ended.popleft())

    @contextmanager
    def working(self, ledger: Ledger) -> Generator[None]:
        """Keep a run's clock going while one of its calls is under way; between them it stands."""
        if ledger.limit.seconds is None:
            yield
        elif ledger is self._budget:  # its owner keeps its clock; `ask` alone may have stopped it
            ledger.resume()
            yield
        else:
            self._clock(ledger, 1)
            try:
                yield
            finally:
                self._clock(ledger, -1)

    def _clock(self, ledger: Ledger, more: int) -> None:
        with self._clocks:
            self._at_work[ledger.id] += more
            if self._at_work[ledger.id]:
                ledger.resume()
            else:
                del self._at_work[ledger.id]
                ledger.pause()


def agent() -> str:
    """Return the name of the agent that runs here: the label of its receipt lines."""
    return str(get_config().get("metadata", {}).get("lc_agent_name") or "agent")
