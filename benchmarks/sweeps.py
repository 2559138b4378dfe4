"""What does the harness cost? Runs of a recorded target beside a bare loop over the same answers.

    python benchmarks/sweeps.py [--cases 10000] [--budgets 5]

The target answers at once, from memory, and settles one call on its ledger, as a recorded model would.
The loop looks the answers up and scores them, without a harness. The difference, a run, is what measuring
costs: a task, an account and its call, the lines on disk. Peak memory is that of the whole process.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path
from statistics import median

from shoestring.budget import Amount
from shoestring.evals import Case, Outcome, Passage, Suite, Task, sweep
from shoestring.evals.figures import curves
from shoestring.evals.scorers import Contains, ExactMatch

TEXT = "The ferry to Ellery Island carries 120 people and leaves at 07:40 and 16:20. " * 13  # 1 KB
COST = Amount(input_tokens=40, output_tokens=5, calls=1)


def suite(cases: int) -> Suite:
    """Make that many cases, each over a context of its own."""
    return Suite(
        "recorded",
        tuple(
            Case(f"c{n}", f"{n} + {n}?", (Passage("p", "Ferry", f"{TEXT}{n}"),), (str(2 * n),))
            for n in range(cases)
        ),
    )


def main() -> None:
    """Time both and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--budgets", type=int, default=5)
    options = parser.parse_args()
    measured = suite(options.cases)
    recorded = {case.question: case.answers[0] for case in measured.cases}
    scorers = [Contains(), ExactMatch()]

    def bare() -> float:
        began = time.perf_counter()
        for _ in range(options.budgets):
            for case in measured.cases:
                outcome = Outcome(recorded[case.question])
                for scorer in scorers:
                    scorer.score(case, outcome)
        return time.perf_counter() - began

    async def target(task: Task) -> str:
        with task.ledger.at(node="recorded").reserve(COST) as hold:
            hold.dispatching()
            hold.settle(COST)
        return recorded[task.question]

    budgets = [100 * (n + 1) for n in range(options.budgets)]
    runs = options.cases * options.budgets
    loop = median(bare() for _ in range(3))
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        kept = sweep(target, measured, budgets=budgets, scorers=scorers, folder=folder)
        took = time.perf_counter() - began
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        began = time.perf_counter()
        found = curves(kept.results(), "contains")
        reading = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{runs:,} runs: {took:.1f} s, the bare loop {loop:.2f} s")
    print(f"the harness adds {1000 * (took - loop) / runs:.3f} ms a run")
    print(f"peak memory {peak:,.0f} MB; on disk {size / 1e6:,.1f} MB")
    print(f"{sum(len(curve.points) for curve in found)} points with intervals in {reading:.1f} s")


if __name__ == "__main__":
    main()
