"""A session's budget is split over its questions, and what one leaves goes to those that follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langgraph.checkpoint.memory import InMemorySaver

from shoestring.agents import Allowance, Expected, Planner, Worth
from shoestring.budget import Amount, Budget, Ledger, MemoryStore
from shoestring.graphs import ChainOfThought, Direct, Quote, build_assistant

if TYPE_CHECKING:
    from tests.conftest import CountingServer

    from shoestring.agents.allowance import Split

SPLITS: tuple[Split, ...] = ("fixed", "decaying", "forecast", "policy")


@given(
    st.integers(1, 50),
    st.sampled_from(SPLITS),
    st.floats(0.05, 0.95),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 100)), max_size=60),
    st.integers(0, 10**6),
    st.integers(0, 2_000),
)
def test_no_split_hands_out_more_than_is_left(  # noqa: PLR0917 - hypothesis gives them
    questions: int,
    split: Split,
    decay: float,
    turns: list[tuple[float, float]],
    limit: int,
    reserve: int,
) -> None:
    """Whatever each question spends of its allowance, all together stay under the session's cap."""
    allowance = Allowance(questions, split, decay=decay)
    session = Ledger(Budget(tokens=limit, calls=20))
    own = Budget(tokens=limit, answer_reserve=min(reserve, limit))
    for asked, (part, need) in enumerate(turns):
        budget = allowance.budget(own, session, asked, need)
        assert budget.tokens is not None
        assert budget.tokens <= (session.remaining.tokens or 0)
        spent = Amount(int(budget.tokens * part), calls=min(1, budget.calls or 0))
        session.reserve(spent).settle(spent)


def test_fixed_shares_are_equal_and_what_is_saved_goes_on() -> None:
    """Four questions of 1,000 tokens: 250 each; the second may have what the first left."""
    session = Ledger(Budget(tokens=1_000))
    own = Budget(tokens=10_000)
    allowance = Allowance(4)
    assert allowance.budget(own, session, 0).tokens == 250
    session.reserve(Amount(100)).settle(Amount(100))
    assert allowance.budget(own, session, 1).tokens == 300


def test_a_dearer_question_is_allowed_more() -> None:
    """By forecast, one that costs twice the mean may spend two shares of it."""
    allowance = Allowance(5, "forecast")
    assert allowance.share(0, 1.0) == pytest.approx(1 / 5)
    assert allowance.share(0, 2.0) == pytest.approx(2 / 6)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"questions": 0}, "give 1 or more"),
        ({"questions": 3, "split": "half"}, "choose fixed"),
        ({"questions": 3, "decay": 1.0}, "between 0 and 1"),
        ({"questions": 3, "decay": float("nan")}, "between 0 and 1"),
    ],
)
def test_an_allowance_that_is_none_is_refused(bad: dict[str, Any], said: str) -> None:
    """No questions, an unknown split and a decay that is none are named."""
    with pytest.raises(ValueError, match=said):
        Allowance(**bad)


@pytest.mark.parametrize("split", SPLITS)
def test_a_thread_of_the_assistant_lasts_for_all_its_questions(
    server: CountingServer, split: Split
) -> None:
    """Six questions on a budget for six short answers: with an allowance each has one, without not."""
    server.says = lambda _: "The ferry to Ellery Island carries 120 people [1]."
    filler = " ".join(
        f"On day {n} the ferry to Ellery Island carries {n} people more." for n in range(200)
    )
    documents = [Document(f"The ferry to Ellery Island carries 120 people. {filler}")]

    def answered(allowance: Allowance | None) -> int:
        store = MemoryStore()
        assistant = build_assistant(
            server.model(),
            documents,
            budget=Budget(tokens=3_000),
            thread_budget=Budget(tokens=2_600),
            allowance=allowance,
            planner=Planner(
                (Quote(), ChainOfThought(), Direct()), Expected(Worth(tokens=1_000_000))
            ),
            checkpointer=InMemorySaver(),
            ledgers=store,
        )
        thread: Any = {"configurable": {"thread_id": "t"}}
        asked: Any = {"question": "How many people does the ferry to Ellery Island carry?"}
        kinds = [assistant.invoke(asked, thread)["kind"] for _ in range(6)]
        assert store.ledger("thread 't'").spent.tokens <= 2_600
        return kinds.count("generated")

    assert answered(Allowance(6, split, decay=0.95)) == 6
    assert answered(None) < 6


def test_an_allowance_splits_a_threads_budget() -> None:
    """Without a thread budget there is nothing to split: that is said when it is built."""
    with pytest.raises(ValueError, match="give thread_budget="):
        build_assistant(None, [], budget=Budget(tokens=10), allowance=Allowance(3))
