"""How long the steps of a conversation are; what was counted once is not counted again."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shoestring.tools.history.steps import Step
    from shoestring.tools.trimming.output import MessageCount

__all__ = ["Memo", "Sizes", "with_content"]

T = TypeVar("T")


class Memo(Generic[T]):
    """Remembers results by a digest of what they were made of; the longest unused go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes, make: Callable[[], T]) -> T:
        """Return what was made for a key, or make it."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made


class Sizes:
    """Tokens of messages, each counted by itself; a prompt is `base` and the sum of its messages."""

    def __init__(self, count: MessageCount, memo: Memo[int]) -> None:
        self._count = count
        self._memo = memo
        # With the message itself, so that its id is not another's meanwhile.
        self._seen: dict[int, tuple[BaseMessage, int, bytes]] = {}
        self.base = count([])

    def message(self, message: BaseMessage) -> int:
        """Count one message."""
        return self._look(message)[1]

    def digest(self, message: BaseMessage) -> bytes:
        """Return what tells a message's tokens from those of others."""
        return self._look(message)[2]

    def _look(self, message: BaseMessage) -> tuple[BaseMessage, int, bytes]:
        seen = self._seen.get(id(message))
        if seen is None:
            key = _digest(message)
            size = self._memo.get(key, lambda: self._count([message]) - self.base)
            seen = self._seen[id(message)] = (message, size, key)
        return seen

    def step(self, step: Step) -> int:
        """Count a step."""
        return sum(self.message(message) for message in step.messages)

    def whole(self, messages: Sequence[BaseMessage]) -> int:
        """Measure a prompt as it is."""
        return self._count(messages)

    def frame(self, message: BaseMessage) -> int:
        """Count a message without its content."""
        return self.message(with_content(message, ""))


def _digest(message: BaseMessage) -> bytes:
    parts: list[object] = [message.type, message.name, message.content, message.additional_kwargs]
    if isinstance(message, ToolMessage):
        parts.append(message.tool_call_id)
    if isinstance(message, AIMessage):
        parts += [message.tool_calls, message.invalid_tool_calls]
    if not isinstance(message, HumanMessage | ToolMessage):
        parts.append(getattr(message, "role", None))
    data = repr(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=16).digest()


def with_content(message: BaseMessage, content: object) -> BaseMessage:
    """Return a message with another content, and all else as it was."""
    return message.model_copy(update={"content": content})
