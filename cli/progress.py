"""What a person sees while waiting; nothing where stderr is no terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from shoestring.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from shoestring.evals.running.grid import Forecast


@contextmanager
def waiting(what: str) -> Generator[None]:
    """Show a spinner beside `what` until the work inside is done."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(Text(f"{printable(what)} …")):
        yield


@contextmanager
def counting(doing: str, things: str) -> Generator[Callable[[int, int], None]]:
    """Show a bar, as in "Indexing ━━━━ 64 of 120 passages"; the work reports `(done, total)`."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn(doing), BarColumn(), TextColumn("{task.fields[count]}"))
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(doing, total=None, count="")

        def advance(done: int, total: int) -> None:
            count = f"{done:,} of {total:,} {things}"
            progress.update(task, completed=done, total=total, count=count)

        yield advance


@contextmanager
def running() -> Generator[Callable[[Forecast], None]]:
    """Show a bar with what of a sweep is done, spent and expected; the work reports forecasts."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(), TextColumn("Running"), BarColumn(), TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("Running", total=None, told="")

        def tell(found: Forecast) -> None:
            usd = f", ${found.spent_usd:,.4f}" if found.spent_usd else ""
            told = f"{found.done:,} of {found.runs:,} runs, {found.spent_tokens:,} tokens{usd}"
            if found.likely_tokens is not None:
                likely = f", ${found.likely_usd:,.4f}" if found.likely_usd else ""
                told += f" of some {found.likely_tokens:,.0f}{likely}"
            progress.update(task, completed=found.done, total=found.runs, told=told)

        yield tell
