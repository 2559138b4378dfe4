"""The matrix: every way to call, run in parallel, in every shape of chain, ending in every way.

Against the counting server: never over the cap, never less on the ledger than the server billed,
and exactly that where the server reported it. Run as a script, this file is one of the processes.

No cell is left out. Where one has no literal meaning, this stands for it:

- a blocking call in a task runs in a thread of the loop's executor, an asynchronous one in a thread or a
  process in a loop of its own;
- a blocking call cannot be cancelled: its client gives up on a server that never answers, and the
  task that waits for its thread is cancelled;
- an answer that is not streamed is cut by the connection, dropped before any of it;
- a hit in the cache is no call at all, so "cache" asks twice, and only the first must be billed;
- a batch in which one call is refused raises at once; the end of the worker's loop cancels the others.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import openai
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from shoestring.budget import Amount, Budget, BudgetError, Ledger, SQLiteStore
from shoestring.models import guard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langchain_core.messages import AIMessage
    from tests.conftest import CountingServer

WAYS = ("invoke", "stream", "batch", "ainvoke", "astream", "abatch")
RUNNERS = ("threads", "tasks", "processes")
SHAPES = ("plain", "retry", "fallback", "cache", "tool loop", "structured output")
OUTCOMES: dict[str, Any] = {
    "success": "ok",
    "error before": 429,
    "error after billing": "boom",
    "cut": "cut",
    "cancel": "hang",
}
WORKERS = 4
PROCESSES = 2
# Fewer than all the calls of a cell want: some are refused, or cut to what is left. But more than
# one for each worker, whose batch is cancelled where a call of it is refused. A schema is counted.
CAP, CAP_WITH_SCHEMA = 150, 650
PATIENCE = 0.15  # seconds after which a client gives up on a server that never answers
SCHEMA = {"title": "Place", "description": "A place.", "type": "object", "properties": {}}
QUESTION = "Where?"


# One worker's calls.


def chain(model: ChatOpenAI, shape: str) -> Runnable[Any, Any]:
    """A chain of a shape around a guarded model."""

    @tool
    def look(text: str) -> str:
        """Look something up, by asking the model."""
        return model.invoke(text[:20]).text

    def loop(question: str) -> AIMessage:
        found = look.invoke({"text": model.invoke(question).text})
        return model.invoke(f"{question} {found[:20]}")

    async def aloop(question: str) -> AIMessage:
        first = await model.ainvoke(question)
        found = await look.ainvoke({"text": first.text})
        return await model.ainvoke(f"{question} {found[:20]}")

    match shape:
        case "retry":
            return model.with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
        case "fallback":
            return model.with_fallbacks([model.model_copy(update={"temperature": 0.5})])
        case "tool loop":
            return RunnableLambda(loop, aloop)
        case "structured output":
            return model.with_structured_output(SCHEMA, include_raw=True)
        case _:
            return model


async def acall(runnable: Runnable[Any, Any], way: str) -> None:
    """Call in one of the asynchronous ways."""
    if way == "ainvoke":
        await runnable.ainvoke(QUESTION)
    elif way == "astream":
        [_ async for _ in runnable.astream(QUESTION)]
    else:
        await runnable.abatch([QUESTION, QUESTION])


def call(runnable: Runnable[Any, Any], way: str) -> None:
    """Call in one of the other ways."""
    if way == "invoke":
        runnable.invoke(QUESTION)
    elif way == "stream":
        list(runnable.stream(QUESTION))
    else:
        runnable.batch([QUESTION, QUESTION])


class Cell:
    """One cell of the matrix: what its workers do."""

    def __init__(self, ledger: Ledger, url: str, way: str, shape: str, patience: float) -> None:
        self.ledger, self.url, self.way, self.shape = ledger, url, way, shape
        self.patience = patience
        self.times = 2 if shape == "cache" else 1
        self.cache = InMemoryCache() if shape == "cache" else None
        self.errors: list[BaseException] = []

    def chain(self, client: openai.DefaultAsyncHttpxClient | None = None) -> Runnable[Any, Any]:
        # Both clients are given: the model would read certificates for one of its own.
        model = ChatOpenAI(
            model="gpt-4o-mini",
            base_url=self.url,
            api_key=SecretStr("none"),
            timeout=openai.Timeout(30, read=self.patience),
            cache=self.cache,
            http_client=openai.DefaultHttpxClient(verify=False),
            http_async_client=client or openai.DefaultAsyncHttpxClient(verify=False),
        )
        return chain(guard(model, self.ledger, max_output=20), self.shape)

    @cached_property
    def shared(self) -> Runnable[Any, Any]:
        """The one chain of all synchronous workers."""
        return self.chain()

    def work(self) -> None:
        """One worker's calls, in a thread."""
        if self.way.startswith("a"):
            asyncio.run(self.awork())
            return
        for _ in range(self.times):
            try:
                call(self.shared, self.way)
            except Exception as error:  # noqa: BLE001 - looked at by the test
                self.errors.append(error)

    async def awork(self) -> None:
        """One worker's calls, in a task."""
        if not self.way.startswith("a"):
            await asyncio.to_thread(self.work)
            return
        async with openai.DefaultAsyncHttpxClient(verify=False) as client:
            runnable = self.chain(client)
            for _ in range(self.times):
                try:
                    await acall(runnable, self.way)
                except Exception as error:  # noqa: BLE001 - looked at by the test
                    self.errors.append(error)

    def in_threads(self) -> None:
        with ThreadPoolExecutor(WORKERS) as pool:
            for _ in range(WORKERS):
                pool.submit(self.work)

    async def in_tasks(self, cancel_at: threading.Event | None) -> None:
        """Run the workers as tasks, and cancel them once the event is set."""
        tasks = [asyncio.create_task(self.awork()) for _ in range(WORKERS)]
        if cancel_at is not None:
            await asyncio.to_thread(cancel_at.wait, 10)
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A thread that is left behind by its cancelled task gives up by itself.
        await asyncio.get_running_loop().shutdown_default_executor()


