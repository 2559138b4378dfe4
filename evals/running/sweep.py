"""`sweep(target, suite, …)`: the grid, run in parallel, resumable, under one cap."""

from __future__ import annotations

import asyncio
import traceback
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from shoestring.agents.runs import paying
from shoestring.budget import (
    Amount,
    Budget,
    BudgetBusy,
    BudgetExceeded,
    Ledger,
    LedgerClosed,
    MemoryStore,
    SQLiteStore,
)
from shoestring.budget.amount import dollars
from shoestring.evals.documents import documents_of
from shoestring.evals.outcome import Outcome
from shoestring.evals.running.folder import RunFolder, SweepInfo
from shoestring.evals.running.grid import Cell, Forecast, Grid, Tally, label, parse_budget
from shoestring.evals.running.result import Result
from shoestring.evals.running.target import as_target
from shoestring.evals.running.task import Task
from shoestring.evals.running.threads import in_thread
from shoestring.models import refuse_unguarded
from shoestring.models.usage import part_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from pathlib import Path

    from shoestring.budget import Receipt
    from shoestring.evals.running.energy import Energy
    from shoestring.evals.running.target import Target
    from shoestring.evals.scorers import Scorer
    from shoestring.evals.suite import Suite

_LONGEST_ANSWER = 100_000  # characters that are kept
_LONGEST_TRACE = 20_000
_NO_CAP = Budget(tokens=2**62)


class CapReached(RuntimeError):  # noqa: N818 - it says what happened
    """The cap of the whole sweep leaves no room for another run; what is finished is kept."""


def sweep(
    target: object,
    suite: Suite,
    *,
    budgets: Sequence[Budget | int | str | None],
    scorers: Sequence[Scorer],
    folder: Path | str,
    routes: Sequence[str] = ("",),
    seeds: Sequence[int] | int = (0,),
    cap: Budget | None = None,
    concurrency: int = 4,
    timeout: float | None = None,
    energy: Energy | None = None,
    on_progress: Callable[[Forecast], None] | None = None,
) -> RunFolder:
    """Measure a target on every case of a suite, under every budget.

    Every finished run is in the folder before the next begins: after a crash, the same call goes on
    where it was, and runs nothing twice. (What was under way when the process died is run again; under
    a `cap`, what that had spent stays charged.) A target that raises, hangs or returns junk has failed
    that case, with its traceback kept.

    Args:
        target: A Runnable, a LangGraph graph or an agent, whose models are guarded for each run; or a
            function of a `Task`. See `as_target`.
        suite: The cases.
        budgets: What a run may spend, one column each: a `Budget`, a number of tokens, "$0.002",
            or None for no cap; see `parse_budget`.
        scorers: The first says what is right.
        folder: Where the run is kept.
        routes: Routes to ask for; "" lets the target choose.
        seeds: Repetitions, or how many.
        cap: What the whole sweep may spend, across restarts. A run sets its budget aside from it
            before it begins, so no result is bent by what others have spent; so each of `budgets`
            caps whatever this caps, but for seconds.
        concurrency: Runs at once.
        timeout: Seconds a run may take; None for no limit. A blocking target that is given up goes on
            in its thread, where its ledger refuses it any more money.
        energy: Estimates watt-hours and emissions of each run; None to leave them out.
        on_progress: Told after each run.

    Returns:
        The folder, with `results()`.

    Raises:
        CapReached: If the cap leaves no room for another run.
        BrokenRun: If the folder is in use, or holds another run.
        ValueError: If the grid makes no sense.
        OSError: If the disk does not take a result. What is finished stays.
        RuntimeError: If an event loop runs in this thread; await `asweep` there.
    """
    return asyncio.run(
        asweep(
            target, suite, budgets=budgets, scorers=scorers, folder=folder, routes=routes,
            seeds=seeds, cap=cap, concurrency=concurrency, timeout=timeout, energy=energy,
            on_progress=on_progress,
        )
    )  # fmt: skip


