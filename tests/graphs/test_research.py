"""Research splits a question, reads for its parts side by side on money of their own, and puts them together."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from shoestring.agents import Planner
from shoestring.budget import Amount, Budget, Ledger, MemoryStore
from shoestring.graphs import BudgetContext, Research, build_assistant
from shoestring.graphs.splitting import asked_by_names, asked_in
from shoestring.tools import Outline

if TYPE_CHECKING:
    from tests.conftest import CountingServer

QUESTION = "Which is older, the lighthouse of Orford or the pier of Kelso?"
PARTS = ("When was the lighthouse of Orford built?", "When was the pier of Kelso built?")
ANSWER = "The pier of Kelso is older, from 1821."
TOLD = {PARTS[0]: "It was built in 1843 [1].", PARTS[1]: "It was built in 1821 [1]."}


def letters(topic: str) -> str:
    return " ".join(f"The archive of {topic} holds letter number {n}." for n in range(30))


DOCUMENTS = [
    Document(
        f"# Orford\n\n{letters('Orford')}\n\nThe lighthouse of Orford was built in 1843.",
        metadata={"source": "orford.md"},
    ),
    Document(
        f"# Kelso\n\n{letters('Kelso')}\n\nThe pier of Kelso was built in 1821.",
        metadata={"source": "kelso.md"},
    ),
]
OUTLINE = Outline.build(DOCUMENTS)


def asked(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def splits(body: dict[str, Any]) -> bool:
    return "have to be looked up" in asked(body)


def says(body: dict[str, Any]) -> str:
    """Split the question in two, answer the two, then the question."""
    if splits(body):
        return "1. " + "\n2. ".join(PARTS)
    return next((told for part, told in TOLD.items() if asked(body).endswith(part)), ANSWER)


def assistant(server: CountingServer, budget: Budget, store: MemoryStore) -> Any:
    return build_assistant(
        server.model(),
        DOCUMENTS,
        budget=budget,
        outline=OUTLINE,
        planner=Planner((Research(),)),
        ledgers=store,
    )


def ask(server: CountingServer, budget: Budget) -> tuple[dict[str, Any], Ledger]:
    store = MemoryStore()
    keys = ["answer", "kind", "sources", "receipt", "ledger_id", "trims", "spend", "context"]
    result = assistant(server, budget, store).invoke({"question": QUESTION}, output_keys=keys)
    return result, store.ledger(result["ledger_id"])


def paid(result: dict[str, Any]) -> list[str]:
    return [line["node"] for line in result["receipt"] if line["what"] == "gpt-4o-mini"]


def notes(result: dict[str, Any], what: str) -> list[str]:
    return [line["detail"] for line in result["receipt"] if line["what"] == what]


def test_parts_are_answered_side_by_side_and_put_together(server: CountingServer) -> None:
    """Two parts run at once, each from its own part of the documents; the answer reads what both found."""
    meeting = threading.Barrier(2, timeout=10)

    def meets(body: dict[str, Any]) -> str:
        told = says(body)
        if told in TOLD.values():
            meeting.wait()
        return told

    server.says = meets
    result, ledger = ask(server, Budget(tokens=6_000))
    assert (result["answer"], result["kind"]) == (ANSWER, "generated")
    assert sorted(paid(result)) == ["answer", "part 1", "part 2", "split"]
    last = asked(server.requests[-1])
    assert f"Notes:\n{PARTS[0]} It was built in 1843.\n{PARTS[1]}" in last
    assert "The pier of Kelso was built in 1821." in last
    assert {source["source"] for source in result["sources"]} >= {"kelso.md"}
    assert server.billed == ledger.spent.tokens
    assert ledger.held == Amount()


def test_what_the_parts_leave_flows_back(server: CountingServer) -> None:
    """Each part's set-aside is closed with what it spent; the rest is there for the answer."""
    server.says = says
    result, ledger = ask(server, Budget(tokens=2_400))
    own = [ledger.store.ledger(f"{ledger.id}, part {n}") for n in (1, 2)]
    assert all(each.closed for each in own)
    assert all(each.spent.tokens < (each.limit.tokens or 0) for each in own)
    assert ledger.held == Amount()
    assert ledger.remaining.tokens == 2_400 - server.billed
    lines = [line for each in own for line in each.receipt.lines if line.spent.tokens]
    assert [line.node for line in lines] == ["part 1", "part 2"]
    mirrored = {key.rpartition(":")[0] for key, entry in result["spend"].items() if entry}
    assert {each.id for each in own} <= mirrored


def test_a_part_that_fails_does_not_sink_the_rest(server: CountingServer) -> None:
    """One part's provider fails: what was read for it stands, the other's answer, and the final one."""

    def fails(body: dict[str, Any]) -> str:
        return "boom" if asked(body).endswith(PARTS[0]) else "ok"

    server.says, server.behave = says, fails
    result, ledger = ask(server, Budget(tokens=6_000, calls=4))
    assert (result["answer"], result["kind"]) == (ANSWER, "generated")
    assert any(note.startswith("part 1: failed: ") for note in notes(result, "part"))
    assert server.billed <= ledger.spent.tokens <= 6_000
    assert ledger.held == Amount()


