# ruff: noqa: ANN401, SLF001 - LangChain leaves these types open, and its hooks are private methods
"""`guard(model, ledger)`: the same chat model, unable to overspend.

The guard stands below LangChain's cache, binding and callbacks and above the provider's client:
whatever calls the model (a chain, an agent, a middleware, a retry) passes it, once for each request
that is sent.
"""

from __future__ import annotations

import inspect
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableBinding
from pydantic import ConfigDict, PrivateAttr

from shoestring.models.dispatch import Dispatch, Terms, areserve, reserve
from shoestring.models.prices import known_price
from shoestring.models.providers import provider_of, quiet_clients

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator

    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import ChatGenerationChunk, ChatResult

    from shoestring.budget import Ledger
    from shoestring.models.counting import TokenCounter
    from shoestring.models.prices import Price

ChatModelT = TypeVar("ChatModelT", bound=BaseChatModel)


def guard(
    model: ChatModelT,
    ledger: Ledger,
    *,
    max_output: int | None = None,
    min_output: int = 16,
    wait: float = 0,
    counter: TokenCounter | None = None,
    price: Price | None = None,
    output_field: str | None = None,
) -> ChatModelT:
    """Return the same chat model, unable to spend more than the ledger allows.

    Every request reserves its prompt (tools, schemas and framing included) and the most its answer
    may be before it is sent, is sent with that limit, and is settled with the usage the provider
    reports; where none is reported, or the call ends in an unclear way, with all that was reserved.
    An answer that was cut at its limit carries `truncated: True` in its `response_metadata`.
    Retries hidden in the provider's client are switched off: `with_retry` retries under the guard.
    A hit in LangChain's cache costs nothing.

    Args:
        model: Any LangChain chat model. A guarded one is guarded by `ledger` instead.
        ledger: What it may spend; `ledger.at(node=…)` labels its receipt lines.
        max_output: The most tokens of one answer; a smaller limit of the caller's own still holds.
            None: the caller's limit, or 1,024 tokens where there is none. A limit that cannot be
            afforded is cut to what can be, and to no more than 1,024.
        min_output: Tokens below which an answer is not worth a call: nothing is sent then.
        wait: Seconds to wait for what other calls hold.
        counter: Counts the prompt; by default the model's own vocabulary where it is known, else an
            upper bound from its bytes.
        price: What the model costs, where genai-prices does not know it.
        output_field: The field of the model that limits its answers, where the class is not known.

    Raises:
        TypeError: If it is no chat model, but something that wraps one.
        ValueError: If a limit is below one token or `wait` is negative.
        UnknownProvider: If it is not known how the model's answers are limited.
        UnknownPrice: If the ledger caps dollars and the model's price is not known.

    A call of the guarded model raises `BudgetExceeded` where even `min_output` does not fit, and
    `UnboundedInput` where its prompt holds an image or a tool that runs at the provider.
    """
    if not isinstance(cast("object", model), BaseChatModel):
        raise TypeError(_not_a_model(model))
    if min_output < 1 or (max_output is not None and max_output < 1):
        raise ValueError("max_output and min_output are at least 1 token")
    if wait < 0:
        raise ValueError(f"wait must not be negative, but is {wait}")
    plain = _unguarded(model)
    terms = Terms(
        ledger=ledger,
        provider=provider_of(plain, output_field),
        max_output=max_output,
        min_output=min_output,
        wait=wait,
        counter=counter,
        price=price,
    )
    if ledger.remaining.nanodollars is not None and price is None:
        known_price(plain)  # refused now, not at the first call
    return cast("ChatModelT", _put_on(plain, terms))


def _put_on(plain: BaseChatModel, terms: Terms) -> BaseChatModel:
    guarded = plain.model_copy(update=quiet_clients(plain, terms.provider))
    for name in terms.provider.lazy_clients:
        vars(guarded).pop(name, None)
    private = {**(guarded.__pydantic_private__ or {}), "_terms": terms}
    object.__setattr__(guarded, "__pydantic_private__", private)
    object.__setattr__(guarded, "__class__", _guarded_class(type(plain)))
    return guarded


def is_guarded(model: BaseChatModel) -> bool:
    """Whether a model is the work of `guard`."""
    return hasattr(type(model), "__unguarded__")


def _unguarded(model: BaseChatModel) -> BaseChatModel:
    """A copy of the model without its guard."""
    copy = model.model_copy()
    base = getattr(type(model), "__unguarded__", None)
    if base is not None:
        private = {k: v for k, v in (copy.__pydantic_private__ or {}).items() if k != "_terms"}
        object.__setattr__(copy, "__pydantic_private__", private or None)
        object.__setattr__(copy, "__class__", base)
    return copy