async def asweep(
    target: object,
    suite: Suite,
    *,
    budgets: Sequence[Budget | int | str | None],
    scorers: Sequence[Scorer],
    folder: Path | str,
    routes: Sequence[str] = ("",),
    seeds: Sequence[int] | int = (0,),
    cap: Budget | None = None,
    concurrency: int = 4,
    timeout: float | None = None,  # noqa: ASYNC109 - of each run, not of this call
    energy: Energy | None = None,
    on_progress: Callable[[Forecast], None] | None = None,
) -> RunFolder:
    """Do what `sweep` does on a running event loop."""
    measured = as_target(target)
    grid = grid_of(suite, budgets, routes, seeds)
    if not scorers:
        raise ValueError("give at least one scorer: the first says what is right")
    if concurrency < 1:
        raise ValueError(f"concurrency must be at least 1, not {concurrency}")
    _check_cap(cap, grid)
    kept = RunFolder(folder)
    with kept.alone():
        info = _info(measured, suite, grid, scorers)
        done = kept.begin(info, suite)
        tally = Tally(grid)
        for result in done.values():
            tally.add(result)
        left = (cell for cell in grid if cell.key not in done)
        with _account(kept, cap) as account:
            run = _Run(
                target=measured,
                scorers=tuple(scorers),
                kept=kept,
                account=account,
                timeout=timeout,
                energy=energy,
                tally=tally,
                on_progress=on_progress,
            )
            await run.every(left, concurrency)
    return kept


def grid_of(
    suite: Suite,
    budgets: Sequence[Budget | int | str | None],
    routes: Sequence[str] = ("",),
    seeds: Sequence[int] | int = (0,),
) -> Grid:
    """Return the grid that `sweep` runs.

    Raises:
        ValueError: If it is empty, or two budgets are the same.
    """
    parsed = [parse_budget(spec) for spec in budgets]
    labels = {label(budget): budget for budget in parsed}
    if len(labels) < len(parsed):
        raise ValueError("two of the budgets are the same")
    if isinstance(seeds, int):
        seeds = range(seeds)
    if not labels or not routes or not seeds:
        raise ValueError("give at least one budget, one route and one seed")
    return Grid(suite.cases, labels, tuple(dict.fromkeys(routes)), tuple(dict.fromkeys(seeds)))


def forecast(kept: RunFolder, grid: Grid) -> Forecast:
    """Return what a sweep would cost, from its budgets and from what the folder holds already."""
    tally = Tally(grid)
    for result in kept.results():
        tally.add(result)
    return tally.forecast()


def _info(target: Target, suite: Suite, grid: Grid, scorers: Sequence[Scorer]) -> SweepInfo:
    from shoestring import __version__

    return SweepInfo(
        target=target.name,
        suite=suite.name,
        digest=suite.digest,
        budgets={
            name: {} if budget is None else budget.caps.as_dict()
            for name, budget in grid.budgets.items()
        },
        routes=tuple(grid.routes),
        seeds=tuple(grid.seeds),
        scorers=tuple(scorer.name for scorer in scorers),
        version=__version__,
    )


def _check_cap(cap: Budget | None, grid: Grid) -> None:
    if cap is None:
        return
    for dimension in ("tokens", "usd", "calls"):
        if getattr(cap, dimension) is None:
            continue
        for name, budget in grid.budgets.items():
            if budget is None or getattr(budget, dimension) is None:
                raise ValueError(
                    f"the cap of the sweep limits {dimension}, and the budget {name!r} does not: a run "
                    f"could end because others had spent. Give each budget {dimension}=, too"
                )


@contextmanager
def _account(kept: RunFolder, cap: Budget | None) -> Generator[Ledger | None]:
    """Open the account of the whole; None without a cap.

    A cap that was changed counts what was spent before: a new account has the difference.
    """
    if cap is None:
        yield None
        return
    store = SQLiteStore(kept.path / "ledger.sqlite")
    try:
        yield _opened(store, cap)
    finally:
        store.close()


