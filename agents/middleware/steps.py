"""One core for a hook and its asynchronous twin: a generator that says what to call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
ResultT = TypeVar("ResultT")


def drive(
    steps: Generator[RequestT, ResponseT, ResultT], handler: Callable[[RequestT], ResponseT]
) -> ResultT:
    """Call `handler` with each request that `steps` yields, and return what it returns.

    What the handler returns is sent in; what it raises is thrown in.

    >>> def twice():
    ...     return (yield 1) + (yield 2)
    >>> drive(twice(), lambda request: request * 10)
    30
    """
    advance = partial(next, steps)
    while True:
        try:
            request = advance()
        except StopIteration as done:
            result: ResultT = done.value
            return result
        try:
            advance = partial(steps.send, handler(request))
        except BaseException as error:  # noqa: BLE001  the generator raises what it does not handle
            advance = partial(steps.throw, error)


async def adrive(
    steps: Generator[RequestT, ResponseT, ResultT],
    handler: Callable[[RequestT], Awaitable[ResponseT]],
) -> ResultT:
    """Do the same with an asynchronous handler."""
    advance = partial(next, steps)
    while True:
        try:
            request = advance()
        except StopIteration as done:
            result: ResultT = done.value
            return result
        try:
            advance = partial(steps.send, await handler(request))
        except BaseException as error:  # noqa: BLE001  as above
            advance = partial(steps.throw, error)
