"""`ContextMiddleware`: what an agent's model reads, within what its budget allows."""

from __future__ import annotations

import asyncio
import logging
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from langchain.agents.middleware import (
    AgentMiddleware,
    AgentState,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
)
from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.types import Command

from shoestring.agents.middleware.room import Room, Shares, room_of
from shoestring.agents.middleware.state import ContextState
from shoestring.agents.route import BYTES_A_TOKEN
from shoestring.models import message_counter
from shoestring.tools import HistoryTooLong, RecallTool, Shelf, Stash, StashError, trim_output
from shoestring.tools.history.trimming import Remembered, TrimmedHistory, trim_messages_within
from shoestring.tools.stash.recall import recalling
from shoestring.tools.trimming.choosing import choose_tools, schema_of
from shoestring.tools.trimming.output import Shrinker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from langchain.agents.middleware.types import ModelCallResult, ToolCallRequest
    from langchain_core.documents import Document
    from langchain_core.language_models import BaseChatModel
    from langgraph.runtime import Runtime

    from shoestring.models import TokenCounter

T = TypeVar("T")

_log = logging.getLogger(__name__)
_SOURCES = "Sources:\n"


# Typed over the plain state, so that it fits into one list with any other middleware.
class ContextMiddleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """Fits what an agent's model reads to what can be paid for it, before each of its calls.

    The room is what the ledger of a `BudgetMiddleware` in the same list affords, before or after it,
    less the answer's limit and the budget's `answer_reserve`; at most `tokens`, and what the model
    reads. It is shared out: to schemas of tools, chosen by the question where there is no room for
    all; to the state's `documents`, trimmed to the question and put in front of it; and the rest to
    the history (see `trim_history`). What a tool returns is trimmed as it comes in, and kept so.

    The messages in the state are left alone: it is what is sent that is trimmed.

    Args:
        tokens: The most a prompt may take in any case, in tokens of the model: where its vocabulary
            is not known, four bytes count as one. None for what the model's profile says it reads.
        shares: How the room is divided.
        keep: Names of tools that always stay.
        stash: Where what is left out is kept: the agent gets a tool `recall`, and the marks in its
            context say how to call it. None: what is left out is marked, and gone.

    Raises:
        ValueError: If `tokens` is not positive.
    """

    state_schema = ContextState

    def __init__(
        self,
        tokens: int | None = None,
        *,
        shares: Shares | None = None,
        keep: Collection[str] = (),
        stash: Stash | None = None,
    ) -> None:
        super().__init__()
        if tokens is not None and tokens < 1:
            raise ValueError(f"tokens must be 1 or more, not {tokens}")
        self.max_tokens = tokens
        self.shares = shares or Shares()
        self.stash = stash
        self.tools = [] if stash is None else [RecallTool(stash=stash)]
        self.keep = frozenset({keep} if isinstance(keep, str) else keep)
        self.keep |= {tool.name for tool in self.tools}
        self._counted: dict[tuple[str, object], Remembered] = {}

    def before_agent(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Name the conversation, for the stash."""
        if cast("ContextState", state).get("context_of"):
            return None
        info = runtime.execution_info
        thread = None if info is None else info.thread_id
        return {"context_of": f"run {uuid.uuid4().hex}" if thread is None else str(thread)}

    async def abefore_agent(
        self, state: AgentState[Any], runtime: Runtime[Any]
    ) -> dict[str, Any] | None:
        """Do the same in an asynchronous run."""
        return self.before_agent(state, runtime)

    # Calls of the model.

    def wrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], ModelResponse[Any]],
    ) -> ModelCallResult[Any]:
        """Make the call with a context that fits."""
        fitted, room = self._fit(request, handler)
        return _noting(handler(fitted), room)

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelCallResult[Any]:
        """Do the same in an asynchronous run; trimming runs beside the event loop."""
        fitted, room = await asyncio.to_thread(self._fit, request, handler)
        return _noting(await handler(fitted), room)

    def _fit(self, request: ModelRequest[Any], handler: object) -> tuple[ModelRequest[Any], int]:
        """Return the request to make, and the room it had, in tokens of text."""
        if request.messages and not any(message.id for message in request.messages):
            # Of no conversation: a prompt that another middleware wrote to measure.
            return request, cast("ContextState", request.state).get("context_room", 0)
        room = room_of(request, handler, self.max_tokens)
        units = room.tokens if room.counter.exact else room.tokens // BYTES_A_TOKEN
        stashed = self.stash is not None and any(
            isinstance(tool, RecallTool) for tool in request.tools
        )
        shelf = self._shelf(request.state) if stashed else None
        try:
            return _keeping(lambda shelf: self._fitted(request, room, shelf), shelf), units
        except HistoryTooLong:
            if room.by_ledger:  # the guard says so in the budget's words
                return request, units
            raise

    def _fitted(
        self, request: ModelRequest[Any], room: Room, shelf: Shelf | None
    ) -> ModelRequest[Any]:
        counter, notes = room.counter, _notes(request.messages)
        messages = request.messages[: len(request.messages) - len(notes)]
        question = next((m for m in reversed(messages) if isinstance(m, HumanMessage)), None)
        query = "" if question is None else question.text
        tools = choose_tools(
            request.tools,
            query,
            int(self.shares.tools * room.tokens),
            measure=lambda schemas: _schema_tokens(counter, schemas),
            keep=self.keep | _chosen(request.tool_choice),
        )
        schemas = [*map(schema_of, tools), *_answer_schemas(request)]
        used = _schema_tokens(counter, schemas) + room.told
        used += sum(counter.count_messages([one]) - counter.count_messages([]) for one in notes)
        count, memory = self._memory(request.model, counter)
        given: list[BaseMessage] = list(messages)
        if question is not None and (
            documents := cast("ContextState", request.state).get("documents")
        ):
            most = min(int(self.shares.documents * room.tokens), room.tokens - used)
            shrinker = Shrinker(count, shelf, "relevant")
            given = _with_sources(given, question, documents, max(0, most), shrinker)
        system = [] if request.system_message is None else [request.system_message]
        try:
            trimmed = trim_messages_within(
                [*system, *given],
                max(0, room.tokens - used),
                None,
                count=count,
                shelf=shelf,
                memory=memory,
            )
        except HistoryTooLong as error:
            raise HistoryTooLong(error.needed + used, room.tokens) from error
        if room.ledger is not None and trimmed.left_out:
            _note(room, trimmed, used)
        kept = [message for message in trimmed.messages if message is not request.system_message]
        return request.override(messages=cast("list[AnyMessage]", [*kept, *notes]), tools=tools)

    def _memory(
        self, model: BaseChatModel, counter: TokenCounter
    ) -> tuple[Callable[[Sequence[BaseMessage]], int], Remembered]:
        named = (counter.name, getattr(model, "model_name", None))
        memory = self._counted.setdefault(named, Remembered())
        return message_counter(model, counter), memory

    def _shelf(self, state: Any) -> Shelf | None:  # noqa: ANN401 - of any agent
        name = state.get("context_of")
        return self.stash.of(name) if self.stash is not None and name else None

    # Runs of tools.

    def wrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]],
    ) -> ToolMessage | Command[Any]:
        """Run a tool, and keep of what it returns what fits."""
        shelf = self._shelf(request.state)
        if shelf is None:
            return self._shortened(request, handler(request), None)
        with recalling(shelf):
            found = handler(request)
        return self._shortened(request, found, shelf)

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """Do the same in an asynchronous run."""
        shelf = self._shelf(request.state)
        if shelf is None:
            found = await handler(request)
        else:
            with recalling(shelf):
                found = await handler(request)
        return await asyncio.to_thread(self._shortened, request, found, shelf)

    def _shortened(
        self,
        request: ToolCallRequest,
        found: ToolMessage | Command[Any],
        shelf: Shelf | None,
    ) -> ToolMessage | Command[Any]:
        room = request.state.get("context_room") or self.max_tokens
        if room is None:
            return found
        most = max(1, int(self.shares.result * room))
        said = [m for m in request.state.get("messages", ()) if isinstance(m, HumanMessage)]
        asked = " ".join(str(value) for value in request.tool_call["args"].values())
        query = f"{said[-1].text if said else ''}\n{asked}"

        def shorten(message: ToolMessage) -> ToolMessage:
            return _keeping(
                lambda shelf: trim_output(message, query, most, shelf=shelf).output, shelf
            )

        if isinstance(found, ToolMessage):
            return shorten(found)
        update = found.update
        if not isinstance(update, dict) or not isinstance(update.get("messages"), list):
            return found
        messages = [
            shorten(message) if isinstance(message, ToolMessage) else message
            for message in update["messages"]
        ]
        return replace(found, update={**update, "messages": messages})


def _keeping(work: Callable[[Shelf | None], T], shelf: Shelf | None) -> T:
    """Do what keeps texts in a stash; without keeping them, if that fails."""
    try:
        return work(shelf)
    except StashError as error:
        _log.warning("what is left out cannot be kept: %s", error)
        return work(None)


def _noting(response: Any, room: int) -> ModelCallResult[Any]:  # noqa: ANN401 - of any handler
    return ExtendedModelResponse(response, Command(update={"context_room": room}))


def _notes(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return what other middlewares said at the end, for this call alone: it is in no state."""
    if not any(message.id for message in messages):
        return []
    last = max(place for place, message in enumerate(messages) if message.id)
    return list(messages[last + 1 :])


def _schema_tokens(counter: TokenCounter, schemas: Sequence[dict[str, Any]]) -> int:
    return counter.count_messages([], tools=schemas) - counter.count_messages([])


def _answer_schemas(request: ModelRequest[Any]) -> list[dict[str, Any]]:
    """Return the schemas that the answer's form adds to a request."""
    form: Any = request.response_format
    one = getattr(form, "schema_spec", None)
    specs = [one] if one is not None else getattr(form, "schema_specs", [])
    return [spec.json_schema for spec in specs]


def _chosen(choice: Any) -> set[str]:  # noqa: ANN401 - in each provider's form
    """Return the name of the tool that a request wants called."""
    if isinstance(choice, str):
        return {choice}
    if not isinstance(choice, dict):
        return set()
    inner = choice.get("function")
    return {str((inner if isinstance(inner, dict) else choice).get("name", ""))}


def _with_sources(
    messages: list[BaseMessage],
    question: HumanMessage,
    documents: Sequence[Document],
    room: int,
    shrinker: Shrinker,
) -> list[BaseMessage]:
    """Put what documents say of a question in front of it."""
    query = question.text if question.text.strip() else "summary"
    around = shrinker.measure(f"{_SOURCES}\n\n")
    found = shrinker.sources(documents, query, max(0, room - around)).content
    if not found:
        return messages
    block = {"type": "text", "text": f"{_SOURCES}{found}\n\n"}
    said = question.content
    blocks = [{"type": "text", "text": said}] if isinstance(said, str) else said
    asked = question.model_copy(update={"content": [block, *blocks]})
    return [asked if message is question else message for message in messages]


def _note(room: Room, trimmed: TrimmedHistory, used: int) -> None:
    assert room.ledger is not None  # noqa: S101 - the caller asked
    room.ledger.note(
        "trim",
        f"{trimmed.tokens + used:,} of {room.tokens:,} tokens of room used",
        dropped=len(trimmed.left_out),
    )
