"""The same tool call again and again: how calls are told apart, and how often each was made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Protocol

# So many different calls are remembered for each ledger: those made last.
REMEMBERED = 1_000
_DIGEST = 16


class Counts(Protocol):
    """How often each call was made: a `Recent`, or what a store has of it.

    Remembers at least the `REMEMBERED` calls that were put last.
    """

    def get(self, call: str, /) -> int:
        """Return how often; 0 for a call that is not remembered."""
        ...

    def put(self, call: str, count: int, /) -> None:
        """Remember how often."""
        ...

    def clear(self) -> None:
        """Forget all."""
        ...


class Recent:
    """The counts of one ledger in memory."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def get(self, call: str, /) -> int:
        """Return how often; 0 for a call that is not remembered."""
        return self._counts.get(call, 0)

    def put(self, call: str, count: int, /) -> None:
        """Remember how often, and forget what was put longest ago if there are too many."""
        self._counts.pop(call, None)
        self._counts[call] = count
        if len(self._counts) > REMEMBERED:
            del self._counts[next(iter(self._counts))]

    def clear(self) -> None:
        """Forget all."""
        self._counts.clear()


@dataclass(slots=True)
class Repeats:
    """How often each tool call may be made under one ledger, and was."""

    limit: int
    counts: Counts = field(default_factory=Recent)


def written(arguments: object) -> str:
    """Return the arguments as the text by which calls are compared: JSON with its keys in order.

    What JSON does not know counts by its `repr`, the members of a set in order. What cannot be
    written even so (circular, nested too deeply, keys without an order) counts by its type alone,
    so that no arguments can hide a loop.

    >>> written({"b": [1, None], "a": "x"})
    '{"a": "x", "b": [1, null]}'
    """
    try:
        return json.dumps(arguments, sort_keys=True, ensure_ascii=False, default=_plain)
    except (TypeError, ValueError, RecursionError):
        return f"<{type(arguments).__name__}>"


def fingerprint(tool: str, text: str) -> str:
    """Return what stands for a tool call with those written arguments, whatever their size."""
    both = json.dumps([tool, text]).encode()
    return hashlib.blake2b(both, digest_size=_DIGEST).hexdigest()


def _plain(value: object) -> object:
    """Return something that JSON knows; a tool's arguments may be any object."""
    if isinstance(value, set | frozenset):
        return {"set": sorted(map(_shown, value))}
    return {"repr": _shown(value)}


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001  a repr may raise anything
        return f"<{type(value).__name__}>"
