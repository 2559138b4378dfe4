"""Research under a budget: a question is split, its parts are read for side by side, and put together."""

from __future__ import annotations

import asyncio
import operator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from langchain_core.documents import Document
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import Send

from shoestring.agents import Means, Meter, short
from shoestring.budget import Amount, Budget, Ledger
from shoestring.graphs.account import account_of, mirror, open_part, working
from shoestring.graphs.findings import Finding, answered, best_of, notes_of, sunk
from shoestring.graphs.pools import Pool, joined, pooled, with_parts
from shoestring.graphs.prompts import render_sources, split_prompt
from shoestring.graphs.quoting import EXCERPTS
from shoestring.graphs.reasoning.asking import Asking, lost
from shoestring.graphs.reasoning.caller import Caller
from shoestring.graphs.reasoning.drafts import failed
from shoestring.graphs.reasoning.needs import metered, outlined
from shoestring.graphs.reasoning.step import Step, likely_cost, read_too
from shoestring.graphs.splitting import Asked, asked_by_names, asked_in
from shoestring.graphs.state import BudgetContext, BudgetState, Draft, record
from shoestring.tools import trim

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from langchain_core.messages import BaseMessage
    from langgraph.graph.state import CompiledStateGraph

    from shoestring.budget import Caps, Purpose
    from shoestring.tools import Outline

SPLIT = "split"
"""The node that splits the question, as receipts name it."""


class Part(Asked):
    """One of the questions, with what is set aside for it: tokens, nanodollars and calls; 0 for nothing."""

    number: int
    tokens: int
    nanodollars: int
    calls: int


class ResearchState(BudgetState, total=False):
    """What the research keeps beside the question's state; plain data.

    `part` is that of one branch; `findings` are those of all, by number.
    """

    parts: list[Part]
    part: Part
    findings: Annotated[dict[str, Finding], operator.or_]


@dataclass(frozen=True, slots=True)
class Splitting:
    """How a question is split and its parts are answered.

    Args:
        parts: Questions that it is split into, at most; 1 or more.
        reply: Bound on the tokens of the reply that splits it.
        part: The step that answers one part.
    """

    parts: int
    reply: int
    part: Step

    def cost(self, question: str, meter: Meter) -> Amount:
        """Return the most that the call costs that splits the question."""
        return meter.bound(meter.prompt(split_prompt(question, self.parts)), self.reply)


def research_graph(
    route: str, splitting: Splitting, answer: Step, means: Means
) -> CompiledStateGraph[ResearchState, BudgetContext, BudgetState, BudgetState]:
    """Return split → part, side by side → combine → answer.

    `split` asks the model which questions have to be looked up, or else takes one for each name in the
    question. Each `part` reads the outline for its own and answers it, on money set aside for it
    alone; what it leaves flows back. `combine` puts together what was read and answered, also where
    a part failed, and `answer` answers from that.

    Raises:
        ValueError: If `means` lacks a model or an outline.
    """
    meter = metered(route, means.meter)
    outline = outlined(route, means.outline)
    research = _Research(route, splitting, answer, means, outline, meter)
    graph = StateGraph(
        ResearchState,
        context_schema=BudgetContext,
        input_schema=BudgetState,
        output_schema=BudgetState,
    )
    graph.add_node(SPLIT, RunnableLambda(research.split, afunc=research.asplit, name=SPLIT))
    graph.add_node("part", RunnableLambda(research.part, afunc=research.apart, name="part"))
    graph.add_node("combine", research.combine)
    graph.add_node(answer.name, Caller(route, answer, means).node())
    graph.add_edge(START, SPLIT)
    graph.add_conditional_edges(SPLIT, research.after_split, ["part"])
    graph.add_edge("part", "combine")
    graph.add_edge("combine", answer.name)
    graph.add_edge(answer.name, END)
    return graph.compile(name=route)


