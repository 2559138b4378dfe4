"""JSON: values, members and elements, that together are valid JSON again."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, cast

from shoestring.tools.trimming.units import LONGEST, Hop, Unit

__all__ = ["JsonData", "enclosed"]

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_SCALAR: Final = re.compile(r"[^\s,\]}]+")
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_DEEPEST = 64  # levels; deeper values are kept whole


class _Node(NamedTuple):
    """A value in a JSON text, with what stands in it."""

    key: int
    """Where its key begins in an object; its own first character elsewhere."""
    start: int
    end: int
    inside: tuple["_Node", ...]
    """The members of an object or the elements of an array; () for a value without any."""


class JsonData:
    """JSON values: small ones are units, of larger ones their members and elements.

    What is chosen of a value is rendered inside its objects and arrays, so that it is valid JSON
    with the key paths it had.
    """

    name = "json"

    def units(self, text: str, source: str) -> list[Unit] | None:
        """Split a text that is one JSON object or array; see `Kind`."""
        del source
        root = _root_of(text)
        if root is None or root.end - root.start <= LONGEST:
            return None  # plain text keeps small values whole
        return list(_units(root, ()))


def _root_of(text: str) -> _Node | None:
    """Read where the parts of a JSON object or array stand; None for anything else."""
    start = len(text) - len(text.lstrip())
    if text[start : start + 1] not in ("{", "["):
        return None
    try:
        json.loads(text, parse_int=str, parse_float=str)  # in C: what is no JSON costs little
    except (ValueError, RecursionError):
        return None
    return _read(text, start, start, 0)


def _read(text: str, key: int, at: int, depth: int) -> _Node:
    """Read the value at a place of a text that is known to be valid."""
    opening = text[at]
    if opening == '"':
        return _Node(key, at, _after_string(text, at), ())
    if opening not in "{[":
        scalar = cast("re.Match[str]", _SCALAR.match(text, at))
        return _Node(key, at, scalar.end(), ())
    if depth == _DEEPEST:
        return _Node(key, at, json.JSONDecoder().raw_decode(text, at)[1], ())
    inside: list[_Node] = []
    place = _skip(text, at + 1)
    while text[place] not in "}]":
        member = place
        if opening == "{":
            place = _skip(text, _skip(text, _after_string(text, place)) + 1)
        inside.append(_read(text, member, place, depth + 1))
        place = _skip(text, inside[-1].end)
        if text[place] == ",":
            place = _skip(text, place + 1)
    return _Node(key, at, place + 1, tuple(inside))


def _after_string(text: str, at: int) -> int:
    return cast("re.Match[str]", _STRING.match(text, at)).end()


def _skip(text: str, at: int) -> int:
    return cast("re.Match[str]", _SPACE.match(text, at)).end()


def _units(node: _Node, path: tuple[Hop, ...]) -> Iterator[Unit]:
    if not node.inside or (path and node.end - node.key <= LONGEST):
        yield Unit(node.key, node.end, "value", path=path)
        return
    hop = Hop(node.key, node.start)
    for part in node.inside:
        yield from _units(part, (*path, hop))


def enclosed(text: str, parts: Sequence[Unit]) -> str:
    """Write parts of a JSON value inside the brackets and keys that enclose them.

    Args:
        text: The whole value.
        parts: Some of its units, in order.

    Returns:
        Valid JSON.

    >>> text = '{"a": {"b": 1, "c": 2}, "d": [3, 4]}'
    >>> enclosed(text, [Unit(15, 21, "value", path=(Hop(0, 0), Hop(1, 6)))])
    '{"a": {"c": 2}}'
    """
    written: list[str] = []
    open_now: tuple[Hop, ...] = ()
    for part in parts:
        shared = 0
        while shared < min(len(open_now), len(part.path)) and open_now[shared] == part.path[shared]:
            shared += 1
        written += [_closing(text, hop) for hop in reversed(open_now[shared:])]
        if written:
            written.append(", ")
        written += [text[hop.key : hop.start + 1] for hop in part.path[shared:]]
        written.append(text[part.start : part.end])
        open_now = part.path
    written += [_closing(text, hop) for hop in reversed(open_now)]
    return "".join(written)


def _closing(text: str, hop: Hop) -> str:
    return "}" if text[hop.start] == "{" else "]"
