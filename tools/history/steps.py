"""Steps of a conversation, put in an order that every provider takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Kind", "Place", "Step", "read"]

Kind = Literal["system", "opening", "exchange", "reply"]

_ROLES = {"user": "human", "human": "human", "assistant": "ai", "ai": "ai"}
_UNANSWERED = "[no result]"


@dataclass(frozen=True, slots=True)
class Place:
    """A message that is not sent, and why."""

    at: int
    """Its place in the history that was given."""
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """What stays or goes together: a message, or calls of tools with their results."""

    kind: Kind
    """"system"; "opening", what a person says; "exchange", calls and their results; "reply"."""
    messages: tuple[BaseMessage, ...]
    places: tuple[int, ...]
    """Where each stands in the history that was given; -1 for one that was put in."""
    turn: int
    """Which turn it belongs to; one begins with what a person says."""
    open: bool = False
    """Whether calls are still to be answered."""


@dataclass(slots=True)
class _Calls:
    """An assistant's message with calls, and the results that came for them."""

    at: int
    message: AIMessage
    ids: list[str]
    results: dict[int, tuple[int, ToolMessage]] = field(default_factory=dict)

    def take(self, at: int, result: ToolMessage) -> bool:
        """Take a result, if it answers a call that has none."""
        for number, name in enumerate(self.ids):
            if name == result.tool_call_id and number not in self.results:
                self.results[number] = (at, result)
                return True
        return False


def read(messages: Sequence[BaseMessage]) -> tuple[list[Step], list[Place]]:
    """Read a conversation as steps that every provider takes in this order.

    Each call of a tool is followed by its result, and by one only: a result that came late moves up
    to its call, one that answers no call is left out, and a call that was never answered gets the
    result "[no result]", unless nothing but results follows it. The first message after the system's
    is a person's.

    Args:
        messages: Any; malformed ones included.

    Returns:
        The steps, and what is not among them.
    """
    found: list[tuple[int, BaseMessage | _Calls]] = []
    out: list[Place] = []
    waiting: list[_Calls] = []
    answered: set[str] = set()
    for at, message in enumerate(messages):
        if isinstance(message, ToolMessage):
            taker = next((calls for calls in reversed(waiting) if calls.take(at, message)), None)
            if taker is not None:
                answered.add(message.tool_call_id)
                if len(taker.results) == len(taker.ids):
                    waiting.remove(taker)
                continue
            again = message.tool_call_id in answered
            out.append(Place(at, "second result of a call" if again else "no call for it"))
        elif isinstance(message, RemoveMessage | FunctionMessage):
            out.append(Place(at, "no call for it"))
        elif isinstance(message, AIMessage) and (ids := _ids(message)):
            calls = _Calls(at, message, ids)
            waiting.append(calls)
            found.append((at, calls))
        else:
            found.append((at, message))
    steps = list(_steps(found, out))
    return steps, sorted(out, key=lambda place: place.at)


def _steps(found: Sequence[tuple[int, BaseMessage | _Calls]], out: list[Place]) -> Iterator[Step]:
    turn, before = 0, ""
    spoken = any(not isinstance(thing, _Calls) and _kind(thing) == "opening" for _, thing in found)
    for number, (at, thing) in enumerate(found):
        last = number == len(found) - 1
        kind: Kind = "exchange" if isinstance(thing, _Calls) else _kind(thing)
        if kind == "opening" and before != "opening":
            turn += 1
        if spoken and turn == 0 and kind in ("exchange", "reply"):
            parts = [at] if not isinstance(thing, _Calls) else [at, *_results_of(thing)]
            out += [Place(place, "before a person spoke") for place in parts]
            continue
        before = before if kind == "system" else kind
        if isinstance(thing, _Calls):
            yield from _exchange(thing, turn, out, last=last)
        else:
            yield Step(kind, (thing,), (at,), turn)


def _exchange(calls: _Calls, turn: int, out: list[Place], *, last: bool) -> Iterator[Step]:
    """Yield calls with their results in the order they came, and stand-ins for those that did not."""
    answers = sorted(calls.results.values(), key=lambda answer: answer[0])
    missing = [name for number, name in enumerate(calls.ids) if number not in calls.results]
    if missing and not last:
        if not all(missing):  # a call without an id cannot be answered
            out.append(Place(calls.at, "a call without an id"))
            out += [Place(at, "no call for it") for at, _ in answers]
            return
        stand_ins = [
            (-1, ToolMessage(_UNANSWERED, tool_call_id=name, status="error")) for name in missing
        ]
        answers = [*answers, *stand_ins]
    yield Step(
        "exchange",
        (calls.message, *(message for _, message in answers)),
        (calls.at, *(at for at, _ in answers)),
        turn,
        open=bool(missing) and last,
    )


def _results_of(calls: _Calls) -> Iterable[int]:
    return (at for at, _ in calls.results.values())


def _ids(message: AIMessage) -> list[str]:
    """Return the id of each call, those of malformed calls included: providers are sent them too."""
    return [str(call["id"] or "") for call in (*message.tool_calls, *message.invalid_tool_calls)]


def _kind(message: BaseMessage) -> Kind:
    if isinstance(message, SystemMessage):
        return "system"
    if isinstance(message, HumanMessage):
        return "opening"
    if isinstance(message, AIMessage):
        return "reply"
    role = _ROLES.get(message.role.lower()) if isinstance(message, ChatMessage) else None
    if role is not None:
        return "opening" if role == "human" else "reply"
    named = isinstance(message, ChatMessage) and message.role.lower() in ("system", "developer")
    return "system" if named else "opening"
