"""A sweep on Ray: the same results, one cap over all workers, and nothing paid twice when one dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from shoestring.budget import Amount, Budget, LedgerNotFound, MemoryStore, RedisStore
from shoestring.evals import CapReached, Case, Passage, Suite, sweep
from shoestring.evals.running.folder import RunFolder
from shoestring.evals.scorers import Contains

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from shoestring.evals import Task

SUITE = Suite(
    "sums",
    tuple(
        Case(f"c{n}", f"{n} + {n}?", (Passage("p", "T", f"{n} + {n} = {2 * n}", gold=True),), (str(2 * n),))
        for n in range(6)
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A real Ray, with two workers."""
    ray: Any = pytest.importorskip("ray")
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=80 * 2**20,
        _system_config={"worker_niceness": 0},  # else a busy machine starves them
    )
    yield
    ray.shutdown()


@pytest.fixture
def ledgers(redis_server: Any) -> Iterator[RedisStore]:
    store = RedisStore(redis_server.url)
    yield store
    store.close()


def answering(folder: Path, dies: dict[int, str] | None = None) -> Callable[[Task], str]:
    """A target that pays 40 tokens, notes who asked, and kills its worker where it is told to.

    A function in a function: Ray sends it by value.
    """
    file, deaths = folder / "asked", dies or {}

    def target(task: Task) -> str:
        number = int(task.question.split()[0])
        before = file.read_text().split() if file.exists() else []
        with file.open("a") as asked:
            asked.write(f"{number}\n")
        if deaths.get(number) == "first" and str(number) not in before:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 5 and not deaths:
            raise ZeroDivisionError(number)
        with task.ledger.at(node="work").reserve(Amount(40, 0, 0, 1)) as hold:
            hold.dispatching()
            if deaths.get(number) == "paid":
                os.kill(os.getpid(), signal.SIGKILL)
            hold.settle(Amount(30, 10, 0, 1), detail="cached 20")
        return str(2 * number)

    return target


def spent(store: RedisStore, kept: RunFolder) -> int:
    """All that the accounts of a sweep have spent and hold."""
    total = 0
    for number in count(1):
        try:
            ledger = store.ledger(f"{kept.account()}, {number}")
        except LedgerNotFound:
            return total
        total += ledger.spent.tokens + ledger.held.tokens
    return total


@pytest.mark.slow
@pytest.mark.redis
def test_results_are_those_of_one_process(
    cluster: None, ledgers: RedisStore, tmp_path: Path
) -> None:
    """Answers, scores, figures and receipts, with a failure among them; with a cap and without."""
    found: list[dict[Any, Any]] = []
    ways: tuple[tuple[str, dict[str, Any]], ...] = (
        ("here", {}),
        ("there", {"executor": "ray", "ledgers": ledgers}),
        ("capped", {"executor": "ray", "ledgers": ledgers, "cap": Budget(tokens=2_000)}),
    )
    for name, options in ways:
        kept = sweep(
            answering(tmp_path), SUITE, budgets=[60, 90], scorers=[Contains()],
            folder=tmp_path / name, **options,
        )  # fmt: skip
        receipts = {
            key: [(line["node"], line["spent"], line["basis"]) for line in trace["receipt"]]
            for key, trace in kept.traces()
        }
        results = {r.key: (replace(r, seconds=0.0), receipts[r.key]) for r in kept.results()}
        found.append(results)
    assert len(found[0]) == 12
    assert found[0] == found[1] == found[2]
    assert spent(ledgers, RunFolder(tmp_path / "capped")) == 400


@pytest.mark.slow
@pytest.mark.redis
def test_one_cap_holds_over_all_workers(cluster: None, ledgers: RedisStore, tmp_path: Path) -> None:
    """No more is spent than it allows, whoever spends; a larger cap goes on with what is left."""

    def under(cap: int) -> None:
        sweep(
            answering(tmp_path, {99: "never"}), SUITE, budgets=[50], scorers=[Contains()],
            folder=tmp_path / "run", cap=Budget(tokens=cap), executor="ray", ledgers=ledgers,
        )  # fmt: skip

    kept = RunFolder(tmp_path / "run")
    with pytest.raises(CapReached):
        under(130)
    assert (len(list(kept.results())), spent(ledgers, kept)) == (3, 120)
    under(400)
    assert (len(list(kept.results())), spent(ledgers, kept)) == (6, 240)
    assert Counter((tmp_path / "asked").read_text().split()) == {str(n): 1 for n in range(6)}


