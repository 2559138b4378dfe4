"""`--html`: a run as a page, beside what the command prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoestring.cli.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path


def check(file: Path | None, option: str = "--html") -> None:
    """Make sure that a page can be written there, before anything is spent on what it will show.

    Raises:
        BadInput: If it cannot.
        MissingExtra: If a package is missing, with the pip command.
    """
    if file is None:
        return
    if file.is_dir() or not file.parent.is_dir():
        raise BadInput(f"{option}: {file} cannot be written: no such folder, or a folder itself")
    from shoestring.evals.report.page import ready

    ready()
