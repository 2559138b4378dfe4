"""A prompt's tokens beyond its plain text: roles, framing, tool calls, tools and schemas."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, ToolMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

# Block types whose tokens are those of their JSON text, whoever the provider.
_TEXT_BLOCKS = frozenset(
    {
        "cachePoint",
        "function_call",
        "input_text",
        "invalid_tool_call",
        "output_text",
        "reasoning",
        "reasoning_content",
        "redacted_thinking",
        "refusal",
        "text",
        "thinking",
        "tool_call",
        "tool_call_chunk",
        "tool_result",
        "tool_use",
    }
)


class UnboundedInput(ValueError):  # noqa: N818 - it says what is the matter
    """A message holds what cannot be bounded in tokens before it is sent, such as an image."""


@dataclass(frozen=True, slots=True)
class Framing:
    """Tokens a chat format puts around what is said.

    Attributes:
        message: Around one message.
        name: Around the name of a speaker.
        call: Around one tool call or tool result.
        prompt: Around the whole prompt, the opening of the reply included.
        tools: Around the list of tools, where there are any.
        node: For each key and value of a schema, which may be rendered in another notation than
            JSON.
    """

    message: int
    name: int
    call: int
    prompt: int
    tools: int
    node: int


# Three a message, one a name and three for the reply: "How to count tokens with tiktoken", OpenAI
# Cookbook. How tools are rendered is not published; the sample's figures for it (12, and 7 a
# function, 6 a property, 3 an enum value, besides their texts) are below the JSON and one a node.
OPENAI = Framing(message=3, name=1, call=12, prompt=3, tools=32, node=1)
# Chat templates write up to eight special tokens and line ends a message; several put a system
# prompt of some 40 tokens before a conversation without one, and up to 530 for tools ("Tool use
# system prompt token count", Anthropic's documentation, the dearest of its table).
UNKNOWN = Framing(message=16, name=4, call=32, prompt=64, tools=640, node=4)


class PromptCounter:
    """Counts a prompt by the count of its texts; subclasses count one text."""

    framing = UNKNOWN

    def count(self, text: str) -> int:
        """Tokens of one text on its own."""
        raise NotImplementedError

    def count_messages(
        self,
        messages: Sequence[BaseMessage],
        *,
        tools: Sequence[dict[str, Any]] = (),
        schema: dict[str, Any] | None = None,
    ) -> int:
        """Tokens of a whole prompt: an upper bound once tools, calls or a schema are in it.

        Raises:
            UnboundedInput: If a message holds an image, a file or another block of unknown size.
        """
        total = self.framing.prompt + sum(self._count_message(message) for message in messages)
        if tools:
            total += self.framing.tools + sum(self._count_json(tool) for tool in tools)
        if schema:
            total += self.framing.tools + self._count_json(schema)
        return total

    def _count_message(self, message: BaseMessage) -> int:
        total = self.framing.message + self.count(_role(message))
        if message.name:
            total += self.framing.name + self.count(message.name)
        if isinstance(message.content, str):
            total += self.count(message.content)
        else:
            total += sum(self._count_block(block) for block in message.content)
        if isinstance(message, ToolMessage):
            total += self.framing.call + self.count(message.tool_call_id)
        if isinstance(message, AIMessage):
            for call in (*message.tool_calls, *message.invalid_tool_calls):
                total += self.framing.call + self._count_json(dict(call))
            total += self._count_extras(message)
        return total

    def _count_extras(self, message: AIMessage) -> int:
        """What a provider's integration keeps beside the content and sends again."""
        # Parsed output is for the caller; tool calls were counted in LangChain's form of them.
        unsent = {"parsed", "tool_calls"} if message.tool_calls else {"parsed"}
        extras = {
            key: value
            for key, value in message.additional_kwargs.items()
            if value and key not in unsent
        }
        if "audio" in extras:
            raise UnboundedInput(_refusal("audio"))
        return self._count_json(extras) if extras else 0

    def _count_block(self, block: str | dict[Any, Any]) -> int:
        if isinstance(block, str):
            return self.count(block)
        kind = block.get("type", next(iter(block), "unknown"))
        if kind == "text" and isinstance(block.get("text"), str):
            return self.count(block["text"])
        if kind not in _TEXT_BLOCKS:
            raise UnboundedInput(_refusal(str(kind)))
        if isinstance(block.get("content"), list):
            inner = sum(self._count_block(part) for part in block["content"])
            return inner + self._count_json({k: v for k, v in block.items() if k != "content"})
        return self.framing.call + self._count_json(block)

    def _count_json(self, value: object) -> int:
        text = json.dumps(value, ensure_ascii=False, default=_plain)
        return self.count(text) + self.framing.node * _nodes(json.loads(text))


def _role(message: BaseMessage) -> str:
    if isinstance(message, ChatMessage):
        return message.role
    return {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}.get(
        message.type, message.type
    )


def _nodes(value: object) -> int:
    if isinstance(value, dict):
        return sum(1 + _nodes(inner) for inner in value.values())
    if isinstance(value, list):
        return sum(_nodes(inner) for inner in value)
    return 1


def _plain(value: object) -> object:
    """JSON of what a call may carry: a pydantic class stands for its schema."""
    for convert in ("model_json_schema", "model_dump"):
        if callable(method := getattr(value, convert, None)):
            return method()
    return str(value)


def _refusal(kind: str) -> str:
    return (
        f"a message holds a block of type {kind!r}, whose tokens cannot be bounded before it is "
        "sent: send text in its place, or pass a counter= that bounds it"
    )
