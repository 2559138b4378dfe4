"""Self-consistency pays for the samples that a vote needs, and for none that the money does not allow."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import Document

from shoestring.agents import Planner
from shoestring.agents.stopping import AdaptiveConsistency, EarlyStopping, FixedSamples
from shoestring.budget import Budget
from shoestring.graphs import SelfConsistency, build_assistant

if TYPE_CHECKING:
    from tests.conftest import CountingServer

QUESTION = "How many people does the ferry to Ellery Island carry?"
DOCUMENTS = [
    Document(
        "The ferry to Ellery Island carries 120 people and no cars. The old one carried 80 people.",
        metadata={"source": "ferry.txt"},
    )
]
RIGHT, WRONG = "The ferry to Ellery Island carries 120 people.", "It carries 80 people."


def turns(*answers: str) -> Any:
    """Return a script: these answers in turn, the last again and again."""
    left, lock = list(answers), threading.Lock()

    def says(_body: dict[str, Any]) -> str:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return says


def voted(server: CountingServer, route: SelfConsistency, **caps: Any) -> dict[str, Any]:
    assistant = build_assistant(
        server.model(),
        DOCUMENTS,
        budget=Budget(**(caps or {"tokens": 20_000})),
        planner=Planner((route,)),
    )
    result: dict[str, Any] = assistant.invoke({"question": QUESTION})
    return result


def vote(result: dict[str, Any]) -> str:
    return str(next(line["detail"] for line in result["receipt"] if line["what"] == "vote"))


@pytest.mark.parametrize(
    ("rule", "answers", "samples"),
    [
        (FixedSamples(5), (RIGHT, WRONG, RIGHT), 5),
        (EarlyStopping(window=3, most=9), (RIGHT,), 3),
        (EarlyStopping(window=3, most=9), (WRONG, RIGHT), 6),
        (AdaptiveConsistency(sure=0.95, most=12), (RIGHT,), 4),
        (AdaptiveConsistency(sure=0.95, most=12), (WRONG, RIGHT), 7),
    ],
)
def test_as_many_samples_are_drawn_as_the_vote_needs(
    server: CountingServer, rule: Any, answers: tuple[str, ...], samples: int
) -> None:
    """Each rule stops where it would have, had the samples been drawn one by one."""
    server.says = turns(*answers)
    result = voted(server, SelfConsistency(rule=rule))
    assert len(server.requests) == samples
    assert "120 people" in result["answer"]
    assert vote(result).endswith(f"of {samples} samples agree")


def test_samples_are_drawn_side_by_side_and_warm(server: CountingServer) -> None:
    """A wave's calls are on the wire together, each at the temperature asked for."""
    together = threading.Barrier(4, timeout=20)

    def says(_body: dict[str, Any]) -> str:
        together.wait()
        return RIGHT

    server.says = says
    voted(server, SelfConsistency(temperature=0.9))
    assert [body["temperature"] for body in server.requests] == [0.9] * 4


def test_samples_of_a_seeded_model_differ(server: CountingServer) -> None:
    """A model with a seed of its own, as in a sweep, is given another for each sample, over all waves."""
    server.says = turns(WRONG, RIGHT)
    assistant = build_assistant(
        server.model(seed=7),
        DOCUMENTS,
        budget=Budget(tokens=20_000),
        planner=Planner((SelfConsistency(rule=EarlyStopping(window=3, most=9)),)),
    )
    assistant.invoke({"question": QUESTION})
    assert sorted(body["seed"] for body in server.requests) == [7, 8, 9, 10, 11, 12]


def test_a_model_that_takes_no_temperature_is_given_none(server: CountingServer) -> None:
    """`temperature=None` leaves the model's own."""
    server.says = turns(RIGHT)
    voted(server, SelfConsistency(temperature=None))
    assert all("temperature" not in body for body in server.requests)


@pytest.mark.parametrize("calls", [3, 4, 5])
def test_a_wave_is_no_wider_than_the_ledger_allows(server: CountingServer, calls: int) -> None:
    """With fewer calls left than a vote wants, those are made, and the vote is among them."""
    server.says = turns(RIGHT, WRONG, RIGHT)
    route = SelfConsistency(rule=EarlyStopping(window=3, most=9))
    result = voted(server, route, tokens=20_000, calls=calls)
    assert len(server.requests) == calls
    assert vote(result) == f"{calls - 1} of {calls} samples agree"
    assert result["kind"] == "generated"


def test_answers_cut_off_have_no_vote(server: CountingServer) -> None:
    """Two whole answers win against many that were cut off, however alike those are."""
    cut = "The old ferry carried 80 people, " + "and again, " * 200
    server.says = turns(cut, cut, cut, RIGHT, RIGHT, cut)
    result = voted(server, SelfConsistency(rule=FixedSamples(6)))
    assert "120 people" in result["answer"]
    assert vote(result) == "2 of 6 samples agree"


def test_where_no_answer_is_whole_none_is_elected(server: CountingServer) -> None:
    """Empty and endless samples end in an honest refusal that says why."""
    server.says = turns("and again, " * 200)
    result = voted(server, SelfConsistency(rule=FixedSamples(2)))
    assert result["kind"] == "abstained"
    assert "cut off" in result["answer"]