# Other processes.


def serve() -> None:
    """Do one cell's calls for each line of the standard input."""
    for line in sys.stdin:
        job = json.loads(line)
        store = SQLiteStore(job.pop("file"))
        cell = Cell(store.ledger(job.pop("ledger")), **job)
        pool = [threading.Thread(target=cell.work) for _ in range(WORKERS // PROCESSES)]
        for thread in pool:
            thread.start()
        for thread in pool:
            thread.join()
        store.close()
        kinds = [isinstance(error, BudgetError) for error in cell.errors]
        print(json.dumps({"other errors": kinds.count(False)}), flush=True)  # noqa: T201


@pytest.fixture(scope="module")
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that serve the cells, one after the other."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen([sys.executable, __file__], **pipes) for _ in range(PROCESSES)]
    yield started
    for process in started:
        process.communicate()


def in_processes(
    workers: list[subprocess.Popen[str]], file: Path, ledger: Ledger, cell: Cell
) -> int:
    """Run the cell in processes; how many errors there were that were not the budget's."""
    job = {"file": str(file), "ledger": ledger.id, "url": cell.url, "patience": cell.patience}
    for worker in workers:
        assert worker.stdin
        worker.stdin.write(json.dumps({**job, "way": cell.way, "shape": cell.shape}) + "\n")
        worker.stdin.flush()
    return sum(json.loads(w.stdout.readline())["other errors"] for w in workers if w.stdout)


# The matrix.


def cells() -> list[Any]:
    """All cells; the fast suite takes every sixth, in which each pair of axes still meets."""
    found: list[Any] = []
    axes = [range(len(axis)) for axis in (WAYS, RUNNERS, SHAPES, OUTCOMES)]
    for way, runner, shape, outcome in product(*axes):
        names = (WAYS[way], RUNNERS[runner], SHAPES[shape], list(OUTCOMES)[outcome])
        fast = (way + 2 * runner + shape + outcome) % 6 == 0
        marks = () if fast else (pytest.mark.slow,)
        found.append(pytest.param(*names, marks=marks, id="-".join(names)))
    return found


@pytest.mark.parametrize(("way", "runner", "shape", "outcome"), cells())
def test_no_cell_of_the_matrix_passes_the_cap(  # noqa: PLR0917 - one a fixture
    way: str,
    runner: str,
    shape: str,
    outcome: str,
    server: CountingServer,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Server ≤ ledger ≤ cap, equal where usage was reported, with nothing left open."""
    server.behave, server.wants = OUTCOMES[outcome], 15
    file = tmp_path / "ledger.db"
    store = SQLiteStore(file) if runner == "processes" else None
    cap = CAP_WITH_SCHEMA if shape == "structured output" else CAP
    ledger = Ledger(Budget(tokens=cap), store=store)
    cell = Cell(ledger, server.url, way, shape, PATIENCE if outcome == "cancel" else 30)
    if runner == "threads":
        cell.in_threads()
    elif runner == "tasks":
        asyncio.run(cell.in_tasks(server.arrived if outcome == "cancel" else None))
    if runner == "processes":
        others = in_processes(request.getfixturevalue("processes"), file, ledger, cell)
    else:
        others = sum(not isinstance(error, BudgetError) for error in cell.errors)

    with server.lock:
        billed = Amount(server.billed_input, server.billed_output, calls=len(server.requests))
    spent = ledger.spent
    assert billed.calls > 0
    assert ledger.held == Amount()
    assert billed.tokens <= spent.tokens <= cap
    assert billed.calls <= spent.calls
    bases = {line.basis for line in ledger.receipt.lines}
    # Of an abatch in which one call is refused, the others are cancelled wherever they are.
    if outcome in {"success", "error before"} and way != "abatch":
        assert bases == {"measured"}
    if bases == {"measured"}:
        assert spent == billed
    if outcome == "success":
        assert others == 0
    if store:
        store.close()


if __name__ == "__main__":
    serve()
