"""What each package is put through, in an environment of its own: nothing of ours is imported here.

    python with_agentbudget.py alone|threads|raw|tasks|raises URL

An adapter subclasses `Peer` and hands it to `main`, which prints what the package says it recorded.
"""

import asyncio
import contextlib
import contextvars
import importlib.metadata
import itertools
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

MODEL = "gpt-4o"
# What the server bills for a call of the shape below, and the cap: two fit, a third does not.
INPUT, OUTPUT = 300, 100
CALL = INPUT + OUTPUT
CAP = 1_000
# For those who count dollars: the list price that they all know for this model, and a cap alike.
INPUT_PRICE, OUTPUT_PRICE = 2.5e-6, 10e-6
CALL_USD = INPUT * INPUT_PRICE + OUTPUT * OUTPUT_PRICE
CAP_USD = CAP / CALL * CALL_USD

WORKERS, MOST = range(8), 5

_numbers = itertools.count(100)


def prompt() -> str:
    """Return a prompt of 300 tokens with its framing; no two are alike: this is no loop."""
    return f"{next(_numbers)}{' word' * (INPUT - 8)}"


def request() -> dict[str, Any]:
    """Return one call for an OpenAI client."""
    messages = [{"role": "user", "content": prompt()}]
    return {"model": MODEL, "messages": messages, "max_tokens": OUTPUT}


def client(url: str, kind: str = "OpenAI") -> Any:
    """Return an OpenAI client that sends each request once."""
    import openai

    return getattr(openai, kind)(base_url=url, api_key="none", max_retries=0)


class Peer:
    """One budget of CAP tokens, shared by all workers, opened as the package's own pages say."""

    package: ClassVar[str]

    def __init__(self, url: str) -> None:
        self.url = url

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Return what stands around all work, in the thread or task that starts the workers."""
        return contextlib.nullcontext()

    def call(self) -> None:
        """Make one call; raise if the package refuses it."""
        raise NotImplementedError

    async def acall(self) -> None:
        """Make one call in a task; raise if the package refuses it."""
        raise NotImplementedError

    def recorded(self) -> float | None:
        """Return how many tokens the package says were spent; None if it keeps no such count."""
        raise NotImplementedError

    def held(self) -> float:
        """Return how many tokens it still holds."""
        return 0


def main(kind: type[Peer]) -> None:
    """Put a package through what the command line asks for, and print what came of it."""
    what, url = sys.argv[1:]
    peer = kind(url)
    stops: Counter[str] = Counter()
    if what in {"threads", "raw"}:
        with peer.scope():
            # A thread does not see the context variables of its parent unless they are carried.
            run = [_plain if what == "raw" else contextvars.copy_context().run for _ in WORKERS]
            workers = [threading.Thread(target=each, args=(_work, peer, stops)) for each in run]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
    elif what == "alone":
        with peer.scope():
            _work(peer, stops)
    elif what == "tasks":
        asyncio.run(_all_tasks(peer, stops))
    else:
        with peer.scope(), _stopped(stops):
            peer.call()
    version = importlib.metadata.version(peer.package)
    found = {"recorded": peer.recorded(), "held": peer.held(), "stops": stops, "version": version}
    print(json.dumps(found))


def _plain(work: Callable[..., None], *args: Any) -> None:
    work(*args)


def _work(peer: Peer, stops: Counter[str]) -> None:
    with _stopped(stops):
        for _ in range(MOST):
            peer.call()


async def _all_tasks(peer: Peer, stops: Counter[str]) -> None:
    async def work() -> None:
        with _stopped(stops):
            for _ in range(MOST):
                await peer.acall()

    with peer.scope():
        await asyncio.gather(*(work() for _ in WORKERS))


@contextlib.contextmanager
def _stopped(stops: Counter[str]) -> Iterator[None]:
    """Take the first error for the end of a worker's work, and count it by name."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001  each package has its own
        stops[type(error).__name__] += 1
