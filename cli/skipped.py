"""What was not read, told to a person in a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from shoestring.cli.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoestring.tools import Skipped

SHOWN = 5
LONGEST = 200  # characters


def tell_skipped(skipped: Sequence[Skipped]) -> None:
    """Name the first few on stderr, and how many more there are."""
    # Nobody expects hidden files to be read.
    told = [one for one in skipped if not Path(one.source).name.startswith(".")]
    for one in told[:SHOWN]:
        typer.echo(one_line(f"skipped {one.source}: {one.reason}", LONGEST), err=True)
    if len(told) > SHOWN:
        typer.echo(f"skipped {len(told) - SHOWN:,} more", err=True)
