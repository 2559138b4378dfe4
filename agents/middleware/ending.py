"""The last words of an agent whose budget has ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.errors import GraphBubbleUp

from shoestring.budget import BudgetBusy, BudgetError, BudgetExceeded, LedgerClosed, LoopDetected
from shoestring.tools import trim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from langchain_core.messages import AnyMessage

    from shoestring.budget import Ledger

LEAST_ANSWER = 64
"""Tokens below which a last answer is not worth its call: two or three sentences."""

_LEAST_ROOM = 32  # tokens of gathered text below which none is worth sending
_MOST_ROOM = 4_096  # tokens of gathered text, where no cap on tokens binds
_QUOTED = 2_000  # bytes of gathered text in a message that no model wrote
_TITLE = 80  # characters of what a tool was asked

SOURCE = "verifier"
"""What marks messages of the verifier, by LangChain's key `lc_source`: no person asked them."""

_ANSWER = (
    "The budget for this task is spent and no tool can be called any more. Answer now, briefly, from "
    "what is given here, and say what is missing."
)


# What LangChain and LangGraph let pass as it is: no retry, fallback or error handler on its way takes
# it for a failure.


class BudgetStop(BudgetExceeded, GraphBubbleUp):
    """`BudgetExceeded` that ends the run."""


class ClosedStop(LedgerClosed, GraphBubbleUp):
    """`LedgerClosed` that ends the run."""


class BusyStop(BudgetBusy, GraphBubbleUp):
    """`BudgetBusy` that ends the run."""


class LoopStop(LoopDetected, GraphBubbleUp):
    """`LoopDetected` that ends the run."""


_STOPS = ((BudgetExceeded, BudgetStop), (LedgerClosed, ClosedStop), (LoopDetected, LoopStop))


def stop(refusal: BudgetError) -> BudgetError:
    """Return the refusal as an error that ends the run."""
    kind = next((stop for kind, stop in _STOPS if isinstance(refusal, kind)), BusyStop)
    return kind(*refusal.args)


def stopped_by(refusal: BudgetExceeded | LedgerClosed) -> str:
    """Return the cap that ended the work, or "closed"."""
    return refusal.dimension if isinstance(refusal, BudgetExceeded) else "closed"


@dataclass(frozen=True, slots=True)
class Gathered:
    """What an agent has when its budget ends.

    Args:
        question: What it was asked last.
        documents: What its tools returned and what was said, in order.
        answer: The last answer that it proposed to that, and that was sent back; "" for none.
    """

    question: str
    documents: tuple[Document, ...]
    answer: str = ""

    @classmethod
    def of(cls, messages: Sequence[AnyMessage]) -> Gathered:
        """Read a conversation."""
        asked = next((m for m in reversed(messages) if _of_a_person(m)), None)
        since = messages[messages.index(asked) + 1 :] if asked else ()
        answers = [m.text for m in since if isinstance(m, AIMessage) and not m.tool_calls]
        calls = {
            call["id"]: call
            for message in messages
            if isinstance(message, AIMessage)
            for call in message.tool_calls
        }
        documents = tuple(
            Document(message.text, metadata={"source": str(place), "title": _title(message, calls)})
            for place, message in enumerate(messages)
            if message is not asked and message.text.strip()
        )
        return cls(asked.text if asked else "", documents, answers[-1].strip() if answers else "")

    def within(self, room: int, count: Callable[[str], int]) -> str:
        """Return at most `room` tokens of what was gathered: what bears on the question."""
        # A conversation without a question has nothing to be relevant to.
        query = self.question.strip() or "summary"
        return trim(self.documents, query, room, count=count).text if self.documents else ""

    def prompt(self, room: int, count: Callable[[str], int]) -> list[AnyMessage]:
        """Return the prompt of a last answer, with at most `room` tokens of what was gathered."""
        parts = [_ANSWER, f"Task:\n{self.question}"]
        if found := self.within(room, count):
            parts.append(f"Gathered so far:\n{found}")
        return [HumanMessage("\n\n".join(parts))]

    def quoted(self, refusal: BudgetExceeded | LedgerClosed) -> AIMessage:
        """Return the answer that was sent back, or else what happened and a quote of what was gathered.

        No model writes it.
        """
        if self.answer:
            return marked(AIMessage(self.answer), refusal)
        found = self.within(_QUOTED, lambda text: len(text.encode()))
        told = f"What was gathered, word for word:\n{found}" if found else "Nothing was gathered."
        text = f"The budget ended before an answer was written: {refusal}\n\n{told}"
        return marked(AIMessage(text), refusal)

    def rooms(self, ledger: Ledger) -> Iterator[int]:
        """Yield how many tokens of what was gathered to send, less each time.

        At most half of what can be afforded: the rest is for the answer. Whether a call fits is for the
        guard to say, which counts all of it.
        """
        tokens = ledger.affordable().tokens
        room = _MOST_ROOM if tokens is None else min(tokens // 2, _MOST_ROOM)
        if not self.documents:
            yield 0
            return
        while room >= _LEAST_ROOM:
            yield room
            room //= 2


def ended(refusal: BudgetExceeded | LedgerClosed) -> AIMessage:
    """Return the message that says why the work has ended."""
    return marked(AIMessage(f"Stopped, because the budget is spent: {refusal}"), refusal)


def marked(message: AIMessage, refusal: BudgetExceeded | LedgerClosed) -> AIMessage:
    """Return the message with the cap that ended the work in its `response_metadata`."""
    metadata = {**message.response_metadata, "stopped_by": stopped_by(refusal)}
    return message.model_copy(update={"response_metadata": metadata})


def _of_a_person(message: AnyMessage) -> bool:
    marked = message.additional_kwargs.get("lc_source") == SOURCE
    return isinstance(message, HumanMessage) and not marked


def _title(message: AnyMessage, calls: dict[str | None, Any]) -> str:
    if isinstance(message, ToolMessage):
        call = calls.get(message.tool_call_id)
        asked = json.dumps(call["args"], ensure_ascii=False, default=str) if call else ""
        return f"{message.name or (call or {}).get('name', 'tool')} {asked}"[:_TITLE]
    if isinstance(message, HumanMessage):
        return "user" if _of_a_person(message) else SOURCE
    return "assistant"
