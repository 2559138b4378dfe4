"""Kinds of text, each with its own rule for what is kept or dropped whole."""

from collections.abc import Sequence

from shoestring.tools.trimming.kinds.chat import Chat
from shoestring.tools.trimming.kinds.code import Code
from shoestring.tools.trimming.kinds.diff import Diff
from shoestring.tools.trimming.kinds.html import Html
from shoestring.tools.trimming.kinds.json_data import JsonData
from shoestring.tools.trimming.kinds.kind import Kind
from shoestring.tools.trimming.kinds.log import Log
from shoestring.tools.trimming.kinds.markdown import Markdown
from shoestring.tools.trimming.kinds.tool_schema import ToolSchema
from shoestring.tools.trimming.units import Unit, units

__all__ = [
    "KINDS",
    "Chat",
    "Code",
    "Diff",
    "Html",
    "JsonData",
    "Kind",
    "Log",
    "Markdown",
    "ToolSchema",
    "units_of",
]

KINDS: tuple[Kind, ...] = (
    ToolSchema(),
    JsonData(),
    Html(),
    Diff(),
    Log(),
    Code(),
    Chat(),
    Markdown(),
)
"""The kinds that are looked for, in this order; what is none of them is plain text."""


def units_of(
    text: str, source: str = "", kinds: Sequence[Kind] = KINDS, name: str | None = None
) -> list[Unit]:
    r"""Split a text into units by the first kind that knows it, else as plain text.

    Args:
        text: Any text.
        source: Where it comes from.
        kinds: The kinds to try, in order.
        name: The only kind to try; "text" for none.

    Raises:
        ValueError: If no kind has that name.

    >>> [u.kind for u in units_of('[{"name": "Ada"}, {"name": "Bob"}]')]
    ['value']
    >>> [u.kind for u in units_of("def f():\n    return 1\n", name="text")]
    ['line', 'line']
    """
    if name is not None:
        known = [kind for kind in kinds if kind.name == name]
        if not known and name != "text":
            names = ", ".join(sorted({"text", *(kind.name for kind in kinds)}))
            raise ValueError(f"there is no kind of text called {name!r}; there are {names}")
        kinds = known
    for kind in kinds:
        found = kind.units(text, source)
        if found is not None:
            return found
    return units(text)
