"""Waiting for blocking code, which may never end."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def in_thread(function: Callable[[], T]) -> T:
    """Run a function in a thread of its own, in this task's context, and wait for it.

    Unlike `asyncio.to_thread` it takes no place in a pool, and the interpreter does not wait for it
    at its end: a function that hangs costs one idle thread.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def tell(outcome: T | None, error: BaseException | None) -> None:
        if done.done():
            return  # nobody waits any more
        if error is None:
            done.set_result(outcome)  # type: ignore[arg-type]  # it is what the function returned
        else:
            done.set_exception(error)

    def work() -> None:
        outcome: T | None = None
        error: BaseException | None = None
        try:
            outcome = context.run(function)
        except StopIteration as raised:  # a future takes none
            error = RuntimeError(f"raised StopIteration: {raised}")
        except BaseException as raised:  # noqa: BLE001 - told to whoever waits
            error = raised
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(tell, outcome, error)

    threading.Thread(target=work, name="shoestring-eval", daemon=True).start()
    return await done
