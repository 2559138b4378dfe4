"""A sweep that is killed at any moment goes on: nothing finished is run, or paid, twice."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from shoestring.evals.running.folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import sys
from pathlib import Path
from shoestring import Amount, Budget
from shoestring.evals import Case, Suite, sweep
from shoestring.evals.scorers import Contains

folder, cases = Path(sys.argv[1]), 40


def target(task):
    number = int(task.question.split()[0])
    with task.ledger.reserve(Amount(40, 0, 0, 1)) as hold:
        hold.dispatching()
        with (folder / "asked").open("a") as asked:
            asked.write(f"{number}\\n")
        print(number, flush=True)
        hold.settle(Amount(40, 0, 0, 1))
    return str(2 * number)


suite = Suite("sums", tuple(Case(f"c{n}", f"{n} + {n}?", (), (str(2 * n),)) for n in range(cases)))
sweep(
    target, suite, budgets=[50], scorers=[Contains()], folder=folder / "run", concurrency=3,
    cap=Budget(tokens=100 * cases),
)
"""


@pytest.mark.slow
def test_kill_9_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """Killed five times on its way: each case ends up once on disk, all of it paid from one cap."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    kept = RunFolder(tmp_path / "run")
    for _ in range(5):
        done = {result.key for result in kept.results()}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(6):
                process.stdout.readline()
            process.kill()
        assert done <= {result.key for result in kept.results()}
    finished = Counter(result.case for result in kept.results())
    assert subprocess.run(command, check=True, stdout=subprocess.DEVNULL).returncode == 0
    asked = Counter((tmp_path / "asked").read_text().split())
    results = list(kept.results())
    assert len(results) == len({result.key for result in results}) == 40
    assert all(result.scores["contains"] == 1.0 for result in results)
    # Twice asked is only what was under way when the process died: three at once, five times.
    assert sum(asked.values()) <= 40 + 3 * 5
    assert set(finished.values()) <= {1}
