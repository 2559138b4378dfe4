"""A target of ours under inspect-ai: its limits hold, its log tells what was spent, and its viewer opens it."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
from langchain_core.prompts import ChatPromptTemplate

from shoestring.budget import Amount
from shoestring.evals import Case, Passage, Suite
from shoestring.evals.scorers import Contains

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from inspect_ai.log import EvalLog

    from shoestring.evals import Task

# inspect-ai leaves streams of its own open when an evaluation ends.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SUITE = Suite(
    "sums",
    tuple(
        Case(f"c{n}", f"{n} + {n}?", (Passage("p", "T", f"{n} + {n} = {2 * n}", gold=True),), (str(2 * n),),
             {"language": "en"})
        for n in range(3)
    ),
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def swept() -> Iterator[None]:
    """Those streams are not told of in the tests of other modules."""
    yield
    gc.collect()


@pytest.fixture
def evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., EvalLog]:
    """Runs a target on the suite as a person does, and reads the log back from disk."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    from inspect_ai import Task as InspectTask
    from inspect_ai import eval as run_inspect
    from inspect_ai.log import read_eval_log

    from shoestring.evals.interop import as_dataset, as_scorer, as_solver

    def evaluate(target: object, budget: object = None, **options: Any) -> EvalLog:
        task = InspectTask(
            dataset=as_dataset(SUITE), solver=as_solver(target, budget=budget),  # type: ignore[arg-type]
            scorer=as_scorer(Contains()), **options,
        )  # fmt: skip
        (log,) = run_inspect(
            task, model="none", log_dir=str(tmp_path / "logs"), display="none", fail_on_error=False
        )
        return read_eval_log(log.location)

    return evaluate


def paying(task: Task) -> str:
    """Spends 40 tokens and two cents."""
    number = int(task.question.split()[0])
    cost = Amount(30, 10, 20_000_000, 1)
    with task.ledger.at(node="work").reserve(cost, what="openai/gpt-x") as hold:
        hold.dispatching()
        hold.settle(cost, detail="cached 20; reasoning 4")
    return str(2 * number)


@pytest.mark.slow
def test_the_log_tells_what_was_asked_answered_and_spent(
    evaluated: Callable[..., EvalLog], server: Any
) -> None:
    """Each call is an event with its prompt and answer, and the tokens are those that were billed."""

    def says(body: dict[str, Any]) -> str:
        return f"The sum is {2 * int(body['messages'][-1]['content'].split()[1])}."

    server.says = says
    chain = ChatPromptTemplate.from_template("Add: {input}") | server.model(max_tokens=20)
    log = evaluated(chain, budget=400)
    assert log.status == "success"
    assert log.results is not None
    assert {s.name: s.metrics["mean"].value for s in log.results.scores} == {"contains": 1.0}
    assert sum(usage.total_tokens for usage in log.stats.model_usage.values()) == server.billed
    for sample in log.samples or []:
        (event,) = [event for event in sample.events if event.event == "model"]
        assert event.input[-1].text == f"Add: {sample.input}"
        assert event.output.completion == sample.output.completion
        told = sample.metadata["shoestring"]
        (line,) = told["receipt"]
        assert line["basis"] == "measured"
        assert told["spent"]["tokens"] == sum(u.total_tokens for u in sample.model_usage.values())
        assert (told["cap"], told["stopped_by"]) == ("400 tokens", None)


@pytest.mark.slow
def test_parts_and_dollars_are_told(evaluated: Callable[..., EvalLog]) -> None:
    """What was cached and thought stands apart, as inspect-ai counts it, and so does what was paid."""
    log = evaluated(paying)
    (usage,) = log.stats.model_usage.values()
    assert (usage.input_tokens, usage.input_tokens_cache_read, usage.reasoning_tokens) == (
        30,
        60,
        12,
    )
    assert usage.total_cost == pytest.approx(0.06)
    assert [step.params for step in log.plan.steps] == [
        {"target": "paying", "budget": "uncapped", "route": ""}
    ]


@pytest.mark.slow
def test_its_limits_are_kept_before_the_call(evaluated: Callable[..., EvalLog]) -> None:
    """What its limit on tokens or dollars cannot pay is not asked for, and the sample says why it ended."""
    from inspect_ai.model import ModelCost, ModelInfo, set_model_info

    free = ModelCost(input=0, output=0, input_cache_write=0, input_cache_read=0)
    set_model_info("none/none", ModelInfo(cost=free))
    for options, kind, limit in (
        ({"token_limit": 35}, "token", 35),
        ({"cost_limit": 0.01}, "cost", 0.01),
    ):
        log = evaluated(paying, budget=90, **options)
        for sample in log.samples or []:
            assert sample.limit is not None
            assert (sample.limit.type, sample.limit.limit) == (kind, limit)
            assert sample.model_usage == {}
            assert sample.metadata["shoestring"]["spent"]["tokens"] == 0
    ours = evaluated(paying, budget=35, token_limit=1_000)
    for sample in ours.samples or []:
        assert sample.limit is None
        assert sample.metadata["shoestring"]["stopped_by"] == "tokens"
        assert sample.output.completion == ""


@pytest.mark.slow
def test_what_was_spent_before_its_time_ended_is_told(evaluated: Callable[..., EvalLog]) -> None:
    """A target that hangs ends with its sample; what it had paid stands in the log."""
    import anyio

    async def hanging(task: Task) -> str:
        answer = paying(task)
        await anyio.sleep_forever()
        return answer

    log = evaluated(hanging, time_limit=1)
    for sample in log.samples or []:
        assert sample.limit is not None
        assert sample.limit.type == "time"
        assert sum(usage.total_tokens for usage in sample.model_usage.values()) == 40
        assert sample.metadata["shoestring"]["spent"]["tokens"] == 40


@pytest.mark.slow
def test_an_error_is_the_samples(evaluated: Callable[..., EvalLog]) -> None:
    """A target that raises fails its sample, with its traceback; the others are run."""

    def failing(task: Task) -> str:
        if task.question.startswith("1"):
            raise ZeroDivisionError("by <script>")
        return paying(task)

    log = evaluated(failing)
    errors = {sample.id: sample.error for sample in log.samples or []}
    assert errors["c0"] is None
    assert errors["c1"] is not None
    assert "in failing" in errors["c1"].traceback


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[str]:
    """`inspect view` over the logs, as a person starts it."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "inspect_ai", "view", "start", "--log-dir", str(tmp_path / "logs"),
        "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("Running on" in line for line in process.stdout)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.mark.slow
def test_inspect_view_opens_the_logs(
    evaluated: Callable[..., EvalLog], request: pytest.FixtureRequest
) -> None:
    """Its page stands, lists the log, and serves it with our receipt."""
    log = evaluated(paying, budget=90)
    url = request.getfixturevalue("viewer")

    def got(path: str) -> bytes:
        with urlopen(f"{url}{path}", timeout=30) as answer:
            assert answer.status == 200
            return bytes(answer.read())

    assert b"<html" in got("/").lower()
    files = json.loads(got("/api/logs"))["files"]
    name = log.location.rpartition("/")[2]
    (file,) = [file["name"] for file in files if file["name"].endswith(name)]
    from urllib.parse import quote

    served = json.loads(got(f"/api/logs/{quote(file, safe='')}"))
    assert served["eval"]["dataset"]["name"] == "sums"
    assert served["samples"][0]["metadata"]["shoestring"]["receipt"][0]["node"] == "work"
