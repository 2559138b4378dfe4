"""The runs of a sweep, so many at once: each is on disk before its worker takes the next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoestring.evals.running.account import CapReached

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shoestring.budget import Ledger
    from shoestring.evals.running.account import Account
    from shoestring.evals.running.folder import RunFolder
    from shoestring.evals.running.grid import Cell, Forecast, Tally
    from shoestring.evals.running.measuring import Executor


@dataclass
class Pool:
    """A sweep under way.

    Args:
        executor: Makes the runs.
        account: Pays for them.
        kept: Where they are written down.
        tally: Their sums.
        on_progress: Told after each.
    """

    executor: Executor
    account: Account
    kept: RunFolder
    tally: Tally
    on_progress: Callable[[Forecast], None] | None = None

    async def every(self, cells: Iterator[Cell], concurrency: int) -> None:
        """Run the cells, so many at once.

        The first that cannot be written down ends them all; where the cap leaves no room for another,
        those under way are finished: they are paid.

        Raises:
            CapReached: If the cap leaves no room for another run.
            OSError: If the disk does not take a result.
        """
        try:
            async with asyncio.TaskGroup() as group:
                workers = [group.create_task(self._some(cells)) for _ in range(concurrency)]
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        no_room = next((error for worker in workers if (error := worker.result())), None)
        if no_room is not None:
            raise no_room

    async def _some(self, cells: Iterator[Cell]) -> CapReached | None:
        for cell in cells:
            try:
                ledger = await self.account.open(cell)
            except CapReached as error:
                return error
            await self._one(cell, ledger)
        return None

    async def _one(self, cell: Cell, ledger: Ledger) -> None:
        try:
            result, trace = await self.executor.measured(cell, ledger)
        finally:
            # What is under way in a thread that was given up gets no more.
            self.account.close(ledger)
        self.kept.add(result, trace)
        self.tally.add(result)
        if self.on_progress is not None:
            self.on_progress(self.tally.forecast())


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
