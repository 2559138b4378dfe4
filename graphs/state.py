"""What flows through the graph: plain data only, so that every checkpointer can keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from langchain_core.documents import Document
from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages

if TYPE_CHECKING:
    from shoestring.budget import Ledger
    from shoestring.tools import Trimmed

Kind = Literal["generated", "quote", "abstained"]
Spend = dict[str, dict[str, int]]


def merge_spend(left: Spend | None, right: Spend | None) -> Spend:
    """Join two mirrors of the ledger, so that a replayed or parallel node is counted once.

    A mirror holds one entry a hold, keyed by the hold's id (`<ledger id>:<number>`), and one empty
    entry keyed by the ledger's own id: the account it mirrors. An update that opens another account
    starts afresh; entries of other accounts are ignored; where both sides know a hold, each figure is
    the larger of the two: the mirror never says less than what was once known to be spent.

    >>> opened = merge_spend({"q1": {}, "q1:1": {"calls": 1}}, {"q2": {}})
    >>> merge_spend(opened, {"q2:1": {"output_tokens": 7}, "q1:2": {"output_tokens": 9}})
    {'q2': {}, 'q2:1': {'output_tokens': 7}}
    """
    left, right = left or {}, right or {}
    account = next((key for side in (right, left) for key, entry in side.items() if not entry), "")
    merged: Spend = {}
    for key, entry in (*left.items(), *right.items()):
        owner = key.rpartition(":")[0]
        if account in {key, owner} or owner.startswith(f"{account}, "):  # or a route's set-aside
            seen = merged.setdefault(key, {})
            for figure, value in entry.items():
                seen[figure] = max(value, seen.get(figure, 0))
    return merged


class Source(TypedDict):
    """A span of a source, as cited: `text` stands at characters `start` to `end` of `source`."""

    source: str
    start: int
    end: int
    text: str


class Draft(TypedDict):
    """What a route hands to the check.

    `problem` says why there is no text; `cap` names the cap, where a cap is the reason.
    """

    kind: Kind
    text: str
    truncated: bool
    problem: str
    cap: str | None


class LeftOut(TypedDict):
    """A stretch that a trim left out: characters `start` to `end` of `source`, and why."""

    source: str
    start: int
    end: int
    score: float
    reason: str


class TrimRecord(TypedDict):
    """One trim of the context: for which node and route, what was kept of it, and what was not.

    `given` says what was trimmed: the question's `documents`, or what an earlier trim of the route had
    `shown`. `room` and `tokens` are model tokens: those there were, and those that were used.
    """

    node: str
    route: str
    given: Literal["documents", "shown"]
    room: int
    tokens: int
    kept: list[Document]
    dropped: list[LeftOut]


def record(
    node: str, route: str, trimmed: Trimmed, *, given: Literal["documents", "shown"] = "documents"
) -> TrimRecord:
    """Return what a trim did, as plain data for the state."""
    return TrimRecord(
        node=node,
        route=route,
        given=given,
        room=trimmed.limit,
        tokens=trimmed.tokens,
        kept=list(trimmed.documents),
        dropped=[
            LeftOut(source=d.source, start=d.start, end=d.end, score=d.score, reason=d.reason)
            for d in trimmed.dropped
        ],
    )


class Question(TypedDict):
    """What a caller puts in."""

    question: str


class Answer(TypedDict):
    """What a caller gets out.

    `receipt` has a dict a line (`node`, `route`, `what`, `reserved`, `spent`, `basis`, `detail`);
    `stopped_by` is the cap that ended the work, or None; `dropped` counts what trimming left out.
    """

    question: str
    answer: str
    kind: Kind
    sources: list[Source]
    route: str
    receipt: list[dict[str, object]]
    dropped: int
    stopped_by: str | None
    ledger_id: str
    messages: list[AnyMessage]


class BudgetState(TypedDict, total=False):
    """The state of one question on one thread.

    The ledger decides; `spend` mirrors it. The live ledger is never here: `ledger_id` names it, and
    `route_ledger_id` what is set aside for the route under way. That began after `began` active seconds,
    when the draft was `earlier`. `needed` counts the thread's questions and adds up what they were
    forecast to cost, in tokens.
    `over` says that the money of the route under way is, so that its other nodes do nothing.
    `trims` holds all trims of the question in order, so that what was withheld can be audited:
    `invoke(…, output_keys=["answer", "documents", "trims"])` hands them over.
    """

    question: str
    messages: Annotated[list[AnyMessage], add_messages]
    turn: int
    needed: tuple[int, int]
    ledger_id: str
    thread_ledger_id: str | None
    spend: Annotated[Spend, merge_spend]
    documents: list[Document]
    route: str
    route_ledger_id: str | None
    began: float
    earlier: str
    purpose: Literal["work", "answer"]
    tried: list[str]
    context: list[Document]
    shown: list[Document]
    trims: list[TrimRecord]
    thoughts: str
    draft: Draft
    over: bool
    problems: list[str]
    answer: str
    kind: Kind
    sources: list[Source]
    receipt: list[dict[str, object]]
    dropped: int
    stopped_by: str | None


@dataclass(frozen=True, slots=True)
class BudgetContext:
    """LangGraph runtime context: what travels beside the state.

    Args:
        ledger: An account that pays for this run beside the assistant's own budget; None for none.
    """

    ledger: Ledger | None = None