@dataclass(frozen=True, slots=True)
class _Research:
    """The nodes."""

    route: str
    splitting: Splitting
    answer: Step
    means: Means
    outline: Outline
    meter: Meter

    # Splitting.

    def split(self, state: ResearchState, config: RunnableConfig) -> ResearchState:
        """Split the question, and share out what is left."""
        with working(state, get_runtime(BudgetContext), self.means.ledgers) as ledger:
            draft = self._unaffordable(state, ledger)
            if draft is None:
                messages = split_prompt(state["question"], self.splitting.parts)
                try:
                    draft = self._asking.ask(ledger, messages, config)
                except Exception as error:  # noqa: BLE001 - the names in the question split it, too
                    draft = lost(error)
            return self._split(state, ledger, draft)

    async def asplit(self, state: ResearchState, config: RunnableConfig) -> ResearchState:
        """Do the same in an asynchronous run."""
        with working(state, get_runtime(BudgetContext), self.means.ledgers) as ledger:
            draft = self._unaffordable(state, ledger)
            if draft is None:
                messages = split_prompt(state["question"], self.splitting.parts)
                try:
                    draft = await self._asking.aask(ledger, messages, config)
                except Exception as error:  # noqa: BLE001 - as above
                    draft = lost(error)
            return self._split(state, ledger, draft)

    def after_split(self, state: ResearchState) -> list[Send]:
        """Read for each part by itself, side by side."""
        carried = account_of(state)
        return [Send("part", {**carried, "part": part}) for part in state["parts"]]

    @property
    def _asking(self) -> Asking:
        return Asking(self.route, SPLIT, self.splitting.reply, self.means)

    def _left(self, state: ResearchState, ledger: Ledger, notes: int) -> Caps:
        """Return what may be spent before the answer, which reads so many tokens of notes."""
        kept_back = likely_cost((self.answer,), state["question"], self.meter)
        kept_back += read_too(notes, self.meter)
        return ledger.affordable(token_price=self.meter.token_price).less(kept_back)

    def _unaffordable(self, state: ResearchState, ledger: Ledger) -> Draft | None:
        """Say why the model is not asked: the call and one part on the least context do not fit."""
        question, part = state["question"], self.splitting.part
        needed = self.splitting.cost(question, self.meter) + self._cost(question, part.least)
        if short(needed, self._left(state, ledger, part.output)) is None:
            return None
        return failed("what is left is kept for the answer")

    def _cost(self, question: str, context: int) -> Amount:
        part = self.splitting.part
        prompt = self.meter.prompt(part.prompt(question, ""))
        return self.meter.bound(prompt + self.meter.units(context), part.output)

    def _split(self, state: ResearchState, ledger: Ledger, draft: Draft) -> ResearchState:
        question, most = state["question"], self.splitting.parts
        asked = asked_in(draft["text"], question, most)
        if asked:
            told = f"the model split it into {len(asked)}"
        else:
            why = draft["problem"] or "the reply holds no other question"
            asked = asked_by_names(question, most)
            by = f"split it by {len(asked)} names" if len(asked) > 1 else "left it whole"
            told = f"{by}: {why}"
        ledger.at(node=SPLIT, route=self.route).note("split", told)
        return {
            "parts": self._parts(state, ledger, asked),
            "spend": mirror(ledger),
        }

    def _parts(self, state: ResearchState, ledger: Ledger, asked: Sequence[Asked]) -> list[Part]:
        """Share what is left out to the parts; those it does not reach for are read without the model."""
        caps = self._left(state, ledger, len(asked) * self.splitting.part.output)
        paid = len(asked) if len(asked) > 1 else 0  # the answer answers a question that is whole
        longest = max((one["question"] for one in asked), key=len)
        least = self._cost(longest, self.splitting.part.least)
        while paid and short(least, caps.shared(paid)) is not None:
            paid -= 1
        parts: list[Part] = []
        for number, one in enumerate(asked, start=1):
            share = Amount()
            if number <= paid:
                share = _within(
                    self._cost(one["question"], self.splitting.part.context), caps.shared(paid)
                )
            parts.append(
                Part(
                    query=one["query"],
                    question=one["question"],
                    number=number,
                    tokens=share.tokens,
                    nanodollars=share.nanodollars,
                    calls=share.calls,
                )
            )
        return parts

    # Parts.

    def part(self, state: ResearchState, config: RunnableConfig) -> ResearchState:
        """Read for one part and answer it, on what is set aside for it."""
        part = state["part"]
        with working(state, get_runtime(BudgetContext), self.means.ledgers, beside=True) as ledger:
            with self._set_aside(ledger, part) as own:
                try:
                    finding, messages = self._read(part, own)
                    if own is not None and messages:
                        asking = self._asking_of(part)
                        finding = answered(finding, asking.ask(own, messages, config))
                except Exception as error:  # noqa: BLE001 - the other parts stand
                    finding = sunk(part["question"], error)
            return {"findings": {str(part["number"]): finding}, "spend": mirror(ledger)}

    async def apart(self, state: ResearchState, config: RunnableConfig) -> ResearchState:
        """Do the same in an asynchronous run; files are read in a thread."""
        part = state["part"]
        with working(state, get_runtime(BudgetContext), self.means.ledgers, beside=True) as ledger:
            with self._set_aside(ledger, part) as own:
                try:
                    finding, messages = await asyncio.to_thread(self._read, part, own)
                    if own is not None and messages:
                        asking = self._asking_of(part)
                        finding = answered(finding, await asking.aask(own, messages, config))
                except Exception as error:  # noqa: BLE001 - as above
                    finding = sunk(part["question"], error)
            return {"findings": {str(part["number"]): finding}, "spend": mirror(ledger)}

    def _asking_of(self, part: Part) -> Asking:
        step = self.splitting.part
        return Asking(self.route, _name(part), step.output, self.means)

    @contextmanager
    def _set_aside(self, ledger: Ledger, part: Part) -> Generator[Ledger | None]:
        """Set aside what a part may spend, and give back what it leaves, however it ends."""
        own = None
        if part["calls"]:
            money = Amount(nanodollars=part["nanodollars"]).usd if part["nanodollars"] else None
            budget = Budget(tokens=part["tokens"], usd=money, calls=part["calls"])
            own = open_part(ledger, str(part["number"]), budget)
        try:
            yield own
        finally:
            if own is not None:
                own.close()

    def _read(self, part: Part, own: Ledger | None) -> tuple[Finding, list[BaseMessage]]:
        """Read the outline for a part, and write the prompt that answers it from that, if it can be paid."""
        meter, step = self.meter, self.splitting.part
        pool = pooled(self.outline, part["query"], (), step.context, self.means.tiers)
        finding = Finding(
            question=part["question"],
            answer="",
            problem="",
            trims=[pool.record(_name(part), self.route)],
            score=pool.score,
        )
        if own is None:
            return finding, []
        caps = own.affordable(token_price=meter.token_price)
        prompt = meter.prompt(step.prompt(part["question"], ""))
        room = min(meter.units(step.context), meter.room(caps, prompt=prompt, output=step.output))
        trimmed = trim(
            pool.kept,
            part["query"],
            room,
            count=meter.counter.count,
            render=render_sources,
            fill="budget",
            tiers=self.means.tiers,
        )
        own.at(node=_name(part), route=self.route).note(
            "trim",
            f"{trimmed.tokens:,} of {room:,} tokens of room used",
            dropped=len(pool.dropped) + len(trimmed.dropped),
        )
        finding["trims"].append(record(_name(part), self.route, trimmed, given="shown"))
        if not trimmed.documents:
            finding["problem"] = "nothing relevant fits"
            return finding, []
        return finding, step.prompt(part["question"], trimmed.text)

    # Combining.

    def combine(self, state: ResearchState, runtime: Runtime[BudgetContext]) -> BudgetState:
        """Put together what the parts read, and what they answered, within the room of the answer."""
        meter = self.meter
        with working(state, runtime, self.means.ledgers) as ledger:
            findings = [state["findings"][str(part["number"])] for part in state["parts"]]
            purpose, notes, room, cap = self._room(state, ledger, notes_of(findings))
            pool = self._pool(state, findings, room // meter.units(1) or EXCERPTS)
            query = "\n".join([*(part["query"] for part in state["parts"]), state["question"]])
            trimmed = trim(
                pool.kept,
                query,
                room or meter.units(EXCERPTS),
                count=meter.counter.count,
                render=render_sources,
                fill="budget",
                tiers=self.means.tiers,
            )
            labelled = ledger.at(node="combine", route=self.route)
            detail = f"{trimmed.tokens:,} of {room:,} tokens of room used"
            labelled.note("trim", detail, dropped=len(trimmed.dropped))
            for part, finding in zip(state["parts"], findings, strict=True):
                if finding["problem"]:
                    labelled.note("part", f"{_name(part)}: {finding['problem']}")
            context = list(trimmed.documents)
            trims = [one for finding in findings for one in finding["trims"]]
            # Of what several parts were shown: none of them alone stands behind it.
            trims.append(record("combine", self.route, trimmed))
            return {
                "documents": with_parts(state["documents"], self.outline, (), pool.kept),
                "context": context,
                "shown": context,
                "thoughts": notes,
                "trims": [*state["trims"], *trims],
                "draft": best_of(findings, context, pool.score, cap),
                "over": bool(cap) or not context,
                "purpose": purpose,
                "spend": mirror(ledger),
            }

    def _room(
        self, state: ResearchState, ledger: Ledger, notes: str
    ) -> tuple[Purpose, str, int, str | None]:
        """Return what the answer is paid from, its notes, its room, and the cap that leaves none.

        Notes that leave too little room are left out; what is kept back for the answer is used where
        nothing else is left.
        """
        meter, step = self.meter, self.answer
        cap: str | None = None
        purposes: tuple[Purpose, ...] = (state["purpose"], "answer")
        for purpose in purposes:
            caps = ledger.at(purpose=purpose).affordable(token_price=meter.token_price)
            for told in dict.fromkeys((notes, "")):
                prompt = meter.prompt(step.prompt(state["question"], "", told))
                needed = meter.bound(prompt + meter.units(step.least), step.output)
                short_of = short(needed, caps)
                if short_of is None:
                    room = meter.room(caps, prompt=prompt, output=step.output)
                    return purpose, told, min(meter.units(step.context), room), None
                cap = cap or short_of
        return purposes[0], notes, 0, cap

    def _pool(self, state: ResearchState, findings: Sequence[Finding], tokens: int) -> Pool:
        """Give each part an equal share of the room, and what they leave to the question itself."""
        kept: list[Document] = []
        used = 0
        for place, (part, finding) in enumerate(zip(state["parts"], findings, strict=True)):
            pieces = finding["trims"][-1]["kept"] if finding["trims"] else []
            share = (tokens - used) // (len(findings) - place)
            own = trim(pieces, part["query"], share, count=self.outline.count, fill="budget")
            kept += own.documents
            used += own.tokens
        rest = self.outline.read(state["question"], max(0, tokens - used), tiers=self.means.tiers)
        score = max(rest.score, *(finding["score"] for finding in findings))
        return joined([*kept, *rest.documents], (), tokens, used + rest.tokens, score)


def _name(part: Part) -> str:
    return f"part {part['number']}"


def _within(amount: Amount, caps: Caps) -> Amount:
    """Return an amount cut to what there is."""
    tokens, money, calls = amount.tokens, amount.nanodollars, amount.calls
    return Amount(
        input_tokens=tokens if caps.tokens is None else min(tokens, caps.tokens),
        nanodollars=money if caps.nanodollars is None else min(money, caps.nanodollars),
        calls=calls if caps.calls is None else min(calls, caps.calls),
    )
