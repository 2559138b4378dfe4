"""How fast is a reservation? Pairs of reserve and settle a second, by the depth of the tree.

    python benchmarks/ledger.py

A pair is reserve and settle: in a file two transactions, in a Redis server two round trips; with
dispatching() between them, three. The server is started on the loopback, if it is installed; its
clients are processes of their own, or threads of a few, each with a connection of its own.
The baseline of the same run is the bare arithmetic under one lock: what checking and adding cost at least.
"""

import multiprocessing
import pickle
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path

from shoestring.budget import Amount, Budget, Ledger, RedisStore, SQLiteStore, Store

PAIRS, RUNS = 20_000, 7
FILE_PAIRS, PROCESSES, DEPTH = 1_000, 8, 3
SERVER_PAIRS, PORT = 8_000, 7_391
# Of a server: 16, as processes with so many threads each.
CLIENTS = (16, 1), (2, 8)
BOUND, ACTUAL = Amount(800, 200, 1_000, 1), Amount(780, 90, 900, 1)
PLENTY = Budget(tokens=10**12, usd=10**6, calls=10**9)


def rate(pair: Callable[[], None], pairs: int = PAIRS) -> float:
    """Return the median of pairs a second over the runs."""
    found: list[float] = []
    for _ in range(RUNS):
        start = time.perf_counter()
        for _ in range(pairs):
            pair()
        found.append(pairs / (time.perf_counter() - start))
    return statistics.median(found)


def tree(depth: int, store: Store | None = None) -> Ledger:
    """Return a ledger so many floors below its root's top."""
    ledger = Ledger(PLENTY, store=store)
    for _ in range(depth - 1):
        ledger = ledger.child(PLENTY)
    return ledger


def ledger_pair(ledger: Ledger, *, dispatching: bool = True) -> Callable[[], None]:
    """Return a pair on a ledger."""

    def pair() -> None:
        hold = ledger.reserve(BOUND)
        if dispatching:
            hold.dispatching()
        hold.settle(ACTUAL)

    return pair


def work(ledger: Ledger, threads: int, pairs: int, start: Barrier, end: Barrier) -> None:
    """Make pairs in a process of its own, each run between two barriers."""
    # Unpickled anew, each has a store and a connection of its own.
    copies = [ledger, *(pickle.loads(pickle.dumps(ledger)) for _ in range(threads - 1))]

    def many(copy: Ledger) -> None:
        pair = ledger_pair(copy, dispatching=False)
        for _ in range(pairs):
            pair()

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(RUNS):
            start.wait()
            list(pool.map(many, copies))
            end.wait()


def shared_rate(ledger: Ledger, processes: int, pairs: int, threads: int = 1) -> float:
    """Return the median of pairs a second, of all processes and threads on one ledger together."""
    context = multiprocessing.get_context("spawn")
    start, end = context.Barrier(processes + 1), context.Barrier(processes + 1)
    each = pairs // processes // threads
    workers = [
        context.Process(target=work, args=(ledger, threads, each, start, end))
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    found: list[float] = []
    for _ in range(RUNS):
        start.wait()
        began = time.perf_counter()
        end.wait()
        found.append(each * processes * threads / (time.perf_counter() - began))
    for worker in workers:
        worker.join()
    return statistics.median(found)


def durable_rates(store: Store, pairs: int, *clients: tuple[int, int]) -> None:
    """Print the rates of a store that processes share."""
    ledger = tree(DEPTH, store)
    for words, dispatching in (("alone", False), ("with dispatching", True)):
        alone = rate(ledger_pair(ledger, dispatching=dispatching), FILE_PAIRS)
        print(f"  {words:<24} {alone:>8,.0f} pairs/s")
    for processes, threads in clients:
        words = f"{processes} processes{f' x {threads} threads' if threads > 1 else ''}"
        total = shared_rate(ledger, processes, pairs, threads)
        print(f"  {words:<24} {total:>8,.0f} pairs/s in total")


@contextmanager
def redis_server(folder: str) -> Generator[str]:
    """Run a server that keeps nothing on its disk; yield its URL."""
    command = ["redis-server", "--port", str(PORT), "--bind", "127.0.0.1"]
    with subprocess.Popen(
        [*command, "--save", "", "--dir", folder], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        next(line for line in server.stdout if "eady to accept connections" in line)
        yield f"redis://127.0.0.1:{PORT}"
        server.terminate()


def bare_pair() -> Callable[[], None]:
    """Return check-and-add of three sums under a lock, and the correction after."""
    lock, sums = threading.Lock(), [0, 0, 0]

    def pair() -> None:
        with lock:
            if all(s + b <= 10**15 for s, b in zip(sums, (1_000, 1_000, 1), strict=True)):
                sums[0] += 1_000
                sums[1] += 1_000
                sums[2] += 1
        with lock:
            sums[0] -= 130
            sums[1] -= 100

    return pair


def main() -> None:
    """Print the rates and the ratio to the baseline."""
    base = rate(bare_pair())
    print(f"{'bare arithmetic':<16} {base:>10,.0f} pairs/s")
    for depth in (1, 3, 5):
        pairs = rate(ledger_pair(tree(depth)))
        print(
            f"depth {depth:<10} {pairs:>10,.0f} pairs/s   {base / pairs:.1f} x the baseline's time"
        )
    with tempfile.TemporaryDirectory() as folder:
        for durability in ("normal", "full"):
            store = SQLiteStore(Path(folder) / f"{durability}.db", durability=durability)
            print(f"SQLite, synchronous={durability}, depth {DEPTH}:")
            durable_rates(store, FILE_PAIRS, (PROCESSES, 1))
            store.close()
        print(f"Redis on the loopback, depth {DEPTH}:")
        if shutil.which("redis-server") is None:
            print("  redis-server is not installed")
            return
        with redis_server(folder) as url:
            durable_rates(RedisStore(url), SERVER_PAIRS, *CLIENTS)


if __name__ == "__main__":
    main()
