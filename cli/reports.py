"""`shoestring eval report`: a run as a page, with its figures and its curve beside it."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from shoestring.cli.page import check
from shoestring.cli.progress import waiting
from shoestring.cli.text import printable


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A folder of `eval run`.")],
    *,
    out: Annotated[
        Path,
        typer.Option(help="The page; its figures (.md), curve.svg and curve.png stand beside it."),
    ],
) -> None:
    """Write the report of a run: curves, tables, groups, and each case with its X-ray."""
    check(out, "--out")
    from shoestring.evals.report import write_report

    with waiting("Writing the report"):
        files = write_report(folder, out)
    for file in files:
        typer.echo(printable(f"{file}  {file.stat().st_size / 1_000:,.0f} kB"))
