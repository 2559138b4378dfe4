"""The node before a call: it trims the documents to the room that the call can afford."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from langgraph.runtime import Runtime

from shoestring.agents import Means, short
from shoestring.budget import Ledger
from shoestring.graphs.account import mirror, working
from shoestring.graphs.prompts import render_sources
from shoestring.graphs.reasoning.drafts import drafted, failed
from shoestring.graphs.reasoning.step import Step, least_cost, read_too
from shoestring.graphs.state import BudgetContext, BudgetState, record
from shoestring.tools import trim

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Trimmer:
    """Trims the documents to the room of the step that follows.

    Args:
        route: The name of its route.
        node: Its own name.
        step: The step that follows.
        later: The steps after that one: what they need at least is kept back.
        means: What the route works with.
        given: What it trims: the question's `documents`, or what was `shown` of them before.
        readers: Calls that each read the trimmed context: what is affordable is for all of them.
    """

    route: str
    node: str
    step: Step
    later: Sequence[Step]
    means: Means
    given: Literal["documents", "shown"] = "documents"
    readers: int = 1

    def __call__(self, state: BudgetState, runtime: Runtime[BudgetContext]) -> BudgetState:
        """Trim, unless an earlier step ended the route."""
        if state["over"]:
            return {}
        with working(state, runtime, self.means.ledgers) as ledger:
            return self._trim(state, ledger.at(node=self.node, route=self.route))

    def _trim(self, state: BudgetState, ledger: Ledger) -> BudgetState:
        meter = self.means.meter
        assert meter is not None  # noqa: S101 - the route made sure
        question = state["question"]
        prompt = meter.prompt(self.step.prompt(question, "", state["thoughts"]))
        kept_back = least_cost(self.later, question, meter)
        if self.later:  # the next step reads what this one writes
            kept_back += read_too(self.step.output, meter)
        caps = ledger.affordable(token_price=meter.token_price).less(kept_back)
        caps = caps.shared(self.readers)
        room = min(
            meter.units(self.step.context),
            meter.room(caps, prompt=prompt, output=self.step.output),
        )
        trimmed = trim(
            state[self.given],
            question,
            room,
            count=meter.counter.count,
            render=render_sources,
            tiers=self.means.tiers,
        )
        ledger.note(
            "trim",
            f"{trimmed.tokens:,} of {room:,} tokens of room used",
            dropped=len(trimmed.dropped),
        )
        context = list(trimmed.documents)
        done = record(self.node, self.route, trimmed, given=self.given)
        update: BudgetState = {"trims": [*state["trims"], done], "spend": mirror(ledger)}
        if not context:
            cap = short(meter.bound(prompt, self.step.output), caps) if not room else None
            problem = "no context fits" if not room else "nothing relevant fits"
            return update | drafted(state, failed(problem, cap))
        update["context"] = context
        if self.given == "documents":
            update["shown"] = context
        return update
