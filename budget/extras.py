"""Parts that are installed on demand, and the error that says how."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


class MissingExtra(ImportError):  # noqa: N818 - it says what is the matter
    """A part was asked for whose packages are not installed; the message holds the pip command."""


def require(module: str, extra: str) -> ModuleType:
    """Import a module that an extra of shoestring installs.

    Args:
        module: The dotted name to import.
        extra: The extra that installs it, as in `pip install 'shoestring[extra]'`.

    Raises:
        MissingExtra: If the module, or its package, is not installed. A module that is installed
            and fails on an import of its own raises that error unchanged.

    >>> require("json", "retrieval").__name__
    'json'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise MissingExtra(
            f"this needs {error.name}: pip install 'shoestring[{extra}]'", name=error.name
        ) from error
