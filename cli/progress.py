"""What a person sees while waiting; nothing where stderr is no terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from shoestring.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


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
