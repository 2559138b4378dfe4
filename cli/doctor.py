"""`shoestring doctor`: what is installed, which models are found, what to do about the rest."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shoestring import __version__
from shoestring.cli.text import write

if TYPE_CHECKING:
    from shoestring.cli.parts import Part

_STYLES = {"ok": "green", "missing": "yellow", "wrong": "bold red"}


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what is installed, which models are found, and what to do about what is missing.

    Exits 0 if the core works, whatever optional part is missing; else 1.
    """
    from shoestring.cli.parts import CORE, examine

    parts = list(examine())
    works = all(part.status == "ok" for part in parts if part.group == CORE)
    if as_json:
        report: dict[str, object] = {
            "shoestring": __version__,
            "python": platform.python_version(),
            "works": works,
        }
        report["parts"] = [asdict(part) for part in parts]
        write(json.dumps(report, indent=2))
    else:
        show(Console(), parts)
    if not works:
        raise typer.Exit(1)


def show(console: Console, parts: list[Part]) -> None:
    """Print the parts by group, then each command that puts right what is missing or wrong."""
    from shoestring.cli.parts import EXTRAS

    console.print(
        Text.assemble(
            ("shoestring ", "bold"), __version__, f"  on Python {platform.python_version()}"
        )
    )
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for group in dict.fromkeys(part.group for part in parts):
        purpose = EXTRAS.get(group, "")
        title = f"[{group}]" if purpose else group
        table.add_row(Text(f"\n{title}", "bold"), "", Text(f"\n{purpose}", "dim"))
        for part in (part for part in parts if part.group == group):
            found = Text(part.found, "" if part.status == "ok" else _STYLES[part.status])
            table.add_row(f"  {part.name}", Text(part.status, _STYLES[part.status]), found)
    console.print(table)
    console.print()
    cures = list(dict.fromkeys(part.cure for part in parts if part.cure))
    if not cures:
        console.print("Everything is in place.", style="green")
        return
    console.print("To put right what is missing:", style="bold")
    for cure in cures:
        # A command is copied: neither wrapped nor coloured.
        console.print(f"  {cure}", soft_wrap=True, markup=False, highlight=False)
