# ruff: noqa: ANN401, SLF001 - LangChain leaves these types open, and its hooks are private methods
"""A guarded chat model.

The guard stands below LangChain's cache, binding and callbacks and above the provider's client:
whatever calls the model (a chain, an agent, a middleware, a retry) passes it, once for each request
that is sent.
"""

from __future__ import annotations

import inspect
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from langchain_core.language_models import BaseChatModel

from shoestring.models.guarding.clients import quiet_clients
from shoestring.models.guarding.dispatch import Dispatch, Terms, areserve, reserve
from shoestring.models.guarding.fields import configurable_fields
from shoestring.models.guarding.guarded import Kind, dressed, terms_of, undressed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator

    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import ChatGenerationChunk, ChatResult


def put_on(plain: BaseChatModel, terms: Terms) -> BaseChatModel:
    """Guard a plain chat model."""
    guarded: BaseChatModel = dressed(plain, terms, CHAT, quiet_clients(plain, terms.provider))
    for name in terms.provider.lazy_clients:
        vars(guarded).pop(name, None)
    return guarded


def _call(guarded: Any, messages: list[BaseMessage], arguments: dict[str, Any]) -> Dispatch:
    return Dispatch(terms_of(guarded), undressed(guarded), messages, dict(arguments))


# The methods below stand on the guarded class in place of the model's own, which they call.


def _generate(
    self: Any,
    messages: list[BaseMessage],
    stop: list[str] | None = None,
    run_manager: Any = None,
    **kwargs: Any,
) -> ChatResult:
    call = _call(self, messages, kwargs)
    with call.sent(reserve(call)) as model:
        method = model._generate
        result = method(messages, stop=stop, **managed(method, run_manager), **call.arguments)
        call.answer.saw_result(result)
    return result


async def _agenerate(
    self: Any,
    messages: list[BaseMessage],
    stop: list[str] | None = None,
    run_manager: Any = None,
    **kwargs: Any,
) -> ChatResult:
    call = _call(self, messages, kwargs)
    with call.sent(await areserve(call)) as model:
        method = model._agenerate
        result = await method(messages, stop=stop, **managed(method, run_manager), **call.arguments)
        call.answer.saw_result(result)
    return result


def _stream(
    self: Any,
    messages: list[BaseMessage],
    stop: list[str] | None = None,
    run_manager: Any = None,
    **kwargs: Any,
) -> Iterator[ChatGenerationChunk]:
    call = _call(self, messages, kwargs)
    with call.sent(reserve(call)) as model:
        method = model._stream
        chunks = method(messages, stop=stop, **managed(method, run_manager), **call.arguments)
        with closed_after(chunks):
            for chunk in chunks:
                call.answer.saw(chunk)
                yield chunk
                if call.answer.passed:
                    break


async def _astream(
    self: Any,
    messages: list[BaseMessage],
    stop: list[str] | None = None,
    run_manager: Any = None,
    **kwargs: Any,
) -> AsyncIterator[ChatGenerationChunk]:
    call = _call(self, messages, kwargs)
    with call.sent(await areserve(call)) as model:
        method = model._astream
        chunks = method(messages, stop=stop, **managed(method, run_manager), **call.arguments)
        async with aclosed_after(chunks):
            async for chunk in chunks:
                call.answer.saw(chunk)
                yield chunk
                if call.answer.passed:
                    break


def _stream_chat_model_events(
    self: Any, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
) -> Iterator[Any]:
    manager = kwargs.pop("run_manager", None)
    call = _call(self, messages, kwargs)
    with call.sent(hold := reserve(call)) as model:
        method = cast("Any", model)._stream_chat_model_events
        events = method(messages, stop=stop, run_manager=manager, **call.arguments)
        with closed_after(events):
            for event in events:
                yield call.saw_event(event, hold)
                if call.answer.passed:
                    break
        if call.answer.passed:
            yield call.cut_event(hold)


async def _astream_chat_model_events(
    self: Any, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
) -> AsyncIterator[Any]:
    manager = kwargs.pop("run_manager", None)
    call = _call(self, messages, kwargs)
    with call.sent(hold := await areserve(call)) as model:
        method = cast("Any", model)._astream_chat_model_events
        events = method(messages, stop=stop, run_manager=manager, **call.arguments)
        async with aclosed_after(events):
            async for event in events:
                yield call.saw_event(event, hold)
                if call.answer.passed:
                    break
        if call.answer.passed:
            yield call.cut_event(hold)


@contextmanager
def closed_after(stream: Any) -> Generator[None]:
    """Close what the model streams before the call is settled: nothing more is generated then."""
    try:
        yield
    finally:
        if hasattr(stream, "close"):
            stream.close()


@asynccontextmanager
async def aclosed_after(stream: Any) -> AsyncGenerator[None]:
    """The same for an asynchronous stream."""
    try:
        yield
    finally:
        if hasattr(stream, "aclose"):
            await stream.aclose()


def managed(method: Any, run_manager: Any) -> dict[str, Any]:
    """The callback manager, for a method that takes one."""
    if run_manager is None or not _takes_manager(method.__func__):
        return {}
    return {"run_manager": run_manager}


@cache
def _takes_manager(method: Callable[..., Any]) -> bool:
    parameters = inspect.signature(method).parameters.values()
    return any(p.name == "run_manager" or p.kind is p.VAR_KEYWORD for p in parameters)


_METHODS: dict[str, Callable[..., Any]] = {
    "_generate": _generate,
    "_agenerate": _agenerate,
    "_stream": _stream,
    "_astream": _astream,
    "_stream_chat_model_events": _stream_chat_model_events,
    "_astream_chat_model_events": _astream_chat_model_events,
}
CHAT = Kind(
    root=BaseChatModel,
    methods=lambda _: _METHODS,
    put_on=put_on,
    added={"configurable_fields": configurable_fields},
)
