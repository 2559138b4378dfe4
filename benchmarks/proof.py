"""Is the cap a cap, when eight processes share it and are killed at random?

    python benchmarks/proof.py [--store PATH_OR_URL] [--calls N] [--kills N] [--processes N] [--seed S] [--json]

Processes make calls through `guard` on a real ChatOpenAI, against a model server on the loopback that
keeps its own count of what it served, until the ledger refuses. First nobody is killed, then processes
are killed and started again all the while. What the server served is never more than what the ledger
says, nor that more than the cap; and both are equal where nobody was killed.
"""

import argparse
import asyncio
import json
import multiprocessing
import random
import signal
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from shoestring.budget import Budget, BudgetExceeded, Ledger, open_store
from shoestring.models import Price, guard
from shoestring.models.counting.vocabularies import encoding

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import SynchronizedArray

CALLS, KILLS, PROCESSES = 10_000, 60, 8
MODEL, QUESTION, MOST = "gpt-4o-mini", "Say ok.", 6
# Seconds a call waits for what others hold; those that were killed are noticed meanwhile.
PATIENCE = 60.0
context = multiprocessing.get_context("fork")


# The model server


@cache
def prompt_tokens(text: str) -> int:
    """Return what OpenAI bills for a chat of one message of a user."""
    return 7 + len(encoding("o200k_base").encode_ordinary(text))


