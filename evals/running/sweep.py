"""`sweep(target, suite, …)`: the grid, run in parallel, resumable, under one cap."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Literal

from shoestring.evals.running.account import account_of, check_cap
from shoestring.evals.running.folder import RunFolder, SweepInfo
from shoestring.evals.running.grid import Forecast, Grid, Tally, label, parse_budget
from shoestring.evals.running.measuring import Measure
from shoestring.evals.running.on_ray import on_ray
from shoestring.evals.running.pool import Pool
from shoestring.evals.running.target import as_target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from shoestring.budget import Budget, Store
    from shoestring.evals.running.energy import Energy
    from shoestring.evals.running.measuring import Executor
    from shoestring.evals.running.target import Target
    from shoestring.evals.scorers import Scorer
    from shoestring.evals.suite import Suite


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
    executor: Literal["local", "ray"] = "local",
    ledgers: Store | None = None,
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
        executor: "local" makes the runs in this process, "ray" as tasks of a Ray cluster: the one that
            this process is connected to, that of `RAY_ADDRESS`, or one begun here. The folder is
            written here alone.
        ledgers: Where the accounts live: for "ray" a store that all its machines reach, such as a
            `RedisStore`. None for memory, and a file in the folder under a cap.
        concurrency: Runs at once; for "ray" in the whole cluster.
        timeout: Seconds a run may take; None for no limit. A blocking target that is given up goes on
            in its thread, where its ledger refuses it any more money.
        energy: Estimates watt-hours and emissions of each run; None to leave them out.
        on_progress: Told after each run.

    Returns:
        The folder, with `results()`.

    Raises:
        CapReached: If the cap leaves no room for another run.
        BrokenRun: If the folder is in use, or holds another run.
        MissingExtra: If Ray is asked for and not installed.
        ValueError: If the grid makes no sense, or the target cannot be sent to Ray.
        OSError: If the disk does not take a result. What is finished stays.
        RuntimeError: If an event loop runs in this thread; await `asweep` there.
    """
    return asyncio.run(
        asweep(
            target, suite, budgets=budgets, scorers=scorers, folder=folder, routes=routes,
            seeds=seeds, cap=cap, executor=executor, ledgers=ledgers, concurrency=concurrency,
            timeout=timeout, energy=energy, on_progress=on_progress,
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
    executor: Literal["local", "ray"] = "local",
    ledgers: Store | None = None,
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
    if executor == "ray" and ledgers is None:
        raise ValueError(
            'executor="ray" needs ledgers= that all its machines reach, such as RedisStore("redis://…")'
        )
    check_cap(cap, grid)
    kept = RunFolder(folder)
    with kept.alone():
        info = _info(measured, suite, grid, scorers)
        done = kept.begin(info, suite)
        tally = Tally(grid)
        for result in done.values():
            tally.add(result)
        left = (cell for cell in grid if cell.key not in done)
        measure = Measure(measured, tuple(scorers), timeout, energy)
        with _executor(executor, measure) as runs, account_of(kept, cap, ledgers) as account:
            pool = Pool(runs, account, kept, tally, on_progress)
            await pool.every(left, concurrency)
    return kept


def _executor(name: Literal["local", "ray"], measure: Measure) -> AbstractContextManager[Executor]:
    if name not in {"local", "ray"}:
        raise ValueError(f'executor is "local" or "ray", not {name!r:.40}')
    return on_ray(measure) if name == "ray" else nullcontext(measure)


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
