"""Runs on other machines, as Ray tasks; what they spend is kept by ledgers that all of them reach."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

from shoestring.budget import Amount
from shoestring.budget.extras import require
from shoestring.evals.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Generator

    from shoestring.budget import Ledger
    from shoestring.evals.running.grid import Cell
    from shoestring.evals.running.measuring import Measure, Measured

_TRIES = 3


@contextmanager
def on_ray(measure: Measure) -> Generator[OnRay]:
    """Connect to the Ray cluster: the one of this process, of `RAY_ADDRESS`, or one begun here.

    Args:
        measure: What each task does; it is sent once.

    Raises:
        MissingExtra: If Ray is not installed.
        ValueError: If the target or a scorer cannot be sent.
    """
    ray = require("ray", "ray")
    begun = not ray.is_initialized()
    if begun:
        ray.init(include_dashboard=False, log_to_driver=False)
    try:
        yield OnRay(ray, measure)
    finally:
        if begun:
            ray.shutdown()


class OnRay:
    """Makes each run as a Ray task.

    A task that dies with its worker, or its machine, is begun again if its ledger shows that nothing
    was spent. Where something was, its run has failed, and says what it cost: Ray itself retries
    nothing, for that would pay twice.

    Args:
        ray: The package, connected.
        measure: What a task does.

    Raises:
        ValueError: If it cannot be sent.
    """

    def __init__(self, ray: Any, measure: Measure) -> None:  # noqa: ANN401 - a module
        self._ray = ray
        self._measure = measure
        try:
            self._sent = ray.put(measure)
        except Exception as error:
            raise ValueError(
                f"the target or a scorer cannot be sent to other processes: {_root(error)}. Give a "
                "function at the top of a module, which makes there what cannot be sent"
            ) from error
        self._task = ray.remote(max_retries=0)(_measured)

    async def measured(self, cell: Cell, ledger: Ledger) -> Measured:
        """Make a run as a task."""
        errors = self._ray.exceptions
        began = perf_counter()
        told = ""
        for _ in range(_TRIES):
            answer = self._task.remote(self._sent, cell, ledger)
            try:
                measured: Measured = await answer
            except asyncio.CancelledError:
                self._ray.cancel(answer, force=True)
                raise
            except errors.RayTaskError as error:
                raise error.cause from error  # of ours: what a target raises is no error here
            except errors.RayError as error:
                told = f"{type(error).__name__}: the worker of this run died"
                receipt = ledger.receipt
                if receipt.spent + receipt.held != Amount():
                    break
            else:
                return measured
        seconds = perf_counter() - began
        return self._measure.told(cell, ledger, Outcome(""), error=told, seconds=seconds)


def _root(error: BaseException) -> str:
    """Say what was wrong first, in a line: Ray writes a page about it."""
    cause = error.__cause__ or error.__context__
    return _root(cause) if cause is not None else str(error).strip().partition("\n")[0]


def _measured(measure: Measure, cell: Cell, ledger: Ledger) -> Measured:
    """Make a run, in a worker."""
    return asyncio.run(measure.measured(cell, ledger))
