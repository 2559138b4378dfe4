"""A cascade pays for the dear model only where the cheap one's answer does not stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import Document

from shoestring.agents import Planner
from shoestring.budget import Amount, Budget, Ledger, MemoryStore
from shoestring.graphs import BudgetContext, Cascade, build_assistant
from shoestring.models import Price, UnknownPrice, guard

if TYPE_CHECKING:
    from tests.conftest import CountingServer

QUESTION = "How many people does the ferry to Ellery Island carry?"
GOOD = "The ferry to Ellery Island carries 120 people."
BAD = "The ferry to Ellery Island carries 450 people."
DOCUMENTS = [
    Document(
        "The ferry to Ellery Island carries 120 people and no cars.",
        metadata={"source": "ferry.txt"},
    )
]
CHEAP, DEAR = "gpt-4o-mini", "gpt-4o"
LOW, HIGH = Price(input=0.15, output=0.6), Price(input=2.5, output=10)  # a million


def script(cheap: str, dear: str = GOOD, verdict: str = "yes") -> Any:
    """Return a script: what each model answers, and what the cheap one says of its answer."""

    def says(body: dict[str, Any]) -> str:
        if "Write yes or no" in body["messages"][-1]["content"]:
            return verdict
        return dear if body["model"] == DEAR else cheap

    return says


def cascaded(
    server: CountingServer, *, verify: bool = False, **options: Any
) -> tuple[dict[str, Any], Ledger]:
    store = MemoryStore()
    options.setdefault("budget", Budget(tokens=8_000, usd=1))
    assistant = build_assistant(
        server.model(),
        DOCUMENTS,
        price=LOW,
        planner=Planner((Cascade(server.model(model=DEAR), HIGH, verify=verify),)),
        ledgers=store,
        **options,
    )
    result = assistant.invoke({"question": QUESTION})
    return result, store.ledger(result["ledger_id"])


@pytest.mark.parametrize(
    ("cheap", "models"),
    [
        (GOOD, [CHEAP]),
        (BAD, [CHEAP, DEAR]),
        ("", [CHEAP, DEAR]),
        ("The sources do not say.", [CHEAP, DEAR]),
        ("and so on " * 200, [CHEAP, DEAR]),
    ],
)
def test_the_dear_model_answers_where_the_check_fails(
    server: CountingServer, cheap: str, models: list[str]
) -> None:
    """An answer that stands is the cheap model's; one made up, empty, declined or endless is not taken."""
    server.says = script(cheap)
    result, _ = cascaded(server)
    assert [body["model"] for body in server.requests] == models
    assert (result["kind"], "120 people" in result["answer"]) == ("generated", True)


@pytest.mark.parametrize(
    ("verdict", "calls"),
    [("yes", 2), ("Yes, it is.", 2), ("no", 3), ("No.", 3), ("perhaps", 2), ("", 2)],
)
def test_the_cheap_model_may_doubt_its_own_answer(
    server: CountingServer, verdict: str, calls: int
) -> None:
    """Asked about its answer, a "no" goes on to the dear model; the asking is paid like any call."""
    server.says = script(GOOD, verdict=verdict)
    result, ledger = cascaded(server, verify=True)
    assert len(server.requests) == calls
    assert GOOD in server.requests[1]["messages"][-1]["content"]
    nodes = [line["node"] for line in result["receipt"] if line["spent"]["calls"]]
    assert nodes == ["cheap", "verify", "dear"][:calls]
    assert ledger.spent.calls == calls


def test_each_model_is_paid_at_its_own_price(server: CountingServer) -> None:
    """What each call costs is counted at the rates of the model that made it."""
    server.says = script(BAD)
    result, _ = cascaded(server)
    cheap, dear = (line["spent"] for line in result["receipt"] if line["spent"]["calls"])
    for spent, price in ((cheap, LOW), (dear, HIGH)):
        paid = spent["input_tokens"] * price.input + spent["output_tokens"] * price.output
        assert spent["usd"] == pytest.approx(float(paid) / 1_000_000, rel=1e-3)


def test_money_for_the_cheap_answer_alone_leaves_it_as_the_best(server: CountingServer) -> None:
    """Where others spend what the dear model needs, the answer that was doubted is the best so far."""
    parent = Ledger(Budget(tokens=8_000))

    def says(body: dict[str, Any]) -> str:
        if "Write yes or no" not in body["messages"][-1]["content"]:
            return GOOD
        rest = Amount(input_tokens=parent.remaining.tokens or 0)
        parent.reserve(rest).settle(rest)
        return "no"

    server.says = says
    store = MemoryStore()
    assistant = build_assistant(
        server.model(),
        DOCUMENTS,
        budget=Budget(tokens=8_000),
        planner=Planner((Cascade(server.model(model=DEAR), verify=True),)),
        ledgers=store,
    )
    result = assistant.invoke({"question": QUESTION}, context=BudgetContext(ledger=parent))
    assert len(server.requests) == 2
    assert (result["kind"], result["answer"]) == ("generated", GOOD)


def test_a_dear_model_without_a_price_is_refused_under_a_dollar_cap(
    server: CountingServer,
) -> None:
    """Dollars are capped and nobody knows the price: named before the call, not guessed; a price given is used."""
    server.says = script(BAD)
    for price in (None, HIGH):
        dear = server.model(model="house-model-7")
        assistant = build_assistant(
            server.model(),
            DOCUMENTS,
            budget=Budget(usd=1),
            price=LOW,
            planner=Planner((Cascade(dear, price=price),)),
        )
        if price is None:
            with pytest.raises(UnknownPrice):
                assistant.invoke({"question": QUESTION})
            assert all(body["model"] != "house-model-7" for body in server.requests)
        else:
            assistant.invoke({"question": QUESTION})
            assert server.requests[-1]["model"] == "house-model-7"


def test_a_guarded_dear_model_is_refused(server: CountingServer) -> None:
    """The dear model is guarded by the route: one that is guarded already would be paid twice."""
    dear = guard(server.model(model=DEAR), Ledger(Budget(tokens=100)))
    with pytest.raises(TypeError, match="guarded already"):
        build_assistant(
            server.model(),
            DOCUMENTS,
            budget=Budget(tokens=8_000),
            planner=Planner((Cascade(dear),)),
        )
