# ruff: noqa: ANN401 - LangChain's methods are wrapped as they are
"""`refuse_unguarded()`: a context in which a model that is not guarded cannot be called.

LangChain's callbacks cannot do this: they are told which class is called, not whether it is
guarded, and a raw thread has none. So the methods of LangChain's base classes through which every
call goes are wrapped, once in the life of a process and only when the context is first used; outside it
they pass everything on.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Self

from langchain_core.language_models import BaseChatModel, BaseLLM

from shoestring.budget import BudgetError
from shoestring.models.guarding.guarded import is_guarded

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType

# Every other public way to call a model, invoke and batch among them, ends in one of these.
_DOORS = (
    (BaseChatModel, ("generate", "agenerate", "stream", "astream", "stream_events")),
    (BaseChatModel, ("astream_events", "_chat_model_stream_v3", "_achat_model_stream_v3")),
    (BaseLLM, ("generate", "agenerate", "stream", "astream")),
)

_here: ContextVar[int] = ContextVar("refuse_unguarded", default=0)


class _Everywhere:
    """How many contexts are open that bind every thread."""

    def __init__(self) -> None:
        self.open = 0
        self.lock = threading.Lock()

    def change(self, step: int) -> None:
        """Open or close one."""
        with self.lock:
            self.open += step


_everywhere = _Everywhere()


class UnguardedCall(BudgetError):  # noqa: N818 - it says what is the matter
    """A model that is not guarded was called where none may be."""


class refuse_unguarded:  # noqa: N801 - it is used like a function
    """A context, sync or async, in which an unguarded model raises before anything is sent.

    For chat models and completion models of any class. It may be nested and may be used by several
    tasks and threads at once.

    Args:
        everywhere: False: it binds the code inside it and what runs in its context: tasks started
            in it, `asyncio.to_thread`, LangChain's and LangGraph's own threads, batches, nodes and
            tools. A thread or an executor of your own has no context, and is not bound; other
            requests of the same process are not disturbed. True: it binds every thread of the
            process while it is open. For a script, a test, a service in which nothing may spend
            unseen.

    Not stopped are embeddings, which LangChain gives no common way in, and code that calls a
    model's private methods or its provider's client itself.

    Raises:
        UnguardedCall: In the call of the model. The cause of a retry or a fallback it is not: it is
            a `RuntimeError`, which LangGraph does not retry; what retries or falls back on any
            exception calls again, and is refused again.

    >>> from langchain_core.language_models import FakeListChatModel
    >>> with refuse_unguarded():
    ...     FakeListChatModel(responses=["hello"]).invoke("hi")
    Traceback (most recent call last):
    ...
    shoestring.models.guarding.tripwire.UnguardedCall: FakeListChatModel is not guarded and was called inside \
refuse_unguarded(): nothing was sent. Guard it: guard(model, ledger), or guard_all(what holds it, ledger).
    """

    def __init__(self, *, everywhere: bool = False) -> None:
        self._bind = everywhere
        self._tokens: list[Token[int]] = []

    def __enter__(self) -> Self:
        _watch_doors()
        if self._bind:
            _everywhere.change(1)
        else:
            self._tokens.append(_here.set(_here.get() + 1))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bind:
            _everywhere.change(-1)
        else:
            _here.reset(self._tokens.pop())

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)


@cache
def _watch_doors() -> None:
    for cls, names in _DOORS:
        for name in names:
            if (door := getattr(cls, name, None)) is not None:
                setattr(cls, name, _watched(door))


def _watched(door: Any) -> Any:
    @wraps(door)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if (_here.get() or _everywhere.open) and not is_guarded(self):
            raise UnguardedCall(
                f"{type(self).__name__} is not guarded and was called inside refuse_unguarded(): "
                "nothing was sent. Guard it: guard(model, ledger), or guard_all(what holds it, "
                "ledger)."
            )
        return door(self, *args, **kwargs)

    return watched
