"""Bad input ends a command with one line on stderr and exit code 2, never with a traceback."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

BAD_INPUT = 2
LONGEST = 600
"""Characters of an error that are shown: messages of servers and parsers can be of any length."""


def fail(message: str) -> NoReturn:
    """End the command with `message`, made one printable line, on stderr."""
    line = " ".join(message.split())
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    if len(line) > LONGEST:
        line = line[: LONGEST - 1] + "…"
    typer.echo(f"shoestring: {line}", err=True)
    raise typer.Exit(BAD_INPUT)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn whatever goes wrong inside into one line: what it was, and where known the cure."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except BrokenPipeError:
        # Whoever read our output has left; the interpreter must not flush to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except (ValueError, RuntimeError, ImportError) as error:
        fail(str(error) or type(error).__name__)
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        fail(f"{name}{error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - a provider's own error: named, on one line
        fail(f"{type(error).__name__}: {error}")
