"""Reading under a budget: the model navigates an outline, part by part, then answers from what was read."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import Send

from shoestring.agents import Means, short
from shoestring.budget import Amount, Ledger
from shoestring.graphs.account import account_of, mirror, working
from shoestring.graphs.menus import Heard, Menu, heard, menu, menu_of
from shoestring.graphs.pools import pooled, with_parts
from shoestring.graphs.prompts import navigate_prompt, render_sources
from shoestring.graphs.quoting import EXCERPTS, so_far
from shoestring.graphs.reasoning.asking import Asking, lost
from shoestring.graphs.reasoning.caller import Caller
from shoestring.graphs.reasoning.needs import metered, outlined
from shoestring.graphs.reasoning.step import Step, likely_cost
from shoestring.graphs.state import BudgetContext, BudgetState, Draft, record
from shoestring.tools import UnknownNode, trim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import BaseMessage
    from langgraph.graph.state import CompiledStateGraph

    from shoestring.agents import Meter
    from shoestring.budget import Purpose
    from shoestring.tools import Node, Outline

CHOOSE = "choose"
"""The node that asks the model which parts to open, as receipts name it."""

FELL_BACK = "fell back to reading all of it"
"""On the receipt, where a reply picked no part that there is."""

_LOOKED_AT = 64  # nodes of a part: an outline divides what has more passages in a row
_PARTS = 6  # that are looked into or read, of all that the replies of one round pick


class ReadingState(BudgetState, total=False):
    """What the reading keeps beside the question's state; plain data.

    `round` counts how often the model was asked; `frontier` are the parts it is asked about in this one, ""
    standing for all documents; `menu` is what one branch shows of its part; `heard` what was said,
    by part; `opened` are the parts to be read.
    """

    round: int
    frontier: list[str]
    menus: list[Menu]
    menu: Menu
    heard: Annotated[dict[str, Heard], operator.or_]
    opened: list[str]


@dataclass(frozen=True, slots=True)
class Navigation:
    """How an outline is navigated.

    Args:
        rough: Tokens of the table of contents that a call is shown, at most.
        peek: Tokens of excerpts beside it, at most: what a reading without a model finds there.
        least: Fewest tokens of both that are worth a call.
        picks: Parts that one call may pick, 1 or more.
        rounds: How often the model looks closer, 0 or more; each time into every part it picked.
        reply: Bound on the tokens of its picks.
    """

    rough: int
    peek: int
    least: int
    picks: int
    rounds: int
    reply: int

    def cost(self, question: str, meter: Meter) -> Amount:
        """Return the most that one look costs."""
        prompt = meter.prompt(navigate_prompt(question, "", " ", self.picks))
        return meter.bound(prompt + meter.units(self.rough + self.peek), self.reply)


def reading_graph(
    route: str, navigation: Navigation, answer: Step, means: Means
) -> CompiledStateGraph[ReadingState, BudgetContext, BudgetState, BudgetState]:
    """Return look ⇄ choose → read → answer.

    `look` writes the contents of the parts in question, and what a reading without a model finds in them;
    `choose`, once a part and side by side, asks which of their parts to open. Each is looked into in
    turn, until the model has seen enough, the rounds are over, or what is left is needed for the
    answer. `read` reads what was picked, and `answer` answers from it. Where the model picks nothing
    that there is, the part it was shown is read by the question's words. What was read answers in
    quotes where no call can be paid.

    Raises:
        ValueError: If `means` lacks a model or an outline.
    """
    meter = metered(route, means.meter)
    outline = outlined(route, means.outline)
    reader = _Reader(route, navigation, answer, means, outline, meter)
    graph = StateGraph(
        ReadingState,
        context_schema=BudgetContext,
        input_schema=BudgetState,
        output_schema=BudgetState,
    )
    graph.add_node("look", reader.look)
    graph.add_node(CHOOSE, RunnableLambda(reader.choose, afunc=reader.achoose, name=CHOOSE))
    graph.add_node("read", reader.read)
    graph.add_node(answer.name, Caller(route, answer, means).node())
    graph.add_edge(START, "look")
    graph.add_conditional_edges("look", reader.after_look, [CHOOSE, "read"])
    graph.add_edge(CHOOSE, "look")
    graph.add_edge("read", answer.name)
    graph.add_edge(answer.name, END)
    return graph.compile(name=route)


@dataclass(frozen=True, slots=True)
class _Reader:
    """The nodes."""

    route: str
    navigation: Navigation
    answer: Step
    means: Means
    outline: Outline
    meter: Meter

    # Looking.

    def look(self, state: ReadingState, runtime: Runtime[BudgetContext]) -> ReadingState:
        """Take in what was picked, and write what the model is shown next."""
        first = "round" not in state
        opened, frontier = ([], [""]) if first else self._weighed(state)
        turn = 0 if first else state["round"]
        with working(state, runtime, self.means.ledgers) as ledger:
            labelled = ledger.at(node="look", route=self.route)
            menus = self._menus(state, labelled, frontier if turn < self.navigation.rounds else ())
            update: ReadingState = {
                "round": turn + 1,
                "frontier": [menu["part"] for menu in menus],
                "menus": menus,
                # What cannot be looked into more closely is read as it is.
                "opened": [*opened, *(p for p in frontier if p not in {m["part"] for m in menus})],
                "spend": mirror(ledger),
            }
        return update

    def after_look(self, state: ReadingState) -> list[Send] | str:
        """Ask about each part by itself, side by side; or read."""
        carried = account_of(state) | {"question": state["question"]}
        return [Send(CHOOSE, {**carried, "menu": menu}) for menu in state["menus"]] or "read"

    def _weighed(self, state: ReadingState) -> tuple[list[str], list[str]]:
        """Return the parts to read, and those to look into: the larger ones that have parts."""
        opened, frontier = list(state["opened"]), list[str]()
        for part in state["frontier"]:
            picks = state["heard"].get(part, Heard(picks=[], why=""))["picks"]
            found = [node for node in map(self._node, picks) if node is not None]
            if not found:
                opened.append(part)
            for node in found:
                if node.id in state["heard"] or node.id in {*opened, *frontier}:
                    continue
                (frontier if self._divides(node) else opened).append(node.id)
        return opened[:_PARTS], frontier[: max(0, _PARTS - len(opened))]

    def _node(self, name: str) -> Node | None:
        try:
            return self.outline[name]
        except UnknownNode:  # the outline was brought up to date while the run stood still
            return None

    def _divides(self, node: Node) -> bool:
        """Whether a part is too long to be read whole, and its parts say more than where they begin."""
        return node.tokens > self.answer.context and any(
            part.kind != "passage" for part in self.outline.children(node.id, _LOOKED_AT)
        )

    def _menus(self, state: ReadingState, ledger: Ledger, parts: Sequence[str]) -> list[Menu]:
        """Write what is shown of each part, as far as that leaves enough for the answer."""
        if not parts:
            return []
        meter, question = self.meter, state["question"]
        kept_back = likely_cost((self.answer,), question, meter)
        caps = ledger.affordable(token_price=meter.token_price).less(kept_back)
        prompt = meter.prompt(navigate_prompt(question, "", " ", self.navigation.picks))
        asked, room = list(parts), 0
        while asked:
            room = meter.room(caps.shared(len(asked)), prompt=prompt, output=self.navigation.reply)
            one_call = meter.bound(
                prompt + meter.units(self.navigation.least), self.navigation.reply
            )
            if short(one_call, caps.shared(len(asked))) is None and room:
                break
            asked.pop()
        shown = [self._menu(state, part, room) for part in asked]
        menus = [menu for menu in shown if menu["ids"]]
        for one in menus:
            used = meter.counter.count(one["text"] + one["peek"])
            most = meter.units(self.navigation.rough + self.navigation.peek)
            ledger.note("trim", f"{used:,} of {min(room, most):,} tokens of room used")
        if len(asked) < len(parts):
            ledger.note("look", "what is left is kept for the answer")
        return menus

    def _menu(self, state: ReadingState, part: str, room: int) -> Menu:
        """Write the contents of a part, then in the room that is left what a reading finds there."""
        meter, navigation = self.meter, self.navigation
        room = min(room, meter.units(navigation.rough + navigation.peek))
        rough = room * navigation.rough // (navigation.rough + navigation.peek)
        try:
            text, nodes = menu_of(self.outline, self._entered(part), rough, meter.counter.count)
            left = min(room - meter.counter.count(text), meter.units(navigation.peek))
            tokens = max(0, left) // meter.units(1)
            found = self.outline.read(state["question"], tokens, part or None)
        except UnknownNode:
            return menu(part, "", (), ())
        peek = trim(
            found.documents,
            state["question"],
            max(0, left),
            count=meter.counter.count,
            fill="budget",
        )
        return menu(part, text, nodes, peek.documents)

    def _entered(self, part: str) -> str:
        """Return the part inside which there is a choice: one that holds a single part is passed through."""
        while True:
            inside = self.outline.children(part, 2) if part else self.outline.documents(2)
            if len(inside) != 1 or inside[0].kind == "passage":
                return part
            part = inside[0].id

    # Choosing.

    def choose(self, state: ReadingState, config: RunnableConfig) -> ReadingState:
        """Ask which of a part's parts to open."""
        with working(state, get_runtime(BudgetContext), self.means.ledgers, beside=True) as ledger:
            try:
                draft = self._asking.ask(ledger, self._messages(state), config)
            except Exception as error:  # noqa: BLE001 - reading goes on without it
                draft = lost(error)
            return self._chosen(state, ledger, draft)

    async def achoose(self, state: ReadingState, config: RunnableConfig) -> ReadingState:
        """Do the same in an asynchronous run."""
        with working(state, get_runtime(BudgetContext), self.means.ledgers, beside=True) as ledger:
            try:
                draft = await self._asking.aask(ledger, self._messages(state), config)
            except Exception as error:  # noqa: BLE001 - as above
                draft = lost(error)
            return self._chosen(state, ledger, draft)

    @property
    def _asking(self) -> Asking:
        return Asking(self.route, CHOOSE, self.navigation.reply, self.means)

    def _messages(self, state: ReadingState) -> list[BaseMessage]:
        shown = state["menu"]
        return navigate_prompt(
            state["question"], shown["text"], shown["peek"], self.navigation.picks
        )

    def _chosen(self, state: ReadingState, ledger: Ledger, draft: Draft) -> ReadingState:
        shown = state["menu"]
        if draft["problem"]:
            found = Heard(picks=[], why=draft["problem"])
        else:
            found = heard(draft["text"], shown, self.navigation.picks)
        if found["picks"]:
            told = f"picked {len(found['picks'])} of {len(shown['ids'])} parts"
        else:
            told = f"{FELL_BACK}: {found['why']}" if found["why"] else "saw enough"
        ledger.at(node=CHOOSE, route=self.route).note("choose", told)
        return {"heard": {shown["part"]: found}, "spend": mirror(ledger)}

    # Reading.

    def read(self, state: ReadingState, runtime: Runtime[BudgetContext]) -> BudgetState:
        """Read what was picked, trimmed to the room of the answer; quote it where there is no such room."""
        meter, question = self.meter, state["question"]
        with working(state, runtime, self.means.ledgers) as ledger:
            purpose, room, cap = self._room(state, ledger)
            wanted = room // meter.units(1) if room else EXCERPTS
            parts = [part for part in state["opened"] if part]
            pool = pooled(self.outline, question, parts, wanted, self.means.tiers)
            labelled = ledger.at(node="read", route=self.route, purpose=purpose)
            trimmed = trim(
                pool.kept,
                question,
                room or meter.units(wanted),
                count=meter.counter.count,
                render=render_sources,
                fill="budget",
                tiers=self.means.tiers,
            )
            detail = f"{trimmed.tokens:,} of {room:,} tokens of room used"
            labelled.note("trim", detail, dropped=len(pool.dropped) + len(trimmed.dropped))
            context = list(trimmed.documents)
            draft = so_far(context, pool.score, cap)
            trims = [
                pool.record("read", self.route),
                record("read", self.route, trimmed, given="shown"),
            ]
            return {
                "documents": with_parts(state["documents"], self.outline, parts, pool.kept),
                "context": context,
                "shown": context,
                "trims": [*state["trims"], *trims],
                "draft": draft,
                "over": bool(cap) or not context,
                "purpose": purpose,
                "spend": mirror(ledger),
            }

    def _room(self, state: ReadingState, ledger: Ledger) -> tuple[Purpose, int, str | None]:
        """Return what the answer is paid from, the room of its context, and the cap that leaves none.

        What is kept back for the answer is used where nothing else is left.
        """
        meter, step = self.meter, self.answer
        prompt = meter.prompt(step.prompt(state["question"], ""))
        needed = meter.bound(prompt + meter.units(step.least), step.output)
        cap: str | None = None
        purposes: tuple[Purpose, ...] = (state["purpose"], "answer")
        for purpose in purposes:
            caps = ledger.at(purpose=purpose).affordable(token_price=meter.token_price)
            short_of = short(needed, caps)
            if short_of is None:
                room = meter.room(caps, prompt=prompt, output=step.output)
                return purpose, min(meter.units(step.context), room), None
            cap = cap or short_of
        return purposes[0], 0, cap
