"""Does every question of a session get an outcome, while anything that could answer it fits?

    python benchmarks/sessions.py [--sessions 1000] [--seed 1]

Sessions of 2 to 9 questions are simulated on the real assistant, ledger and planner: under a thread's budget
that may be far too small, any split of it, any policy that needs no training, any set of routes, with an
answer reserve or none. The model is scripted and as bad as models are: its answers are right, made up,
empty, endless, loops, or say that there is none.

A question is *left* if it ended without an answer though a route that nobody had tried yet could have been
paid to its end, and no policy had said that it is not worth its cost. None may be: the exit status is 1 if
any was, or if a cap was passed. Abstaining is an outcome, and counted.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver

from shoestring.agents import (
    Affordable,
    Allowance,
    Expected,
    Forecaster,
    Planner,
    Policy,
    Route,
    Task,
    Thresholds,
    Worth,
    short,
)
from shoestring.agents.allowance import Split
from shoestring.agents.stopping import EarlyStopping
from shoestring.budget import Budget, MemoryStore
from shoestring.graphs import (
    BudgetedThought,
    Cascade,
    ChainOfDraft,
    ChainOfThought,
    Direct,
    Quote,
    SelfConsistency,
    build_assistant,
)
from shoestring.graphs.metering import meter_of
from shoestring.graphs.planning import scores_of
from shoestring.graphs.state import Answer
from shoestring.models import LocalChatModel

QUESTION = "How many people does the ferry to Ellery Island carry?"
RIGHT = "The ferry to Ellery Island carries 120 people."
DOCUMENTS = [
    Document(
        "The ferry to Ellery Island carries 120 people and no cars. "
        + " ".join(f"The archive holds letter number {n} of the keeper." for n in range(120)),
        metadata={"source": "ferry.txt"},
    )
]
SPLITS: tuple[Split, ...] = ("fixed", "decaying", "forecast", "policy")
ANSWERS = (
    RIGHT,
    RIGHT,
    "It carries 450 people.",
    "",
    "on and on " * 300,
    "The sources do not say.",
)


class Scripted(LocalChatModel):
    """Counts as the packaged model does, and answers at random from a script, without its weights."""

    script: int

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's signature
    ) -> ChatResult:
        del stop, run_manager
        count = self.counter
        read = count.count_messages(messages)
        said = random.Random(f"{self.script} {read} {messages[-1].text[-80:]}").choice(ANSWERS)
        whole, limit = said, kwargs.get("max_tokens") or self.max_tokens or 1
        while count.count(said) > limit:
            said = said[: 3 * len(said) // 4]
        written = count.count(said)
        message = AIMessage(
            said,
            usage_metadata=UsageMetadata(
                input_tokens=read, output_tokens=written, total_tokens=read + written
            ),
            response_metadata={"finish_reason": "stop" if said == whole else "length"},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


def routes_of(chosen: random.Random, model: BaseChatModel) -> list[Route]:
    """Return some of the routes."""
    routes: list[Route] = [
        Quote(),
        Direct(),
        ChainOfDraft(),
        ChainOfThought(),
        BudgetedThought(),
        SelfConsistency(rule=EarlyStopping(window=2, most=4)),
        Cascade(model),
    ]
    return chosen.sample(routes, chosen.randint(1, 4))


def policy_of(chosen: random.Random) -> Policy:
    """Return a policy that needs no training."""
    worth = Worth(tokens=chosen.choice([2_000, 50_000, 10**9]))
    return chosen.choice([Affordable(), Thresholds(), Expected(worth), Expected(worth)])


def left_over(result: dict[str, Any], planner: Planner, store: MemoryStore, model: Scripted) -> str:
    """Return the route that could have been taken and was not; "" for none."""
    meter = meter_of(model, None)
    task = Task(QUESTION, scores_of(result["documents"]), result["draft"]["text"])
    left = store.ledger(result["ledger_id"]).at(purpose="answer").affordable()
    for name, forecast in planner.forecasts(task, meter).items():
        if name not in result["tried"] and short(forecast.least, left) is None:
            return name
    return ""


def session(number: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Play one session; return its outcomes, and what went wrong."""
    chosen = random.Random(f"{seed} {number}")
    model, store = Scripted(script=number), MemoryStore()
    planner = Planner(
        routes_of(chosen, model),
        policy=policy_of(chosen),
        forecaster=chosen.choice([None, Forecaster()]),
    )
    questions = chosen.randint(2, 9)
    split: Split = chosen.choice(SPLITS)
    thread_budget = Budget(tokens=round(10 ** chosen.uniform(2, 5.2)), calls=chosen.randint(0, 60))
    assistant = build_assistant(
        model,
        DOCUMENTS,
        budget=Budget(tokens=30_000, answer_reserve=chosen.choice([0, 0, 2_000])),
        thread_budget=thread_budget,
        allowance=chosen.choice([None, Allowance(questions, split)]),
        planner=planner,
        ledgers=store,
        checkpointer=InMemorySaver(),
    )
    outcomes, wrong = Counter[str](), list[str]()
    keys = [*Answer.__annotations__, "tried", "documents", "draft", "thread_ledger_id"]
    for _ in range(questions):
        result = assistant.invoke(
            {"question": QUESTION}, {"configurable": {"thread_id": "1"}}, output_keys=keys
        )
        outcomes[result["kind"]] += 1
        if result["kind"] == "abstained" and "worth its cost" not in str(result["receipt"]):
            route = left_over(result, planner, store, model)
            if route:
                wrong.append(f"session {number}: {route} was left")
        spent = store.ledger(result["thread_ledger_id"]).spent
        if spent.tokens > (thread_budget.tokens or 0) or spent.calls > (thread_budget.calls or 0):
            wrong.append(f"session {number}: its cap was passed")
    return outcomes, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the outcomes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    began = time.perf_counter()
    outcomes, wrong = Counter[str](), list[str]()
    for number in range(asked.sessions):
        found, bad = session(number, asked.seed)
        outcomes += found
        wrong += bad
    for line in wrong[:20]:
        print(line)
    told = ", ".join(f"{kind} {count:,}" for kind, count in sorted(outcomes.items()))
    print(
        f"{asked.sessions:,} sessions of {outcomes.total():,} questions in "
        f"{time.perf_counter() - began:.0f} s: {told}; left or overspent {len(wrong)}"
    )
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
