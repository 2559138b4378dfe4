"""The sweep: every run is measured, kept, paid once, and no target can break it."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.prompts import ChatPromptTemplate

from shoestring.budget import Amount, Budget
from shoestring.evals.cases import Case, Passage
from shoestring.evals.running.account import CapReached
from shoestring.evals.running.folder import BrokenRun, RunFolder
from shoestring.evals.running.sweep import asweep, forecast, grid_of, sweep
from shoestring.evals.running.target import App
from shoestring.evals.scorers import Contains, ExactMatch
from shoestring.evals.suite import Suite

if TYPE_CHECKING:
    from pathlib import Path

    from shoestring.evals.running.grid import Forecast
    from shoestring.evals.running.task import Task

SUITE = Suite(
    "sums",
    tuple(
        Case(f"c{n}", f"{n} + {n}?", (Passage("p", "T", f"{n} + {n} = {2 * n}", gold=True),), (str(2 * n),))
        for n in range(6)
    ),
)  # fmt: skip
ONE = Suite("one", SUITE.cases[:1])


def right(task: Task) -> str:
    number = int(task.question.partition(" ")[0])
    return str(2 * number)


def paying(task: Task) -> str:
    """Spends 40 tokens."""
    with task.ledger.at(node="work").reserve(Amount(40, 0, 0, 1)) as hold:
        hold.dispatching()
        hold.settle(Amount(30, 10, 0, 1), detail="cached 20; reasoning 4")
    return right(task)


def test_every_cell_of_the_grid_is_run_once_and_kept(tmp_path: Path) -> None:
    """Cases by budgets by routes by seeds, each with its figures; run again, nothing is."""
    told: list[Forecast] = []
    calls: list[tuple[str, str, int, int]] = []

    def target(task: Task) -> str:
        calls.append((task.question, task.route, task.seed, len(task.documents)))
        return paying(task)

    kept = RunFolder(tmp_path)
    for _ in range(2):
        sweep(
            target, SUITE, budgets=[100, "60 tokens + 3 calls"], routes=["a", "b"], seeds=2,
            scorers=[ExactMatch(), Contains()], folder=tmp_path, on_progress=told.append,
        )  # fmt: skip
    results = list(kept.results())
    assert len(calls) == len(results) == len({result.key for result in results}) == 48
    assert {call[3] for call in calls} == {1}
    one = results[0]
    assert one.scores == {"exact": 1.0, "contains": 1.0}
    assert (one.input_tokens, one.output_tokens, one.calls) == (30, 10, 1)
    assert (one.cached_tokens, one.reasoning_tokens, one.presumed_tokens) == (20, 4, 0)
    assert (one.error, one.over, one.budget) == (None, 0.0, "100 tokens")
    assert (told[-1].done, told[-1].spent_tokens, told[-1].likely_tokens) == (48, 1920, 1920)
    key, trace = next(kept.traces())
    assert key == one.key
    assert trace["receipt"][0]["node"] == "work"
    assert [case.id for case in kept.suite().cases] == [case.id for case in SUITE.cases]


def test_answers_and_marks_never_reach_a_target(tmp_path: Path) -> None:
    """A task holds neither the answers nor which passage is gold, nor an id that might tell."""
    seen: list[str] = []

    def target(task: Task) -> str:
        seen.append(repr([(d.metadata, d.id) for d in task.documents]))
        return ""

    case = Case("the id", "q?", (Passage("gold-1", "", "x", gold=True),), ("secret",))
    sweep(target, Suite("s", (case,)), budgets=[9], scorers=[Contains()], folder=tmp_path)
    assert seen == ["[({'source': 'passage 0', 'title': ''}, None)]"]


def test_whatever_a_target_does_is_a_scored_failure(tmp_path: Path) -> None:
    """It raises, leaves, hangs, returns junk or passes its cap: each is kept, and the rest is run."""
    hung = threading.Event()

    def target(task: Task) -> Any:
        match int(task.question.partition(" ")[0]):
            case 0:
                raise ZeroDivisionError("by <script>zero</script>")
            case 1:
                sys.exit(3)
            case 2:
                return hung.wait()
            case 3:
                return object()
            case 5:
                raise asyncio.CancelledError
            case _:
                return task.ledger.reserve(Amount(999, 0, 0, 1))

    try:
        kept = sweep(
            target, SUITE, budgets=[50], scorers=[Contains()], folder=tmp_path, timeout=0.2
        )
    finally:
        hung.set()
    errors = {result.case: result.error or "" for result in kept.results()}
    assert errors["c0"] == "ZeroDivisionError: by <script>zero</script>"
    assert errors["c1"] == "SystemExit: 3"
    assert errors["c2"] == "gave no answer within 0.2 s"
    assert errors["c3"] == "Junk: the target returned object, which holds no answer"
    assert errors["c5"] == "CancelledError"
    assert errors["c4"].startswith("BudgetExceeded: ")
    assert {r.case: r.stopped_by for r in kept.results()}["c4"] == "tokens"
    traces = {key.case: trace["traceback"] for key, trace in kept.traces()}
    assert "in target" in traces["c0"]
    assert all(result.scores == {} for result in kept.results())


def test_what_is_given_up_gets_no_more_money(tmp_path: Path) -> None:
    """A thread that hangs is refused when it wakes; what it holds is charged."""
    wake, told = threading.Event(), threading.Event()
    refused: list[str] = []

    def target(task: Task) -> str:
        hold = task.ledger.reserve(Amount(40, 0, 0, 1))
        hold.dispatching()
        wake.wait()
        try:
            task.ledger.reserve(Amount(1, 0, 0, 1))
        except Exception as error:  # noqa: BLE001 - its name is what is looked at
            refused.append(type(error).__name__)
        told.set()
        return ""

    kept = sweep(target, ONE, budgets=[50], scorers=[Contains()], folder=tmp_path, timeout=0.2)
    wake.set()
    assert told.wait(60)
    assert refused == ["LedgerClosed"]
    (result,) = kept.results()
    assert (result.tokens, result.presumed_tokens) == (40, 40)


def test_the_cap_of_the_whole_is_a_cap_and_can_be_raised(tmp_path: Path) -> None:
    """No run begins that it might not pay for; a larger cap goes on and counts what was spent."""

    def under(cap: int) -> None:
        sweep(
            paying, SUITE, budgets=[50], scorers=[Contains()], folder=tmp_path,
            cap=Budget(tokens=cap),
        )  # fmt: skip

    for cap, done in ((100, 2), (130, 3), (1_000, 6)):
        if done < 6:
            with pytest.raises(CapReached, match="leaves no room for another run of 50 tokens"):
                under(cap)
        else:
            under(cap)
        results = list(RunFolder(tmp_path).results())
        assert (len(results), sum(result.tokens for result in results)) == (done, 40 * done)
        assert all(result.error is None for result in results)


def test_a_cap_that_is_lowered_again_counts_all_that_was_spent(tmp_path: Path) -> None:
    """What a larger cap paid meanwhile is not forgotten: nothing is left under the smaller one."""

    def under(cap: int, budget: int) -> None:
        sweep(
            paying, SUITE, budgets=[budget], scorers=[Contains()], folder=tmp_path,
            cap=Budget(tokens=cap),
        )  # fmt: skip

    with pytest.raises(CapReached):
        under(100, 50)
    under(1_000, 50)
    spent = sum(result.tokens for result in RunFolder(tmp_path).results())
    assert spent > 100
    with pytest.raises(CapReached):
        under(100, 10)
    assert sum(result.tokens for result in RunFolder(tmp_path).results()) == spent


def test_a_cap_that_could_bend_a_result_is_refused(tmp_path: Path) -> None:
    """What the whole caps, each run caps: else one ends because others have spent."""
    with pytest.raises(ValueError, match="limits usd, and the budget '50 tokens' does not"):
        sweep(
            right, SUITE, budgets=[50], scorers=[Contains()], folder=tmp_path, cap=Budget(usd=1)
        )  # fmt: skip


def test_an_app_is_measured_as_it_is_and_guarded(server: Any, tmp_path: Path) -> None:
    """A chain and an agent that know nothing of budgets: what the server bills is what stands there."""
    chain = ChatPromptTemplate.from_template("{input}") | server.model(max_tokens=5)
    agent = create_agent(server.model(max_tokens=5), [])
    for place, app in enumerate((chain, agent)):
        server.billed_input = server.billed_output = 0
        kept = sweep(
            app, ONE, budgets=[400, 12], scorers=[Contains()], folder=tmp_path / str(place),
            concurrency=1,
        )  # fmt: skip
        large, small = kept.results()
        assert large.error is None
        assert large.answer
        assert (small.stopped_by, small.tokens) == ("tokens", 0)
        assert large.tokens == server.billed > 0


def test_a_model_that_nobody_guards_is_not_called(server: Any, tmp_path: Path) -> None:
    """A function that calls a model past its ledger fails; by `task.guard` it is paid."""
    model = server.model(max_tokens=5)

    def unguarded(task: Task) -> object:
        return model.invoke(task.question)

    def guarded(task: Task) -> object:
        return task.guard(model).invoke(task.question)

    kept = sweep(
        unguarded,
        ONE, budgets=[400], scorers=[Contains()], folder=tmp_path / "a",
    )  # fmt: skip
    (result,) = kept.results()
    assert (result.error or "").startswith("UnguardedCall: ChatOpenAI is not guarded")
    assert server.billed == 0
    kept = sweep(
        guarded,
        ONE, budgets=[400], scorers=[Contains()], folder=tmp_path / "b",
    )  # fmt: skip
    (result,) = kept.results()
    assert (result.error, result.tokens) == (None, server.billed)


async def test_an_async_target_may_be_given_its_input(tmp_path: Path) -> None:
    """`asweep` runs on the loop that is there; `App(ask=…)` says what an app is asked."""
    from langchain_core.runnables import RunnableLambda

    app = App(
        RunnableLambda(lambda asked: asked["q"]), ask=lambda task: {"q": right(task)}, name="x"
    )
    kept = await asweep(app, SUITE, budgets=[None], scorers=[ExactMatch()], folder=tmp_path)
    assert [result.scores["exact"] for result in kept.results()] == [1.0] * 6
    assert kept.info().target == "x"


def test_a_folder_is_one_sweeps(tmp_path: Path) -> None:
    """Another sweep, another suite, another format and half a run are refused by name."""
    kept = sweep(right, ONE, budgets=[9], scorers=[Contains()], folder=tmp_path)
    with kept.alone(), pytest.raises(BrokenRun, match="another sweep runs in"):
        sweep(right, ONE, budgets=[9], scorers=[Contains()], folder=tmp_path)
    with pytest.raises(BrokenRun, match="holds a run with digest"):
        sweep(right, SUITE, budgets=[9], scorers=[Contains()], folder=tmp_path)
    with pytest.raises(BrokenRun, match="holds a run with scorers"):
        sweep(right, ONE, budgets=[9], scorers=[ExactMatch()], folder=tmp_path)
    told = json.loads((tmp_path / "sweep.json").read_text())
    (tmp_path / "sweep.json").write_text(json.dumps({**told, "format": 99}))
    with pytest.raises(BrokenRun, match="a run of format 99"):
        sweep(right, ONE, budgets=[9], scorers=[Contains()], folder=tmp_path)
    (tmp_path / "sweep.json").unlink()
    with pytest.raises(BrokenRun, match="part of a run"):
        sweep(right, ONE, budgets=[9], scorers=[Contains()], folder=tmp_path)


def test_budgets_may_be_added_to_a_run(tmp_path: Path) -> None:
    """A second sweep with another budget runs that column alone."""
    sweep(right, SUITE, budgets=[9], scorers=[Contains()], folder=tmp_path)
    kept = sweep(right, SUITE, budgets=[5], scorers=[Contains()], folder=tmp_path)
    assert len(list(kept.results())) == 12
    assert list(kept.info().budgets) == ["9 tokens", "5 tokens"]


def test_a_torn_line_is_run_again(tmp_path: Path) -> None:
    """Of what a killed process was writing nothing is believed, and nothing before it is lost."""
    kept = sweep(right, SUITE, budgets=[9], scorers=[Contains()], folder=tmp_path)
    file = tmp_path / "results.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    assert len(list(kept.results())) == 5
    sweep(right, SUITE, budgets=[9], scorers=[Contains()], folder=tmp_path)
    again = file.read_bytes()
    assert len(list(kept.results())) == 6
    assert again.startswith(whole[: whole.rindex(b"\n", 0, -1)])


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (None, r"written down \(No space left on device\): free some room and go on"),
        (errno.ENOSPC, r"written down \(No space left on device\): free some room and go on"),
        (errno.EDQUOT, r"written down \(Disk quota exceeded\): free some room and go on"),
        (errno.EIO, r"written down \(Input/output error\): mend that and go on"),
    ],
)
def test_a_disk_that_takes_no_more_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None, told: str
) -> None:
    """What is wrong with it is named, and no half line is left behind."""
    kept = sweep(right, ONE, budgets=[9], scorers=[Contains()], folder=tmp_path)
    before = (tmp_path / "results.jsonl").read_bytes()
    real = os.write

    def half(file: int, line: bytes) -> int:
        done = real(file, line[: len(line) // 2])
        if number is not None:
            raise OSError(number, os.strerror(number))
        return done

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match=told) as raised:
        sweep(right, ONE, budgets=[8], scorers=[Contains()], folder=tmp_path)
    monkeypatch.undo()
    assert raised.value.errno == (number or errno.ENOSPC)
    assert (tmp_path / "results.jsonl").read_bytes() == before
    assert len(list(kept.results())) == 1


def test_the_forecast_before_the_first_call_is_the_budgets(tmp_path: Path) -> None:
    """Nothing is likely yet, and the most is known; later the means say what is likely."""
    grid = grid_of(SUITE, [100, 50])
    first = forecast(RunFolder(tmp_path), grid)
    assert (first.runs, first.done, first.likely_tokens, first.most_tokens) == (12, 0, None, 900)
    sweep(paying, Suite("sums", SUITE.cases), budgets=[100], scorers=[Contains()], folder=tmp_path)
    later = forecast(RunFolder(tmp_path), grid)
    assert (later.done, later.spent_tokens, later.most_tokens) == (6, 240, 300)
    assert forecast(RunFolder(tmp_path), grid_of(SUITE, [100])).likely_tokens == 240
    assert forecast(RunFolder(tmp_path), grid_of(SUITE, [None])).most_tokens is None


def test_hostile_text_comes_back_as_it_was(tmp_path: Path) -> None:
    """Markup, line ends of all kinds, lone surrogates and zeros are data."""
    strange = "</script><b>\u2028\x00\x85\ud800\u202e"
    case = Case(strange, strange, (Passage(strange, strange, strange),), (strange,), {"k": strange})

    def target(task: Task) -> str:
        assert task.question == strange
        return strange

    kept = sweep(target, Suite("s", (case,)), budgets=[9], scorers=[Contains()], folder=tmp_path)
    (result,) = kept.results()
    assert (result.case, result.answer) == (strange, strange)
    (back,) = kept.suite().cases
    assert (back.question, back.answers, back.meta) == (strange, (strange,), {"k": strange})
    assert (back.passages[0].title, back.passages[0].text) == (strange, strange)


def test_a_scorer_that_raises_spoils_only_its_own_score(tmp_path: Path) -> None:
    """The run stands, its other scores too, and the traceback is kept."""

    class Broken:
        name = "broken"

        def score(self, case: Case, outcome: object) -> float:
            raise KeyError(case.id, outcome)

    kept = sweep(right, ONE, budgets=[9], scorers=[Contains(), Broken()], folder=tmp_path)
    (result,) = kept.results()
    assert (result.scores, result.error) == ({"contains": 1.0}, None)
    ((_, trace),) = kept.traces()
    assert "KeyError" in trace["traceback"]


def test_a_sweep_that_is_stopped_keeps_what_is_finished(tmp_path: Path) -> None:
    """Ctrl-C ends it; the next call runs only what is missing."""
    runs: list[str] = []

    def target(task: Task) -> str:
        runs.append(task.question)
        return right(task)

    def stop(seen: Forecast) -> None:
        if seen.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(
            target, SUITE, budgets=[9], scorers=[Contains()], folder=tmp_path, concurrency=1,
            on_progress=stop,
        )  # fmt: skip
    sweep(target, SUITE, budgets=[9], scorers=[Contains()], folder=tmp_path, concurrency=1)
    assert len(runs) == 6
    assert len(list(RunFolder(tmp_path).results())) == 6