def _opened(store: SQLiteStore, cap: Budget) -> Ledger:
    name = f"sweep under {label(cap)}"
    earlier = [view for view in store.ledgers() if view.depth == 0]
    # Only the last knows of all that was spent: a cap that was lowered again begins anew, too.
    if earlier and earlier[-1].name == name:
        return store.ledger(earlier[-1].id)
    spent = sum((view.spent for view in earlier), Amount())
    caps = cap.caps
    left = Budget(
        tokens=None if caps.tokens is None else max(0, caps.tokens - spent.tokens),
        usd=None
        if caps.nanodollars is None
        else dollars(max(0, caps.nanodollars - spent.nanodollars)),
        calls=None if caps.calls is None else max(0, caps.calls - spent.calls),
        seconds=cap.seconds,
    )
    return Ledger(left, name=name, id=f"sweep {len(earlier) + 1}", store=store)


class _Run:
    """A sweep under way."""

    def __init__(
        self,
        *,
        target: Target,
        scorers: tuple[Scorer, ...],
        kept: RunFolder,
        account: Ledger | None,
        timeout: float | None,
        energy: Energy | None,
        tally: Tally,
        on_progress: Callable[[Forecast], None] | None,
    ) -> None:
        self.target = target
        self.scorers = scorers
        self.asks = any(getattr(scorer, "asks_model", False) for scorer in scorers)
        self.kept = kept
        self.account = account
        self.timeout = timeout
        self.energy = energy
        self.tally = tally
        self.on_progress = on_progress
        self.ended = asyncio.Event()
        self.no_room: CapReached | None = None

    async def every(self, cells: Iterator[Cell], concurrency: int) -> None:
        """Run the cells, so many at once.

        The first that cannot be written down ends them all; where the cap leaves no room for another,
        those under way are finished: they are paid.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(self.some(cells))
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        if self.no_room is not None:
            raise self.no_room

    async def some(self, cells: Iterator[Cell]) -> None:
        for cell in cells:
            try:
                ledger = await self.ledger(cell)
            except CapReached as error:
                self.no_room = error
                return
            await self.one(cell, ledger)

    async def one(self, cell: Cell, ledger: Ledger) -> None:
        try:
            result, trace = await self.measured(cell, ledger)
        finally:
            # What is under way in a thread that was given up gets no more.
            ledger.close()
            ledger.store.discard(ledger.id)
            self.ended.set()
        self.kept.add(result, trace)
        self.tally.add(result)
        if self.on_progress is not None:
            self.on_progress(self.tally.forecast())

    async def ledger(self, cell: Cell) -> Ledger:
        """Return the account of a run; under a cap, with its budget set aside."""
        name = cell.key.case
        if self.account is None:
            return Ledger(cell.budget or _NO_CAP, name=name, store=MemoryStore())
        while True:
            self.ended.clear()
            try:
                return self.account.child(cell.budget, name=name, set_aside=True)
            except BudgetBusy:
                await self.ended.wait()  # what another run leaves over comes back
            except (BudgetExceeded, LedgerClosed) as error:
                raise CapReached(
                    f"the cap of the sweep leaves no room for another run of {cell.key.budget}: "
                    f"{error} What is finished is kept in {str(self.kept.path)!r}: the same sweep "
                    "with a larger cap goes on"
                ) from error

    async def measured(self, cell: Cell, ledger: Ledger) -> tuple[Result, dict[str, Any]]:
        case, key = cell.case, cell.key
        task = Task(case.asked, documents_of(case), cell.budget, key.route, key.seed, ledger)
        began = perf_counter()
        outcome, error, trace = Outcome(""), None, ""
        try:
            with paying(ledger), refuse_unguarded():
                async with asyncio.timeout(self.timeout):
                    outcome = Outcome.of(await self.target.run(task))
        except (BudgetExceeded, LedgerClosed) as refusal:
            outcome = Outcome("", stopped_by=_cap(refusal))
            error = _line(refusal)
        except TimeoutError as late:
            error = f"gave no answer within {self.timeout:g} s" if self.timeout else _line(late)
        except asyncio.CancelledError as raised:
            running = asyncio.current_task()
            if running is None or running.cancelling():
                raise  # it is the sweep that is cancelled, not something in the target
            error = _line(raised)
        except (Exception, SystemExit) as raised:  # noqa: BLE001 - whatever a target does, the sweep goes on
            error, trace = _line(raised), "".join(traceback.format_exception(raised))
        seconds = perf_counter() - began
        scores: dict[str, float] = {}
        if error is None:
            # A thread costs more than most scores: only those that ask a model have one.
            scores, failed = (
                await in_thread(lambda: self.scores(cell, outcome))
                if self.asks
                else self.scores(cell, outcome)
            )
            trace = trace or failed
        receipt = ledger.receipt
        result = _result(cell, outcome, receipt, error, seconds)
        if self.energy is not None and (used := self.energy.of(receipt.lines)) is not None:
            result = replace(result, wh=used.wh, gco2e=used.gco2e)
        return replace(result, scores=scores), _trace(outcome, receipt, trace)

    def scores(self, cell: Cell, outcome: Outcome) -> tuple[dict[str, float], str]:
        """Return what each scorer says, and the traceback of one that failed."""
        scores: dict[str, float] = {}
        failed = ""
        for scorer in self.scorers:
            try:
                score = scorer.score(cell.case, outcome)
            except Exception as raised:  # noqa: BLE001 - a scorer may be anybody's
                failed = "".join(traceback.format_exception(raised))
                continue
            if score is not None:
                scores[scorer.name] = float(score)
        return scores, failed


def _result(
    cell: Cell, outcome: Outcome, receipt: Receipt, error: str | None, seconds: float
) -> Result:
    held = receipt.held
    spent = receipt.spent + held  # what is still open is charged as held
    lines = receipt.lines
    presumed = sum(line.spent.tokens for line in lines if line.basis == "presumed") + held.tokens
    return Result(
        *cell.key,
        answer=outcome.answer[:_LONGEST_ANSWER],
        kind=outcome.kind,
        took=outcome.route,
        error=error,
        stopped_by=outcome.stopped_by,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        cached_tokens=sum(part_of(line.detail, "cached") for line in lines),
        reasoning_tokens=sum(part_of(line.detail, "reasoning") for line in lines),
        usd=float(spent.usd),
        calls=spent.calls,
        seconds=round(seconds, 6),
        presumed_tokens=presumed,
        dropped=receipt.dropped,
        over=_over(cell.budget, spent.tokens, float(spent.usd), spent.calls),
    )


def _over(budget: Budget | None, tokens: int, usd: float, calls: int) -> float:
    if budget is None:
        return 0.0
    caps = budget.caps
    pairs = ((tokens, caps.tokens), (usd, caps.usd), (calls, caps.calls))
    return max(0.0, *(float(spent) - float(cap) for spent, cap in pairs if cap is not None), 0.0)


def _trace(outcome: Outcome, receipt: Receipt, trace: str) -> dict[str, Any]:
    return {
        "receipt": [{**line.as_dict(), "dropped": line.dropped} for line in receipt.lines],
        "cited": [(span.source, span.start, span.end) for span in outcome.cited],
        "shown": [(span.source, span.start, span.end) for span in outcome.shown],
        "looks": [look.as_dict() for look in outcome.looks],
        "traceback": trace[-_LONGEST_TRACE:],
    }


def _cap(refusal: BudgetExceeded | LedgerClosed) -> str:
    return refusal.dimension if isinstance(refusal, BudgetExceeded) else "closed"


def _line(error: BaseException) -> str:
    told = " ".join(str(error).split())
    return f"{type(error).__name__}: {told}"[:500] if told else type(error).__name__


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
