"""What flows through the graph: plain data only, so that every checkpointer can keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from langchain_core.documents import Document
from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages

if TYPE_CHECKING:
    from shoestring.budget import Ledger

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
    when the draft was `earlier`.
    """

    question: str
    messages: Annotated[list[AnyMessage], add_messages]
    turn: int
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
    thoughts: str
    draft: Draft
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