@pytest.mark.slow
@pytest.mark.redis
def test_a_worker_that_dies_is_paid_once(
    cluster: None, ledgers: RedisStore, tmp_path: Path
) -> None:
    """Before it spent anything its run is made anew; after, it is a failure that says what it cost."""
    kept = sweep(
        answering(tmp_path, {1: "first", 2: "paid"}), SUITE, budgets=[60], scorers=[Contains()],
        folder=tmp_path / "run", cap=Budget(tokens=1_000), executor="ray", ledgers=ledgers,
    )  # fmt: skip
    results = {result.case: result for result in kept.results()}
    assert len(results) == 6
    assert Counter((tmp_path / "asked").read_text().split())["1"] == 2
    assert (results["c1"].error, results["c1"].scores, results["c1"].tokens) == (
        None, {"contains": 1.0}, 40
    )  # fmt: skip
    dead = results["c2"]
    assert (dead.error or "").endswith("the worker of this run died")
    assert (dead.scores, dead.tokens, dead.presumed_tokens) == ({}, 40, 40)
    assert Counter((tmp_path / "asked").read_text().split())["2"] == 1
    assert spent(ledgers, kept) == sum(result.tokens for result in results.values()) == 240


def test_what_other_machines_cannot_reach_is_refused(tmp_path: Path) -> None:
    """A sweep on Ray without ledgers that all reach does not begin; nor does one on who knows what."""
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({"executor": "ray"}, "needs ledgers= that all its machines reach"),
        ({"executor": "dask"}, "executor is .local. or .ray., not 'dask'"),
    )
    for options, told in refused:
        with pytest.raises(ValueError, match=told):
            sweep(str, SUITE, budgets=[9], scorers=[Contains()], folder=tmp_path, **options)


@pytest.mark.slow
def test_what_cannot_be_sent_is_told(cluster: None, tmp_path: Path) -> None:
    """A target that holds a lock ends the sweep before it begins, with what to do."""
    import threading

    lock = threading.Lock()

    def target(task: Task) -> str:
        with lock:
            return task.question

    with pytest.raises(ValueError, match=r"other processes: cannot pickle .* Give a function"):
        sweep(
            target, SUITE, budgets=[9], scorers=[Contains()], folder=tmp_path, executor="ray",
            ledgers=MemoryStore(),
        )  # fmt: skip


SCRIPT = """
import sys
from pathlib import Path
from shoestring import Amount, Budget, RedisStore
from shoestring.evals import Case, Suite, sweep
from shoestring.evals.scorers import Contains

folder, cases = Path(sys.argv[1]), 16
notes = folder / "asked"  # a worker has other arguments


def target(task):
    number = int(task.question.split()[0])
    with task.ledger.reserve(Amount(40, 0, 0, 1)) as hold:
        hold.dispatching()
        with notes.open("a") as asked:
            asked.write(f"{number}\\n")
        hold.settle(Amount(40, 0, 0, 1))
    return str(2 * number)


if __name__ == "__main__":
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80 * 2**20,
             _system_config={"worker_niceness": 0})
    suite = Suite("sums", tuple(Case(f"c{n}", f"{n} + {n}?", (), (str(2 * n),)) for n in range(cases)))
    sweep(
        target, suite, budgets=[50], scorers=[Contains()], folder=folder / "run", concurrency=2,
        cap=Budget(tokens=100 * cases), executor="ray", ledgers=RedisStore(sys.argv[2]),
        on_progress=lambda seen: print(seen.done, flush=True),
    )
"""


@pytest.mark.slow
@pytest.mark.redis
def test_a_killed_sweep_goes_on(redis_server: Any, tmp_path: Path) -> None:
    """Of the runs nothing finished is run again, and all of it is paid from one cap."""
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path), redis_server.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != "5":
            assert process.poll() is None
        process.kill()
    kept = RunFolder(tmp_path / "run")
    done = {result.key for result in kept.results()}
    assert 5 <= len(done) < 16
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    results = list(kept.results())
    assert len(results) == len({result.key for result in results}) == 16
    assert all(result.scores == {"contains": 1.0} for result in results)
    asked = Counter((tmp_path / "asked").read_text().split())
    assert {key.case for key in done} <= {f"c{n}" for n, times in asked.items() if times == 1}
    assert sum(asked.values()) <= 16 + 2
    store = RedisStore(redis_server.url)
    assert 16 * 40 <= spent(store, kept) <= 1_600
    store.close()
