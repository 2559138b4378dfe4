"""Whatever goes wrong in a command ends it with one line on stderr, never with a traceback."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from shoestring.cli.text import one_line

if TYPE_CHECKING:
    from collections.abc import Generator

BAD_INPUT = 2
"""Exit code of a command that could not do what it was asked to."""
LONGEST = 600
"""Characters of an error that are shown: messages of servers and parsers can be of any length."""


class BadInput(ValueError):  # noqa: N818 - named for what is wrong
    """A command was given what it cannot work with; the message holds the cure."""


class OneLineErrors(TyperGroup):
    """Runs a command and says on one line what went wrong: in its usage, its input, or within."""

    def main(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as typer declares it
        """Run the command the arguments name, and exit."""
        try:
            with _quiet_libraries():
                code = super().main(*args, **{**options, "standalone_mode": False})
        except Exception as error:  # noqa: BLE001 - a person, not a program, reads what comes out
            message = one_line(_told(error), LONGEST)
            if message:  # else typer has shown the help, where nothing was asked
                typer.echo(f"shoestring: {message}", err=True)
            code = BAD_INPUT
        sys.exit(code)


def _told(error: Exception) -> str:
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        message = error.format_message()
        return f"{message} (see {context.command_path} --help)" if context and message else message
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror}"
    if isinstance(error, ValueError | RuntimeError | ImportError) and str(error):
        return str(error)
    # A provider's own error, or a fault of ours.
    return f"{type(error).__name__}: {error}"


@contextmanager
def _quiet_libraries() -> Generator[None]:
    """Keep log lines and warnings of libraries off the terminal of a person who cannot act on them."""
    before = logging.root.manager.disable
    logging.captureWarnings(capture=True)
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)
        logging.captureWarnings(capture=False)
