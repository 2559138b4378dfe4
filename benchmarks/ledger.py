"""How fast is a reservation? Pairs of reserve and settle a second, by the depth of the tree.

    python benchmarks/ledger.py

The baseline of the same run is the bare arithmetic under one lock: what checking and adding cost at least.
"""

import statistics
import threading
import time
from collections.abc import Callable

from shoestring.budget import Amount, Budget, Ledger

PAIRS, RUNS = 20_000, 7
BOUND, ACTUAL = Amount(800, 200, 1_000, 1), Amount(780, 90, 900, 1)
PLENTY = Budget(tokens=10**12, usd=10**6, calls=10**9)


def rate(pair: Callable[[], None]) -> float:
    """Return the median of pairs a second over the runs."""
    found: list[float] = []
    for _ in range(RUNS):
        start = time.perf_counter()
        for _ in range(PAIRS):
            pair()
        found.append(PAIRS / (time.perf_counter() - start))
    return statistics.median(found)


def ledger_pair(depth: int) -> Callable[[], None]:
    """Return a pair on a ledger so many floors below its root's top."""
    ledger = Ledger(PLENTY)
    for _ in range(depth - 1):
        ledger = ledger.child(PLENTY)

    def pair() -> None:
        hold = ledger.reserve(BOUND)
        hold.dispatching()
        hold.settle(ACTUAL)

    return pair


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
        pairs = rate(ledger_pair(depth))
        print(
            f"depth {depth:<10} {pairs:>10,.0f} pairs/s   {base / pairs:.1f} x the baseline's time"
        )


if __name__ == "__main__":
    main()
