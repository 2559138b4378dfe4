"""A run's model calls, told to inspect-ai: each an event of the log, its tokens counted by the limits."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    GenerateConfig,
    ModelAPI,
    ModelCost,
    ModelOutput,
    ModelUsage,
    ServedModelUsage,
    get_model,
    modelapi,
)
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration
from langchain_core.tracers.context import register_configure_hook

from shoestring.models.usage import part_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from uuid import UUID

    from inspect_ai.tool import ToolChoice, ToolInfo
    from langchain_core.outputs import LLMResult

    from shoestring.budget import Receipt, ReceiptLine

_NAME = "shoestring"
_MILLION = 1_000_000

_watching: ContextVar[Watch | None] = ContextVar("shoestring_watching", default=None)
register_configure_hook(_watching, inheritable=True)


class Watch(BaseCallbackHandler):
    """Keeps what the chat models of a run are asked, and what they answer."""

    run_inline = True

    def __init__(self) -> None:
        self._asked: dict[UUID, list[BaseMessage]] = {}
        self._calls: list[tuple[list[BaseMessage], AIMessage]] = []
        self._lock = threading.Lock()

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002 - LangChain's signature
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        **_: object,
    ) -> None:
        """Keep a prompt."""
        with self._lock:
            self._asked[run_id] = messages[0]

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: object) -> None:
        """Keep an answer beside its prompt."""
        with self._lock:
            asked = self._asked.pop(run_id, None)
            if asked is None or not response.generations or not response.generations[0]:
                return
            first = response.generations[0][0]
            if isinstance(first, ChatGeneration) and isinstance(first.message, AIMessage):
                self._calls.append((asked, first.message))

    def take(self, line: ReceiptLine) -> tuple[list[BaseMessage], AIMessage] | None:
        """Return the call that a line of the receipt is of, by its tokens; None if none was seen."""
        with self._lock:
            for place, (_, said) in enumerate(self._calls):
                usage = said.usage_metadata
                if usage is not None and (usage["input_tokens"], usage["output_tokens"]) == (
                    line.spent.input_tokens,
                    line.spent.output_tokens,
                ):
                    return self._calls.pop(place)
        return None


@contextmanager
def watched() -> Generator[Watch]:
    """Watch the chat models that are called inside, in this task and the threads it starts."""
    watch = Watch()
    token = _watching.set(watch)
    try:
        yield watch
    finally:
        _watching.reset(token)


async def tell(receipt: Receipt, watch: Watch, question: str) -> None:
    """Tell inspect-ai of every line that spent tokens: it logs an event, and counts against its limits.

    Raises:
        LimitExceededError: If the tokens pass a limit of inspect-ai's, as only a provider that ignores
            its own can make them.
    """
    for line in receipt.lines:
        if not line.spent.tokens:
            continue
        call = watch.take(line)
        asked: list[ChatMessage] = (
            [ChatMessageUser(content=question)] if call is None else messages_of(call[0])
        )
        said = ChatMessageAssistant(content="") if call is None else _said(call[1])
        output = ModelOutput.from_message(said, "stop")
        output.model = line.what
        output.usage = _usage(line)
        output.metadata = {
            "node": line.node, "route": line.route, "basis": line.basis, "detail": line.detail,
        }  # fmt: skip
        # A model of inspect-ai's that gives the answer which was given is its public way to be told.
        model = get_model(f"{_NAME}/{line.what or 'call'}", memoize=False, output=output)
        await model.generate(asked)


@modelapi(name=_NAME)
class Told(ModelAPI):
    """A model of inspect-ai's that gives an answer which was given."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        *,
        output: ModelOutput,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config or GenerateConfig())
        self._output = output

    async def generate(
        self,
        input: list[ChatMessage],  # noqa: A002, ARG002 - inspect-ai's signature
        tools: list[ToolInfo],  # noqa: ARG002
        tool_choice: ToolChoice,  # noqa: ARG002
        config: GenerateConfig,  # noqa: ARG002
    ) -> ModelOutput:
        """Give it."""
        return self._output

    def served_model_usage(self, output: ModelOutput) -> list[ServedModelUsage] | None:
        """Say what it cost, as inspect-ai asks: by rates. A million tokens at what was paid are it."""
        paid = None if output.usage is None else output.usage.total_cost
        if not paid:
            return None
        rates = ModelCost(input=0, output=paid, input_cache_write=0, input_cache_read=0)
        return [ServedModelUsage(output.model, ModelUsage(output_tokens=_MILLION), rates)]


def messages_of(messages: Sequence[BaseMessage]) -> list[ChatMessage]:
    """Return LangChain's messages as inspect-ai's; what is no text is left out."""
    told: list[ChatMessage] = []
    for message in messages:
        match message:
            case SystemMessage():
                told.append(ChatMessageSystem(content=message.text))
            case AIMessage():
                told.append(_said(message))
            case ToolMessage():
                told.append(
                    ChatMessageTool(content=message.text, tool_call_id=message.tool_call_id)
                )
            case _:
                told.append(ChatMessageUser(content=message.text))
    return told


def _said(message: AIMessage) -> ChatMessageAssistant:
    from inspect_ai.tool import ToolCall

    calls = [
        ToolCall(id=call["id"] or "", function=call["name"], arguments=call["args"])
        for call in message.tool_calls
    ]
    return ChatMessageAssistant(content=message.text, tool_calls=calls or None)


def _usage(line: ReceiptLine) -> ModelUsage:
    """Return a line's tokens as inspect-ai counts them: what was cached stands apart."""
    spent = line.spent
    cached = part_of(line.detail, "cached")
    return ModelUsage(
        input_tokens=spent.input_tokens - cached,
        output_tokens=spent.output_tokens,
        total_tokens=spent.tokens,
        input_tokens_cache_read=cached or None,
        reasoning_tokens=part_of(line.detail, "reasoning") or None,
        total_cost=float(spent.usd) or None,
    )