def _call(guarded: Any, messages: list[BaseMessage], arguments: dict[str, Any]) -> Dispatch:
    terms = (guarded.__pydantic_private__ or {}).get("_terms")
    if terms is None:
        raise TypeError(
            f"this {type(guarded).__name__} was built anew from the class of a guarded model and "
            "has no ledger: guard it, or copy the guarded model with model_copy(update=…)"
        )
    return Dispatch(terms, _unguarded(guarded), messages, dict(arguments))


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
        result = method(messages, stop=stop, **_managed(method, run_manager), **call.arguments)
        call.saw_result(result)
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
        result = await method(
            messages, stop=stop, **_managed(method, run_manager), **call.arguments
        )
        call.saw_result(result)
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
        chunks = method(messages, stop=stop, **_managed(method, run_manager), **call.arguments)
        with _closed_after(chunks):
            for chunk in chunks:
                call.saw(chunk)
                yield chunk


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
        chunks = method(messages, stop=stop, **_managed(method, run_manager), **call.arguments)
        async with _aclosed_after(chunks):
            async for chunk in chunks:
                call.saw(chunk)
                yield chunk


def _stream_chat_model_events(
    self: Any, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
) -> Iterator[Any]:
    manager = kwargs.pop("run_manager", None)
    call = _call(self, messages, kwargs)
    with call.sent(hold := reserve(call)) as model:
        method = cast("Any", model)._stream_chat_model_events
        events = method(messages, stop=stop, run_manager=manager, **call.arguments)
        with _closed_after(events):
            for event in events:
                call.saw_event(event, hold)
                yield event


async def _astream_chat_model_events(
    self: Any, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
) -> AsyncIterator[Any]:
    manager = kwargs.pop("run_manager", None)
    call = _call(self, messages, kwargs)
    with call.sent(hold := await areserve(call)) as model:
        method = cast("Any", model)._astream_chat_model_events
        events = method(messages, stop=stop, run_manager=manager, **call.arguments)
        async with _aclosed_after(events):
            async for event in events:
                call.saw_event(event, hold)
                yield event


@contextmanager
def _closed_after(stream: Any) -> Generator[None]:
    """Close what the model streams before the call is settled: nothing more is generated then."""
    try:
        yield
    finally:
        if hasattr(stream, "close"):
            stream.close()


@asynccontextmanager
async def _aclosed_after(stream: Any) -> AsyncGenerator[None]:
    """The same for an asynchronous stream."""
    try:
        yield
    finally:
        if hasattr(stream, "aclose"):
            await stream.aclose()


def _reduce(self: Any) -> tuple[Any, ...]:
    # The ledger first: one that cannot travel says so, before a client fails in its own words.
    terms: Terms = self._terms
    return _restore, (terms.ledger, replace(terms, ledger=cast("Any", None)), _unguarded(self))


def _restore(ledger: Ledger, terms: Terms, plain: BaseChatModel) -> BaseChatModel:
    return _put_on(plain, replace(terms, ledger=ledger))


_METHODS: dict[str, Callable[..., Any]] = {
    "_generate": _generate,
    "_agenerate": _agenerate,
    "_stream": _stream,
    "_astream": _astream,
    "_stream_chat_model_events": _stream_chat_model_events,
    "_astream_chat_model_events": _astream_chat_model_events,
}


@cache
def _guarded_class(base: type[BaseChatModel]) -> type[BaseChatModel]:
    """The class of a guarded model: the model's own, with its dispatching methods replaced.

    Only those that the class has itself: LangChain takes one that is defined for one that works,
    and its own default calls another of them.
    """
    own = {
        name: method
        for name, method in _METHODS.items()
        if getattr(base, name, None) is not getattr(BaseChatModel, name, None)
    }
    namespace: dict[str, Any] = {
        **own,
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        "__doc__": base.__doc__,
        "__unguarded__": base,
        "__reduce__": _reduce,
        "_terms": PrivateAttr(),
        # Never built from arguments, so its schema is not needed.
        "model_config": ConfigDict(defer_build=True),
    }
    make: Any = type(base)
    return cast("type[BaseChatModel]", make(base.__name__, (base,), namespace))


def _managed(method: Any, run_manager: Any) -> dict[str, Any]:
    """The callback manager, for a method that takes one."""
    if run_manager is None or not _takes_manager(method.__func__):
        return {}
    return {"run_manager": run_manager}


@cache
def _takes_manager(method: Callable[..., Any]) -> bool:
    parameters = inspect.signature(method).parameters.values()
    return any(p.name == "run_manager" or p.kind is p.VAR_KEYWORD for p in parameters)


def _not_a_model(model: object) -> str:
    name = type(model).__name__
    if isinstance(model, RunnableBinding):
        return (
            f"{name} is a model with arguments bound to it: guard the model first, then bind, "
            "as in guard(model, ledger).bind_tools(tools)"
        )
    if name == "_ConfigurableModel":
        return (
            "a configurable model makes its model at each call: guard a definite one, "
            "as in guard(init_chat_model('provider:name'), ledger) without configurable_fields"
        )
    return f"guard takes a LangChain chat model, not {name}: guard the model inside it"
