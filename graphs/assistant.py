"""The budget-capped assistant: retrieve → plan → a route's trim and reasoning → check → answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime, get_runtime

from shoestring.agents import BadForecasts, Means, Planner, Task
from shoestring.agents.runs import on_thread, payer
from shoestring.budget import Amount, Budget, MemoryStore, Store
from shoestring.graphs.account import (
    find,
    mirror,
    open_question,
    open_route,
    open_thread,
    working,
)
from shoestring.graphs.check import check
from shoestring.graphs.metering import meter_of
from shoestring.graphs.planning import (
    need_of,
    scores_of,
    standard_planner,
    standing_of,
)
from shoestring.graphs.reasoning.drafts import failed
from shoestring.graphs.state import Answer, BudgetContext, BudgetState, Question, Source
from shoestring.tools import EmbeddingTier, Index, IndexRetriever

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel
    from langgraph.graph.state import CompiledStateGraph
    from langgraph.types import Checkpointer

    from shoestring.agents import Allowance
    from shoestring.budget import Ledger
    from shoestring.models import Price
    from shoestring.tools import Outline, Tier

PASSAGES = 20
"""Passages retrieved for a question when documents are given: trimming chooses among them."""


def build_assistant(
    model: BaseChatModel | None,
    documents: Sequence[Document] | BaseRetriever,
    *,
    budget: Budget,
    thread_budget: Budget | None = None,
    allowance: Allowance | None = None,
    price: Price | None = None,
    embeddings: Embeddings | None = None,
    tiers: Sequence[Tier] | None = None,
    outline: Outline | None = None,
    planner: Planner | None = None,
    ledgers: Store | None = None,
    checkpointer: Checkpointer = None,
) -> CompiledStateGraph[BudgetState, BudgetContext, Question, Answer]:
    """Build an assistant that answers from documents and cannot pass its budget.

    Args:
        model: Any LangChain chat model; it is guarded here. None leaves the routes without a model:
            verbatim quotes.
        documents: What to answer from: a retriever, or documents to split and index now, in memory.
        budget: Caps of one question.
        thread_budget: Caps of all questions of one LangGraph thread together; None for none.
        allowance: How the thread's budget is split over its questions; None lets each take what it can.
        price: What the model costs; None to look it up.
        embeddings: Lets the index compare meanings; None compares words alone.
        tiers: What trimming looks at beside words, cheapest first; None for the embeddings, if any.
        outline: The same documents as an outline, for the routes that read by it.
        planner: Routes and the rule to choose by; None for quote, direct and chain of thought, and
            for reading where the outline has a long document (`LONG`).
        ledgers: Where the ledgers live, to look at them afterwards; None for a store of its own. Those
            of a run with a `BudgetContext` live in that account's store.
        checkpointer: As for any LangGraph graph.

    Returns:
        A compiled LangGraph graph. `invoke({"question": "…"})` returns an `Answer`; `context=
        BudgetContext(ledger=…)` makes another account pay beside the assistant's own.

    Raises:
        ValueError: If there is an allowance and no thread budget, or a route that reads by an outline
            and none is given; from `invoke`, if the question is empty.
        TypeError: If the model is guarded already.
        UnknownPrice: If dollars are capped and the model's price is not known.
    """
    if tiers is None:
        tiers = () if embeddings is None else (EmbeddingTier(embeddings),)
    if allowance is not None and thread_budget is None:
        raise ValueError("an allowance splits the budget of a thread: give thread_budget= too")
    assistant = _Assistant(
        budget=budget,
        thread_budget=thread_budget,
        allowance=allowance,
        planner=planner or standard_planner(outline),
        private=ledgers is None,
        means=Means(
            ledgers=ledgers or MemoryStore(),
            model=model,
            meter=None if model is None else meter_of(model, price, budget, thread_budget),
            tiers=tiers,
            outline=outline,
        ),
        retriever=documents
        if isinstance(documents, BaseRetriever)
        else _retriever(documents, embeddings),
    )
    return assistant.graph(checkpointer)


def _retriever(documents: Sequence[Document], embeddings: Embeddings | None) -> BaseRetriever:
    index = Index.open(None, embeddings)
    index.update(documents)
    return IndexRetriever(index=index, k=PASSAGES)


class _Assistant:
    """The nodes of the graph: each reads the state, asks the ledger, and returns plain data."""

    def __init__(
        self,
        *,
        budget: Budget,
        thread_budget: Budget | None,
        allowance: Allowance | None,
        planner: Planner,
        private: bool,
        means: Means,
        retriever: BaseRetriever,
    ) -> None:
        self.budget = budget
        self.thread_budget = thread_budget
        self.allowance = allowance
        self.planner = planner
        self.private = private
        self.means = means
        self.retriever = retriever

    def graph(
        self, checkpointer: Checkpointer
    ) -> CompiledStateGraph[BudgetState, BudgetContext, Question, Answer]:
        graph = StateGraph(
            BudgetState, context_schema=BudgetContext, input_schema=Question, output_schema=Answer
        )
        routes = [
            route
            for route in self.planner.routes
            if self.means.model is not None or not route.needs_model
        ]
        names = [route.name for route in routes]
        graph.add_node("open", self.open)
        graph.add_node("retrieve", RunnableLambda(self.retrieve, afunc=self.aretrieve))
        graph.add_node("plan", self.plan)
        for route in routes:
            graph.add_node(route.name, route.graph(self.means))
            graph.add_edge(route.name, "check")
        graph.add_node("check", self.check)
        graph.add_node("answer", self.answer)
        graph.add_edge(START, "open")
        graph.add_edge("open", "retrieve")
        graph.add_conditional_edges("retrieve", self.after_retrieve, ["plan", "answer"])
        graph.add_conditional_edges("plan", self.after_plan, ["answer", *names])
        graph.add_conditional_edges("check", self.after_check, ["plan", "answer"])
        graph.add_edge("answer", END)
        return graph.compile(checkpointer=checkpointer, name="assistant")

    def open(self, state: BudgetState, runtime: Runtime[BudgetContext]) -> BudgetState:
        """Open the question's ledger and forget what the thread's last question left."""
        question: object = state.get("question")
        if not isinstance(question, str) or not question.strip():
            raise ValueError("the question is empty: ask something")
        turn = state.get("turn", 0) + 1
        store, parent, thread = self.means.ledgers, payer(runtime.context), None
        if self.thread_budget is not None:
            parent = thread = open_thread(self.thread_budget, runtime, store)
        budget, needed = self.budget, state.get("needed", (0, 0))
        if self.allowance is not None and thread is not None:
            need = need_of(state["question"], self.planner, self.means.meter)
            usual = needed[1] / needed[0] if needed[0] else need
            relative = need / usual if need and usual else 1.0
            budget = self.allowance.budget(budget, thread, turn - 1, relative)
            needed = (needed[0] + 1, needed[1] + need)
        ledger = open_question(budget, runtime, store, parent=parent, turn=turn)
        return {
            "turn": turn,
            "needed": needed,
            "ledger_id": ledger.id,
            "thread_ledger_id": thread.id if thread is not None else None,
            "spend": mirror(ledger),
            "documents": [],
            "tried": [],
            "route": "",
            "route_ledger_id": None,
            "began": 0.0,
            "earlier": "",
            "context": [],
            "shown": [],
            "thoughts": "",
            "trims": [],
            "draft": failed(""),
            "problems": [],
            "answer": "",
            "kind": "abstained",
            "sources": [],
            "receipt": [],
            "dropped": 0,
            "stopped_by": None,
        }

    def retrieve(self, state: BudgetState, config: RunnableConfig) -> BudgetState:
        """Fetch the documents once a question."""
        with working(state, get_runtime(BudgetContext), self.means.ledgers):
            return self._retrieved(self.retriever.invoke(state["question"], config))

    async def aretrieve(self, state: BudgetState, config: RunnableConfig) -> BudgetState:
        with working(state, get_runtime(BudgetContext), self.means.ledgers):
            return self._retrieved(await self.retriever.ainvoke(state["question"], config))

    @staticmethod
    def _retrieved(documents: list[Document]) -> BudgetState:
        if documents:
            return {"documents": documents}
        return {"documents": [], "draft": failed("nothing was found on the question")}

    def after_retrieve(self, state: BudgetState) -> str:
        return "plan" if state["documents"] else "answer"

    def plan(self, state: BudgetState, runtime: Runtime[BudgetContext]) -> BudgetState:
        """Choose the route by what is left, and set aside what it may spend."""
        ledger = find(state, runtime, self.means.ledgers).at(node="plan")
        earlier = state["draft"]["text"]
        task = Task(state["question"], scores_of(state["documents"]), earlier)
        session = None
        if self.allowance is not None and ledger.parent is not None:
            session = self.allowance.session(ledger.parent, state["turn"] - 1)
        standing = standing_of(ledger, self.means.meter, task, state["tried"], session)
        choice = self.planner.choose(self.means.meter, standing)
        ledger.at(route=choice.route or "").note("plan", str(choice))
        own = open_route(ledger, choice.route, choice.set_aside) if choice.route else None
        # Nothing was tried, or money ended: then this is why there is no answer.
        gave_up = choice.route is None and (choice.stopped_by is not None or not state["tried"])
        update: BudgetState = {
            "route": choice.route or "",
            "route_ledger_id": own.id if own is not None else None,
            "began": ledger.elapsed,
            "earlier": earlier,
            "purpose": choice.purpose,
            "stopped_by": choice.stopped_by or state["stopped_by"],
            "problems": [*state["problems"], choice.reason] if gave_up else state["problems"],
        }
        if choice.route is not None:  # which begins with an empty page
            update |= {
                "thoughts": "",
                "draft": failed(""),
                "over": False,
                "context": [],
                "shown": [],
            }
        return update

    def after_plan(self, state: BudgetState) -> str:
        return state["route"] or "answer"

    def check(self, state: BudgetState, runtime: Runtime[BudgetContext]) -> BudgetState:
        """Accept the draft, or say what is wrong with it."""
        draft = state["draft"]
        problems: Sequence[str] = [draft["problem"]] if draft["problem"] else []
        cited: Sequence[Document] = state["context"] if draft["kind"] == "quote" else []
        if draft["kind"] == "generated":
            verdict = check(
                draft["text"],
                question=state["question"],
                context=state["context"],
                shown=state["shown"],
                truncated=draft["truncated"],
            )
            problems, cited = verdict.problems, verdict.cited
        ledger = find(state, runtime, self.means.ledgers).at(node="check", route=state["route"])
        ledger.note("check", "; ".join(problems) or "passed")
        if state["route_ledger_id"]:
            ledger.store.ledger(state["route_ledger_id"]).close()
        self._learn(state, ledger)
        return {
            "tried": [*state["tried"], state["route"]],
            "problems": list(problems),
            "stopped_by": draft["cap"] or state["stopped_by"],
            "sources": [] if problems else [_source(piece) for piece in cited],
        }

    def _learn(self, state: BudgetState, ledger: Ledger) -> None:
        """Let the forecaster know what the route has cost; whether it was right, nobody knows yet."""
        task = Task(state["question"], scores_of(state["documents"]), state["earlier"])
        lines = (line.spent for line in ledger.receipt.lines if line.route == state["route"])
        spent = sum(lines, start=Amount())
        seconds = max(0.0, ledger.elapsed - state["began"])
        try:
            self.planner.learn(state["route"], task, self.means.meter, spent, seconds)
        except BadForecasts as error:  # an answer is not lost for it
            ledger.note("learn", str(error))

    def after_check(self, state: BudgetState) -> str:
        return "plan" if state["problems"] else "answer"

    def answer(self, state: BudgetState, runtime: Runtime[BudgetContext]) -> BudgetState:
        """Hand over the answer with its receipt, or say honestly that there is none."""
        ledger = find(state, runtime, self.means.ledgers)
        draft = state["draft"]
        accepted = not state["problems"] and bool(draft["text"])
        kind = draft["kind"] if accepted else "abstained"
        text = draft["text"].strip() if accepted else _refusal(state)
        receipt = ledger.receipt
        if self.private and on_thread(runtime) is None:
            self.means.ledgers.discard(ledger.id)  # nobody else can ask for it: do not hoard
        return {
            "answer": text,
            "kind": kind,
            "sources": state["sources"] if accepted else [],
            "receipt": [line.as_dict() for line in receipt.lines],
            "dropped": receipt.dropped,
            "spend": mirror(ledger),
            "stopped_by": None if kind == "generated" else state["stopped_by"],
            "messages": [HumanMessage(state["question"]), AIMessage(text)],
        }


def _refusal(state: BudgetState) -> str:
    why = "; ".join(state["problems"]) or state["draft"]["problem"]
    return f"No answer: {why}." if why else "No answer was found."


def _source(piece: Document) -> Source:
    metadata: dict[str, Any] = piece.metadata
    return Source(
        source=str(metadata.get("source", "")),
        start=int(metadata.get("start", 0)),
        end=int(metadata.get("end", 0)),
        text=piece.page_content,
    )