class Server:
    """Speaks as much of OpenAI's chat completions as is needed, and counts all it answers."""

    def __init__(
        self, served: "SynchronizedArray[int]", marks: Sequence[int], to: Connection
    ) -> None:
        self.served = served
        self.marks = sorted(marks, reverse=True)
        self.to = to
        self.talks: set[asyncio.Task[None]] = set()
        self.ended = asyncio.Event()

    async def run(self) -> None:
        """Serve until told to stop, and then whatever is still on the way."""
        server = await asyncio.start_server(self.talk, "127.0.0.1", 0, backlog=256)
        self.to.send(server.sockets[0].getsockname()[1])
        asyncio.get_running_loop().add_reader(self.to.fileno(), self.stop)
        await self.ended.wait()
        server.close()
        await asyncio.gather(*self.talks)

    def stop(self) -> None:
        """Take no more calls than were sent already."""
        self.to.recv()
        self.ended.set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, until it ends."""
        task = asyncio.current_task()
        assert task is not None
        self.talks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                answer = self.answer(json.loads(await reader.readexactly(size)))
                length = f"content-length: {len(answer)}\r\n\r\n".encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" + length)
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has ended, or was killed
        finally:
            self.talks.discard(task)
            writer.close()

    def answer(self, body: dict[str, Any]) -> bytes:
        """Count a call as served, and answer it."""
        number, read, written = self.served[0] + 1, prompt_tokens(QUESTION), 0
        assert body["messages"] == [{"content": QUESTION, "role": "user"}], body
        written = min(1 + number % MOST, body["max_completion_tokens"])
        self.served[:] = [number, self.served[1] + read, self.served[2] + written]
        if self.marks and number >= self.marks[-1]:
            self.marks.pop()
            self.to.send(number)
        message = {"role": "assistant", "content": "ok " * written}
        usage = {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        head = {"id": "c", "object": "chat.completion", "created": 0, "model": MODEL}
        return json.dumps({**head, "choices": [choice], "usage": usage}).encode()


def serve(served: "SynchronizedArray[int]", marks: Sequence[int], to: Connection) -> None:
    """Run the server, in a process of its own."""
    asyncio.run(Server(served, marks, to).run())


# Those who spend


def spend(place: str, ledger: str, port: int) -> None:
    """Call the model until the ledger refuses."""
    model = ChatOpenAI(
        model=MODEL, api_key=SecretStr("none"), base_url=f"http://127.0.0.1:{port}/v1"
    )
    guarded = guard(
        model,
        open_store(place).ledger(ledger),
        max_output=MOST,
        min_output=MOST,
        wait=PATIENCE,
        price=Price(input="0.15", output="0.60"),
    )
    try:
        while True:
            guarded.invoke(QUESTION)
    except BudgetExceeded:
        return


def prove(place: str, *, calls: int, processes: int, kills: int, seed: int) -> dict[str, Any]:
    """Spend all of a ledger of so many calls, and return all figures."""
    dice = random.Random(seed)
    served = context.Array("q", 3)
    here, there = context.Pipe()
    # When to kill: at random, by the server's count, so that it does not depend on the machine.
    marks = sorted(dice.randint(1, max(1, calls * 9 // 10)) for _ in range(kills))
    server = context.Process(target=serve, args=(served, marks, there))
    server.start()
    port = here.recv()
    name = f"proof {kills} {seed}"
    root = Ledger(
        Budget(calls=calls, tokens=calls * 30, usd=calls), id=name, store=open_store(place)
    )
    tenants = [root.child(name=f"tenant {number}") for number in range(2)]
    runs = [
        tenants[number % 2].child(Budget(calls=calls), name=f"run {number}").id
        for number in range(processes)
    ]

    def start(run: str) -> BaseProcess:
        process = context.Process(target=spend, args=(place, run, port))
        process.start()
        return process

    began = time.perf_counter()
    workers = {run: start(run) for run in runs}
    killed = 0
    for _ in marks:
        here.recv()
        run = dice.choice(runs)
        workers[run].kill()
        workers[run].join()
        killed += workers[run].exitcode == -signal.SIGKILL
        workers[run] = start(run)
    for worker in workers.values():
        worker.join()
    seconds = time.perf_counter() - began
    here.send(None)
    server.join()
    # What was held by the killed is charged when the ledger is opened again.
    receipt = open_store(place).ledger(name).receipt
    presumed = [line for line in receipt.lines if line.basis == "presumed"]
    return {
        "processes": processes,
        "killed": killed,
        "failed": sum(worker.exitcode != 0 for worker in workers.values()),
        "seconds": round(seconds, 1),
        "calls": [served[0], receipt.spent.calls, calls],
        "tokens": [served[1] + served[2], receipt.spent.tokens, calls * 30],
        "held": receipt.held.calls,
        "presumed": len(presumed),
        "lines": [len(receipt.lines), len({line.hold for line in receipt.lines})],
    }


def check(found: dict[str, Any]) -> None:
    """Raise AssertionError unless the figures prove what they should."""
    for served, ledger, cap in (found["calls"], found["tokens"]):
        assert served <= ledger <= cap, found
        assert found["killed"] or served == ledger, found
    _, ledger, cap = found["calls"]
    assert ledger == cap, found  # they went on until the ledger refused
    assert found["held"] == found["failed"] == 0, found
    # Each died with one call at most; every call has one line.
    assert found["presumed"] <= found["killed"], found
    assert found["lines"] == [cap, cap], found


def main() -> None:
    """Prove it without kills and with them, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--store", help="a file or a URL for the ledgers; a temporary file if not given"
    )
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    options = parser.parse_args()
    encoding("o200k_base")  # once, before the processes fork
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        place = options.store or str(Path(folder) / "ledgers.db")
        for kills in (0, options.kills):
            found = prove(
                place,
                calls=options.calls,
                processes=options.processes,
                kills=kills,
                seed=options.seed,
            )
            check(found)
            results.append(found)
            if not options.json:
                calls, tokens = (
                    "{:,} ≤ {:,} ≤ {:,}".format(*found[key]) for key in ("calls", "tokens")
                )
                print(
                    f"{found['processes']} processes, {found['killed']} kills, {found['seconds']} s: "
                    f"server ≤ ledger ≤ cap is {calls} calls, {tokens} tokens; "
                    f"{found['presumed']} calls presumed"
                )
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
