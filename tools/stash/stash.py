"""`Stash`: text that was left out, kept under short handles, each conversation's for itself."""

from __future__ import annotations

import hashlib
import threading
import time
from base64 import b32encode
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from shoestring.tools.stash.errors import NotStashed
from shoestring.tools.stash.file import Bounds, File
from shoestring.tools.stash.marks import HANDLE

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = ["Shelf", "Stash"]

_SHORT = 6  # characters of a handle: 30 bits tell thousands of texts of a conversation apart
_MIB = 2**20


class Stash:
    """Keeps what was dropped, for a while and within bounds.

    A text is kept under a handle made of its content: the same text of a conversation always has
    the same one. A handle opens nothing in any other conversation. What was not asked for longest
    is let go first.

    Args:
        path: A file for all processes of one machine; None keeps texts in this process.
        seconds: How long a text is kept after it was last stashed or recalled; a week by default.
        size: The most bytes of text in all; 256 MiB by default.
        share: The most bytes of one conversation; 32 MiB by default.
        clock: Seconds since any fixed point, the same in all processes.

    Raises:
        ValueError: If a bound is not positive.
        StashError: If the file cannot be used; the subclass and the message say why.

    >>> shelf = Stash().of("thread 7")
    >>> handle = shelf.put("The tide turns at 06:13.")
    >>> shelf.get(handle)
    'The tide turns at 06:13.'
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        seconds: float = 7 * 86_400,
        size: int = 256 * _MIB,
        share: int = 32 * _MIB,
        clock: Callable[[], float] = time.time,
    ) -> None:
        for name, value in (("seconds", seconds), ("size", size), ("share", share)):
            if not value > 0:
                raise ValueError(f"{name} must be more than 0, not {value}")
        self.seconds = seconds
        self.share = min(share, size)
        self._clock = clock
        bounds = Bounds(size=size, share=self.share)
        self._kept: _Keeper = _Memory(bounds) if path is None else File(path, bounds)

    def of(self, conversation: str) -> Shelf:
        """Return what is kept of one conversation, for instance of a LangGraph thread."""
        return Shelf(self, hashlib.sha256(conversation.encode("utf-8", "surrogatepass")).digest())

    def put(self, owner: bytes, text: str) -> str:
        """Keep a text; a shelf calls it."""
        data = text.encode("utf-8", "surrogatepass")
        if len(data) > self.share:
            return ""
        name = b32encode(hashlib.blake2b(data, key=owner, digest_size=32).digest()).decode().lower()
        name = name.rstrip("=")
        now = self._clock()
        for length in (_SHORT, 2 * _SHORT, len(name)):
            if self._kept.put(owner, name[:length], data, now, now - self.seconds):
                return name[:length]
        return ""

    def get(self, owner: bytes, handle: str) -> str:
        """Give a text back; a shelf calls it."""
        now = self._clock()
        found = (
            self._kept.get(owner, handle, now, now - self.seconds)
            if HANDLE.fullmatch(handle)
            else None
        )
        if found is None:
            raise NotStashed(
                f"nothing is kept under {handle!r:.60} in this conversation: copy the handle as it "
                "stands in the text; older texts may have been let go"
            )
        return found.decode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a stash keeps of one conversation; it cannot reach what belongs to another."""

    stash: Stash
    owner: bytes

    def put(self, text: str) -> str:
        """Keep a text and return its handle; "" if it is too long to be kept at all.

        Raises:
            StashError: If the stash's file does not let us.
        """
        return self.stash.put(self.owner, text)

    def get(self, handle: str) -> str:
        """Return a text that was kept.

        Raises:
            NotStashed: If this conversation has none under that handle, or no longer.
            StashError: If the stash's file does not let us.
        """
        return self.stash.get(self.owner, handle)

    def has(self, handle: str) -> bool:
        """Say whether a handle opens a text of this conversation."""
        try:
            self.stash.get(self.owner, handle)
        except NotStashed:
            return False
        return True


class _Keeper(Protocol):
    """Keeps bytes under an owner's handle; what was last used before `since` is gone."""

    def put(self, owner: bytes, handle: str, data: bytes, now: float, since: float) -> bool:
        """Keep data, and let go what is then too much; False if the handle has other data."""
        ...

    def get(self, owner: bytes, handle: str, now: float, since: float) -> bytes | None:
        """Return data, and take note that it was used."""
        ...


class _Memory:
    """Keeps texts in this process, the longest unused first in line to go."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._lock = threading.Lock()
        self._texts: OrderedDict[tuple[bytes, str], tuple[float, bytes]] = OrderedDict()
        self._sizes: dict[bytes, int] = {}
        self._total = 0

    def put(self, owner: bytes, handle: str, data: bytes, now: float, since: float) -> bool:
        """Keep data; see `_Keeper`."""
        key = (owner, handle)
        with self._lock:
            self._let_go(since)
            kept = self._texts.get(key)
            if kept is not None and kept[1] != data:
                return False
            if kept is None:
                self._count(owner, len(data))
            self._texts[key] = (now, data)
            self._texts.move_to_end(key)
            while self._sizes[owner] > self._bounds.share:
                self._drop(next(other for other in self._texts if other[0] == owner))
            while self._total > self._bounds.size:
                self._drop(next(iter(self._texts)))
            return True

    def get(self, owner: bytes, handle: str, now: float, since: float) -> bytes | None:
        """Return data; see `_Keeper`."""
        key = (owner, handle)
        with self._lock:
            self._let_go(since)
            kept = self._texts.get(key)
            if kept is None:
                return None
            self._texts[key] = (now, kept[1])
            self._texts.move_to_end(key)
            return kept[1]

    def _let_go(self, since: float) -> None:
        while self._texts:
            key, (used, _) = next(iter(self._texts.items()))
            if used >= since:
                return
            self._drop(key)

    def _drop(self, key: tuple[bytes, str]) -> None:
        _, data = self._texts.pop(key)
        self._count(key[0], -len(data))

    def _count(self, owner: bytes, more: int) -> None:
        self._total += more
        self._sizes[owner] = self._sizes.get(owner, 0) + more
        if not self._sizes[owner] and more < 0:
            del self._sizes[owner]
