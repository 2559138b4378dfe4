"""How a model takes being asked for few tokens: what it writes when it is asked for less."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Self

_FIRST = 16  # tokens; nobody knows a new model, so half of it is tried next where it obeys
_LEAST = 4
_MOST = 2**20
_ENOUGH = 3  # answers before a size says something
_MEMORY = 50.0  # answers after which what was long ago counts less


@dataclass(slots=True)
class Elasticity:
    """Learns what a model writes under "use less than n tokens", and the least worth asking for.

    A model asked for too little writes more again: token elasticity (TALE, Han et al.,
    arXiv:2412.18547). What it wrote is averaged by what it was asked, in sizes of a factor of two. The
    least worth asking is the size at which it wrote least; as long as that is the smallest size it was
    asked, half of it is worth a try, as in the paper's search. Threads may share it.

    Args:
        seen: Size → answers counted, and the mean logarithm of the tokens written.

    >>> model = Elasticity()
    >>> for asked, written in [(64, 60), (32, 40), (16, 90)] * 3:
    ...     model.learn(asked, written)
    >>> model.least
    32
    """

    seen: dict[int, tuple[float, float]] = field(default_factory=dict[int, tuple[float, float]])
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    @property
    def least(self) -> int:
        """The fewest tokens worth asking for."""
        with self._lock:
            known = {size: mean for size, (count, mean) in self.seen.items() if count >= _ENOUGH}
        if not known:
            return _FIRST
        best = min(known, key=lambda size: (known[size], size))
        return max(_LEAST, best // 2) if best == min(known) else best

    def learn(self, asked: int, written: int) -> None:
        """Take in an answer.

        Args:
            asked: Tokens it was asked to stay below, 1 or more.
            written: Tokens it has.

        Raises:
            ValueError: If nothing was asked for, or less than nothing written.
        """
        if asked < 1 or written < 0:
            raise ValueError(f"{written} tokens where {asked} were asked for cannot be")
        size = _size(asked)
        with self._lock:
            count, mean = self.seen.get(size, (0.0, 0.0))
            count = min(count + 1, _MEMORY)
            self.seen[size] = count, mean + (math.log1p(written) - mean) / count

    def __reduce__(self) -> tuple[type[Self], tuple[dict[int, tuple[float, float]]]]:
        """Pickle what is known: a lock stays in its process."""
        with self._lock:
            return type(self), (dict(self.seen),)

    def as_dict(self) -> dict[str, list[float]]:
        """Return what is known, ready for JSON."""
        with self._lock:
            return {str(size): [count, round(mean, 5)] for size, (count, mean) in self.seen.items()}

    @classmethod
    def from_dict(cls, content: object) -> Self:
        """Read what `as_dict` wrote.

        Raises:
            ValueError: If it is nothing of the kind.
        """
        found = cls()
        entries: Mapping[Any, Any] = content if isinstance(content, Mapping) else {"": None}
        for key, value in entries.items():
            size = int(key) if isinstance(key, str) and key.isdecimal() and len(key) < 9 else 0  # noqa: PLR2004 - digits of `_MOST`
            whole = isinstance(value, list | tuple) and len(value) == 2  # noqa: PLR2004 - a pair
            if not whole or size != _size(max(size, 1)) or not _pair(*value):
                raise ValueError(f"{key!r:.20} is no size that a model was asked for")
            found.seen[size] = float(value[0]), float(value[1])
        return found


def _size(asked: int) -> int:
    """Return the power of two at or below; of less than 4 tokens and more than a million, the nearest."""
    return max(_LEAST, min(_MOST, 1 << (asked.bit_length() - 1)))


def _pair(count: object, mean: object) -> bool:
    """Whether these are answers counted, and a mean logarithm."""
    if isinstance(count, bool) or isinstance(mean, bool):
        return False
    if not isinstance(count, int | float) or not isinstance(mean, int | float):
        return False
    return 0 < count <= _MEMORY and 0 <= mean <= math.log1p(_MOST)
