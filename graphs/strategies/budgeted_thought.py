"""As many tokens of thought as the question is worth, then an answer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, cast

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from shoestring.agents import Elasticity, Forecast, Means, Meter
from shoestring.graphs.prompts import answer_prompt, estimate_prompt, within_prompt
from shoestring.graphs.reasoning.caller import Caller
from shoestring.graphs.reasoning.drafts import drafted, noted
from shoestring.graphs.reasoning.needs import metered
from shoestring.graphs.reasoning.step import Step, least_cost, likely_cost
from shoestring.graphs.reasoning.trimmer import Trimmer
from shoestring.graphs.state import BudgetContext, BudgetState, Draft

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

ASKED = re.compile(r"\[\[\s*(\d{1,6})\s*\]\]|(?<![\d.,])(\d{1,6})(?![\d.,]*\d)")
"""An estimate: a number in double brackets as asked for, or by itself."""

ESTIMATE_OUTPUT = 16
"""Tokens an estimate may have: a number, and a word or two."""

OVERRUN = 2
"""Times the tokens asked for that the thoughts may have, before they are cut off."""


class Budgeted(BudgetState, total=False):
    """The state of this route: the tokens that the thoughts are asked to stay below."""

    asked: int


@dataclass(frozen=True, slots=True)
class BudgetedThought:
    """Estimates the tokens it takes to think, thinks within them, then answers.

    trim → estimate → trim → think → trim → answer. The estimate's own call is paid and on the receipt
    like any other. What is asked for is never below what the model is known to obey (`elasticity`,
    which learns from every run), nor above `thought`; where the model names no number, `thought` is. A
    model that ignores what it was asked is cut off at twice that, and answers from what it has.

    Source: TALE-EP, Han et al., arXiv:2412.18547. As in `ChainOfDraft` the answer is a call of its own.

    Args:
        context: Tokens of context to think on at most.
        least: Fewest tokens of context worth thinking on.
        thought: The most tokens of thought that are asked for.
        glance: Tokens of context that the estimate sees.
        answer_context: Tokens of context to answer from at most.
        output: Bound on the answer's tokens.
        success: Prior chance of a right answer.
        elasticity: What is known about the model; a route of one's own learns for itself.
    """

    context: int = 640
    least: int = 480
    thought: int = 128
    glance: int = 96
    answer_context: int = 224
    output: int = 96
    success: float = 0.58
    elasticity: Elasticity = field(default_factory=Elasticity)
    name: str = "budgeted_thought"
    needs_model: bool = True

    def steps(self, asked: int | None = None) -> tuple[Step, Step, Step]:
        """Return the three calls, thinking within what was asked; None for the most."""
        asked = self.thought if asked is None else asked
        thinking = partial(within_prompt, tokens=asked)
        return (
            Step("estimate", estimate_prompt, self.glance, self.glance, ESTIMATE_OUTPUT),
            Step("think", thinking, self.context, self.least, OVERRUN * asked),
            Step("answer", answer_prompt, self.answer_context, self.answer_context, self.output),
        )

    def forecast(self, question: str, meter: Meter | None) -> Forecast:
        """Add up what the three calls cost: at least with the least thought, likely with the most.

        Raises:
            ValueError: If there is no meter.
        """
        meter = metered(self.name, meter)
        shortest = min(self.thought, self.elasticity.least)
        return Forecast(
            least=least_cost(self.steps(shortest), question, meter),
            likely=likely_cost(self.steps(), question, meter),
            success=self.success,
        )

    def graph(
        self, means: Means
    ) -> CompiledStateGraph[Budgeted, BudgetContext, BudgetState, BudgetState]:
        """Return trim → call, for each of the three.

        Raises:
            ValueError: If `means` has no model.
        """
        metered(self.name, means.meter)
        graph = StateGraph(
            Budgeted,
            context_schema=BudgetContext,
            input_schema=BudgetState,
            output_schema=BudgetState,
        )
        before = START
        for place, name in enumerate(("estimate", "think", "answer")):
            part = _Part(self, means, place)
            graph.add_node(f"trim for {name}", part.trim)
            graph.add_node(name, RunnableLambda(part.call, afunc=part.acall, name=name))
            graph.add_edge(before, f"trim for {name}")
            graph.add_edge(f"trim for {name}", name)
            before = name
        graph.add_edge(before, END)
        return graph.compile(name=self.name)

    def ask_for(self, estimate: str) -> int:
        """Return the tokens to ask for after an estimate, whatever the model wrote."""
        found = ASKED.findall(estimate)
        bracketed = [inside for inside, _ in found if inside]
        named = [inside or alone for inside, alone in found]
        wished = int((bracketed or named)[-1]) if named else self.thought
        return min(self.thought, max(wished, self.elasticity.least))


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the three calls: what it is asked depends on the estimate in the state."""

    route: BudgetedThought
    means: Means
    place: int

    def trim(self, state: Budgeted, runtime: Runtime[BudgetContext]) -> BudgetState:
        steps = self.route.steps(state.get("asked"))
        step, later = steps[self.place], steps[self.place + 1 :]
        given: Literal["documents", "shown"] = "documents" if later else "shown"
        node = f"trim for {step.name}"
        return Trimmer(self.route.name, node, step, later, self.means, given)(state, runtime)

    def call(self, state: Budgeted, config: RunnableConfig) -> BudgetState:
        return self._caller(state).call(state, config)

    async def acall(self, state: Budgeted, config: RunnableConfig) -> BudgetState:
        return await self._caller(state).acall(state, config)

    def _caller(self, state: Budgeted) -> Caller:
        step = self.route.steps(state.get("asked"))[self.place]
        write = (self._estimated, self._thought, drafted)[self.place]
        return Caller(self.route.name, step, self.means, write)

    def _estimated(self, state: BudgetState, draft: Draft) -> BudgetState:
        """Keep what to ask for; an estimate is no draft of an answer."""
        if draft["problem"]:
            return drafted(state, draft)
        update: Budgeted = {"asked": self.route.ask_for(draft["text"])}
        return cast("BudgetState", update)

    def _thought(self, state: BudgetState, draft: Draft) -> BudgetState:
        """Keep the thoughts, and what they took."""
        asked = cast("Budgeted", state).get("asked")
        assert self.means.meter is not None  # noqa: S101 - the route made sure
        if not draft["problem"] and asked is not None:
            written = self.means.meter.counter.count(draft["text"])
            if draft["truncated"]:  # nobody knows how much it would have been
                written = OVERRUN * self.route.thought
            self.route.elasticity.learn(asked, written)
        return noted(state, draft)
