"""A cheap model first, and a dearer one where its answer does not stand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from shoestring.agents import Forecast, Means, Meter
from shoestring.graphs.account import find
from shoestring.graphs.check import VERDICTS, check
from shoestring.graphs.metering import meter_of
from shoestring.graphs.prompts import answer_prompt, stands_prompt
from shoestring.graphs.reasoning.caller import Caller
from shoestring.graphs.reasoning.drafts import drafted, noted
from shoestring.graphs.reasoning.needs import metered
from shoestring.graphs.reasoning.step import Step, least_cost, likely_cost
from shoestring.graphs.reasoning.trimmer import Trimmer
from shoestring.graphs.state import BudgetContext, BudgetState, Draft
from shoestring.tools.words.words import words

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langgraph.graph.state import CompiledStateGraph

    from shoestring.models import Price

VERIFY_OUTPUT = 4
"""Tokens of a verdict: "yes" or "no", and a mark."""


class Cascading(BudgetState, total=False):
    """The state of this route: what the cheap model says of its own answer, and whether that goes on."""

    verdict: str
    stands: bool


@dataclass(frozen=True, slots=True)
class Cascade:
    """Lets a cheap model answer, checks, and lets a dearer one answer where the check fails.

    trim → cheap → (verify) → weigh → done, or trim → dear. The cheap model is the assistant's. Its answer
    is checked as every answer is (see `check`), free of charge; with `verify`, the cheap model is also
    asked whether its answer stands in the sources, a call that is paid and on the receipt. Where money
    for the dear model is lacking, the cheap answer is the best so far.

    Source: FrugalGPT, Chen et al., arXiv:2305.05176; asking the cheap model to verify itself as in AutoMix,
    Madaan et al., arXiv:2310.12963.

    Args:
        model: The dearer chat model, unguarded; it is guarded here.
        price: What it costs; None to look it up.
        verify: Whether the cheap model is asked about its own answer.
        context: Tokens of context that the cheap model reads at most.
        dear_context: Tokens of context that the dear model reads at most.
        least: Fewest tokens of context worth a call.
        output: Bound on an answer's tokens.
        success: Prior chance of a right answer.

    Raises:
        TypeError: From `forecast` and `graph`, if the model is guarded already.
        UnknownPrice: From a run, if dollars are capped and the price is not known.
    """

    model: BaseChatModel
    price: Price | None = None
    verify: bool = False
    context: int = 256
    dear_context: int = 512
    least: int = 160
    output: int = 96
    success: float = 0.65
    name: str = "cascade"
    needs_model: bool = True

    @property
    def cheap_steps(self) -> tuple[Step, ...]:
        """The calls of the cheap model."""
        answer = Step("cheap", answer_prompt, self.context, self.least, self.output)
        asked = Step("verify", stands_prompt, self.context, self.least, VERIFY_OUTPUT)
        return (answer, asked) if self.verify else (answer,)

    @property
    def dear_step(self) -> Step:
        """The call of the dear model."""
        return Step("dear", answer_prompt, self.dear_context, self.least, self.output)

    def forecast(self, question: str, meter: Meter | None) -> Forecast:
        """Add up what the calls of both models cost, each at its bounds; runs tell how often both are made.

        Raises:
            ValueError: If there is no meter.
        """
        meter = metered(self.name, meter)
        dear = meter_of(self.model, self.price)
        return Forecast(
            least=least_cost(self.cheap_steps, question, meter)
            + least_cost([self.dear_step], question, dear),
            likely=likely_cost(self.cheap_steps, question, meter)
            + likely_cost([self.dear_step], question, dear),
            success=self.success,
        )

    def graph(
        self, means: Means
    ) -> CompiledStateGraph[Cascading, BudgetContext, BudgetState, BudgetState]:
        """Return trim → cheap → weigh → trim → dear, the last two where the answer does not stand.

        Raises:
            ValueError: If `means` has no model.
        """
        metered(self.name, means.meter)
        dear_means = replace(means, model=self.model, meter=meter_of(self.model, self.price))
        cheap, *asked = self.cheap_steps
        dear = self.dear_step
        graph = StateGraph(
            Cascading,
            context_schema=BudgetContext,
            input_schema=BudgetState,
            output_schema=BudgetState,
        )
        trim_cheap, trim_dear = f"trim for {cheap.name}", f"trim for {dear.name}"
        graph.add_node(trim_cheap, Trimmer(self.name, trim_cheap, cheap, asked, means))
        graph.add_node(cheap.name, Caller(self.name, cheap, means, noted).node())
        graph.add_edge(START, trim_cheap)
        graph.add_edge(trim_cheap, cheap.name)
        last = cheap.name
        for step in asked:
            graph.add_node(step.name, Caller(self.name, step, means, _verified).node())
            graph.add_edge(last, step.name)
            last = step.name
        graph.add_node("weigh", _Weigh(self.name, means))
        graph.add_edge(last, "weigh")
        graph.add_conditional_edges("weigh", _after, [trim_dear, END])
        graph.add_node(trim_dear, Trimmer(self.name, trim_dear, dear, (), dear_means))
        graph.add_node(dear.name, Caller(self.name, dear, dear_means).node())
        graph.add_edge(trim_dear, dear.name)
        graph.add_edge(dear.name, END)
        return graph.compile(name=self.name)


@dataclass(frozen=True, slots=True)
class _Weigh:
    """Says whether the cheap answer stands."""

    route: str
    means: Means

    def __call__(self, state: Cascading, runtime: Runtime[BudgetContext]) -> dict[str, Any]:
        if state["over"]:
            return {"stands": True}  # there is no going on
        draft = state["draft"]
        problems = check(
            draft["text"],
            question=state["question"],
            context=state["context"],
            shown=state["shown"],
            truncated=draft["truncated"],
        ).problems
        said = [word for word in words(state.get("verdict", "")) if word in VERDICTS]
        if said[:1] == ["no"]:
            problems = (*problems, "the model says that its answer does not stand in the sources")
        ledger = find(state, runtime, self.means.ledgers).at(node="weigh", route=self.route)
        ledger.note("weigh", "; ".join(problems) or "the cheap answer stands")
        return {"stands": not problems, "thoughts": ""}


def _verified(state: BudgetState, draft: Draft) -> BudgetState:
    """Keep what the model says of its own answer, which stays the draft."""
    if draft["problem"]:
        return drafted(state, draft)
    update: Cascading = {"verdict": draft["text"]}
    return cast("BudgetState", update)


def _after(state: Cascading) -> str:
    return END if state["stands"] else "trim for dear"