def test_an_outline_that_breaks_for_a_part_does_not_sink_the_rest(
    server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part whose reading raises is told on the receipt."""
    server.says = says
    read = Outline.read

    def breaks(self: Outline, query: str, *args: Any, **options: Any) -> Any:
        if query == PARTS[1]:
            raise OSError("the disk is gone")
        return read(self, query, *args, **options)

    monkeypatch.setattr(Outline, "read", breaks)
    result, ledger = ask(server, Budget(tokens=6_000))
    assert notes(result, "part") == ["part 2: failed: OSError"]
    assert sorted(paid(result)) == ["answer", "part 1", "split"]
    assert ledger.held == Amount()


@pytest.mark.parametrize("reply", ["", "I cannot do that.", QUESTION])
def test_names_split_a_question_that_the_model_does_not(server: CountingServer, reply: str) -> None:
    """Where the reply has no other question, there is one for each name."""
    server.says = lambda body: reply if splits(body) else ANSWER
    result, _ = ask(server, Budget(tokens=6_000))
    (told,) = notes(result, "split")
    assert told == "split it by 2 names: the reply holds no other question"
    assert result["kind"] == "generated"


@pytest.mark.parametrize(
    ("budget", "nodes"),
    [
        (Budget(tokens=950), ["answer"]),  # splitting would cost the answer its context
        (Budget(tokens=6_000, calls=1), ["answer"]),
        (Budget(tokens=6_000, calls=3), ["answer", "part 1", "split"]),
    ],
)
def test_parts_are_read_without_the_model_where_money_is_short(
    server: CountingServer, budget: Budget, nodes: list[str]
) -> None:
    """The answer is kept money for; then come the split and as many parts as can be paid."""
    server.says = says
    result, _ = ask(server, budget)
    assert (sorted(paid(result)), result["kind"]) == (nodes, "generated")
    last = asked(server.requests[-1])
    assert "built in 1843" in last
    assert "built in 1821" in last


def test_the_parts_answers_stand_when_the_money_has_ended(server: CountingServer) -> None:
    """Others spend what the last call needs: the answers of the parts are handed over."""
    account = Ledger(Budget(tokens=4_000))

    def spends(body: dict[str, Any]) -> str:
        if asked(body).endswith(PARTS[1]):
            left = account.affordable()
            taken = Amount(input_tokens=left.tokens or 0)
            account.reserve(taken).settle(taken)
        return says(body)

    server.says = spends
    store = MemoryStore()
    result = assistant(server, Budget(tokens=6_000), store).invoke(
        {"question": QUESTION}, context=BudgetContext(account)
    )
    assert result["kind"] == "generated"
    assert "1821" in result["answer"]
    assert account.spent.tokens <= 4_000
    assert account.held == Amount()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tokens=st.integers(0, 4_000) | st.none(),
    calls=st.integers(0, 6),
    reply=st.sampled_from(["split", "nonsense", "endless"]),
)
def test_any_budget_ends_with_an_outcome_within_it(
    server: CountingServer, tokens: int | None, calls: int, reply: str
) -> None:
    """Whatever the caps and whatever the model writes: an outcome, nothing held, never over."""
    wild = {"nonsense": "No.", "endless": "Is it so? " * 2_000}
    server.says = says if reply == "split" else lambda body: wild[reply]
    server.requests.clear()
    server.billed_input = server.billed_output = 0
    result, ledger = ask(server, Budget(tokens=tokens, calls=calls))
    assert result["kind"] in {"generated", "quote", "abstained"}
    assert server.billed == ledger.spent.tokens
    assert tokens is None or server.billed <= tokens
    assert len(server.requests) <= calls
    assert ledger.held == Amount()


async def test_it_runs_in_tasks_and_a_cancelled_run_holds_nothing(server: CountingServer) -> None:
    """The same in an asynchronous run; a run cancelled among its parts gives back their set-asides."""
    server.says = says
    store = MemoryStore()
    run = assistant(server, Budget(tokens=6_000), store)
    account = Ledger(Budget(tokens=20_000), store=store)
    result = await run.ainvoke({"question": QUESTION}, context=BudgetContext(account))
    assert (result["answer"], len(server.requests)) == (ANSWER, 4)

    def hangs(body: dict[str, Any]) -> str:
        if splits(body):
            return "ok"
        hanging.set()
        return "hang"

    hanging = threading.Event()
    server.behave = hangs
    task = asyncio.create_task(run.ainvoke({"question": QUESTION}, context=BudgetContext(account)))
    await asyncio.to_thread(hanging.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert account.held == Amount()
    assert server.billed <= account.spent.tokens <= 20_000


@pytest.mark.parametrize(
    "reply",
    [
        "Who built it? When was it built?",
        "Sure, here are the questions:\n\n1. Who built it?\n2. When was it built?\n",
        '["Who built it?", "When was it built?"]',
        "- **Q1:** Who built it?\n- **Q2:** When was it built?",
    ],
)
def test_questions_are_read_out_of_whatever_is_written_around_them(reply: str) -> None:
    """Lists, JSON, one line: the questions meant, in order, once each."""
    found = [one["question"].strip("* ") for one in asked_in(reply, QUESTION, 3)]
    assert [text.removeprefix("Q1:** ") for text in found] == [
        "Who built it?",
        "When was it built?",
    ]


@given(st.text(max_size=300), st.text(max_size=100), st.integers(1, 4))
def test_any_reply_is_split_within_bounds(reply: str, question: str, most: int) -> None:
    """No reply and no question raises, and there are never more questions than asked for."""
    assert len(asked_in(reply, question, most)) <= most
    assert 1 <= len(asked_by_names(question, most)) <= most
