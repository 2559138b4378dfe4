"""How many tokens a prompt is: exactly where the vocabulary is known, never too few where it is not.

A count decides how much is reserved before a call, so it may be too high and must not be too low. Text is
hostile: what looks like a special token is counted as the text it is.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, ToolMessage

from shoestring.models.vocabularies import encoding

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from tokenizers import Tokenizer

# tiktoken's regular expression overflows its stack on a run of about a million blanks (tiktoken 0.14).
_LONGEST_BLANK = 50_000
_BLANK_RUN = re.compile(rf"\s{{{_LONGEST_BLANK}}}")

# Sorting the combining marks of a text is quadratic in the length of a run of them, hence pieces; a mark
# composed across a cut can change the size by less than two characters.
_NORMALISED_PIECE = 1_024
_CUT_SLACK = 8

# Block types whose tokens are those of their JSON text, whoever the provider.
_TEXT_BLOCKS = frozenset(
    "text refusal reasoning thinking redacted_thinking reasoning_content tool_use tool_call "
    "tool_call_chunk invalid_tool_call tool_result function_call input_text output_text".split()
)
# Attributes of a message that are not part of what is sent.
_UNSENT = frozenset({"parsed", "refusal"})


class UnboundedInput(ValueError):
    """A message holds what cannot be bounded in tokens before it is sent, such as an image."""


@runtime_checkable
class TokenCounter(Protocol):
    """Counts tokens as one model does, or never below it."""

    @property
    def exact(self) -> bool:
        """Whether `count` is the model's own count and not an upper bound."""
        ...

    @property
    def name(self) -> str:
        """The vocabulary, for people."""
        ...

    def count(self, text: str) -> int:
        """Tokens of a text on its own, without special tokens around it."""
        ...

    def count_messages(
        self,
        messages: Sequence[BaseMessage],
        *,
        tools: Sequence[dict[str, Any]] = (),
        schema: dict[str, Any] | None = None,
    ) -> int:
        """Tokens of a whole prompt with roles, framing, tools and response schema; never too few."""
        ...


@dataclass(frozen=True, slots=True)
class Framing:
    """Tokens a chat format puts around what is said.

    Attributes:
        message: Around one message.
        name: Around the name of a speaker.
        call: Around one tool call or tool result.
        prompt: Around the whole prompt, the opening of the reply included.
        tools: Around the list of tools, where there are any.
        node: For each key and value of a schema, which may be rendered in another notation than JSON.
    """

    message: int
    name: int
    call: int
    prompt: int
    tools: int
    node: int


# Three a message, one a name and three for the reply: "How to count tokens with tiktoken", OpenAI Cookbook.
# How tools are rendered is not published; its sample takes at most 7 + 12 a function, 6 a property, 3 an enum
# value over the tokens of their text, which the JSON punctuation and two a node exceed.
_OPENAI = Framing(message=3, name=1, call=12, prompt=3, tools=32, node=2)
# Chat templates write up to eight special tokens and line ends a message; several put a system prompt of
# some 40 tokens before a conversation without one, and up to 530 for tools ("Tool use system prompt
# token count", Anthropic's documentation, the dearest of its table).
_UNKNOWN = Framing(message=16, name=4, call=32, prompt=64, tools=640, node=4)


class _PromptCounter:
    """Counts a prompt by the count of its texts; subclasses count one text."""

    framing = _UNKNOWN

    def count(self, text: str) -> int:
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
        unsent = _UNSENT | ({"tool_calls"} if message.tool_calls else set())
        extras = {
            key: value for key, value in message.additional_kwargs.items() if key not in unsent
        }
        if "audio" in extras:
            raise UnboundedInput(_refusal("audio"))
        return self._count_json(extras) if extras else 0

    def _count_block(self, block: str | dict[Any, Any]) -> int:
        if isinstance(block, str):
            return self.count(block)
        kind = block.get("type", "text" if isinstance(block.get("text"), str) else "unknown")
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


@dataclass(frozen=True)
class TiktokenCounter(_PromptCounter):
    """Counts as OpenAI's models do.

    Exact for a text, and for messages of plain text; tools, calls and schemas are bounded from above. A
    text with more than 50,000 blanks in a row, on which tiktoken fails, is bounded by its bytes.

    >>> TiktokenCounter("o200k_base").count("<|endoftext|> is text here")
    10
    """

    name: str
    exact: bool = field(default=True, init=False)
    framing = _OPENAI

    def count(self, text: str) -> int:
        """Tokens of a text; what looks like a special token is text."""
        if len(text) > _LONGEST_BLANK and _BLANK_RUN.search(text):
            return _byte_bound(text)
        return len(encoding(self.name).encode_ordinary(text))


class HuggingFaceCounter(_PromptCounter):
    """Counts with a tokenizer of the `tokenizers` library: exact for a text, bounded for a prompt.

    The tokenizer is copied without its truncation and padding, which would hide tokens, and reads special
    tokens in a text as text.
    """

    exact = True

    def __init__(self, tokenizer: Tokenizer, name: str = "tokenizer.json") -> None:
        self.name = name
        self._tokenizer = type(tokenizer).from_str(tokenizer.to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True

    def count(self, text: str) -> int:
        """Tokens of a text, without those a template puts around it."""
        # The library takes no lone surrogates: each becomes a mark of three bytes, as it is in UTF-8.
        clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return len(self._tokenizer.encode(clean, add_special_tokens=False).ids)


class ByteBound(_PromptCounter):
    """An upper bound for any vocabulary: no token is shorter than a byte.

    The larger of the text's UTF-8 bytes and those of its NFKC form, which many vocabularies read.

    >>> ByteBound().count("½ cup")
    7
    """

    exact = False
    name = "bytes"

    def count(self, text: str) -> int:
        """The most tokens any vocabulary that falls back to bytes can take for the text."""
        return _byte_bound(text)


def counter(name: str) -> TokenCounter:
    """The counter for a vocabulary by name.

    Args:
        name: An encoding of tiktoken ("o200k_base"), "bytes", or the path of a `tokenizer.json`.

    Raises:
        ValueError: If it names none of these.
    """
    if name == "bytes":
        return ByteBound()
    if name.endswith(".json"):
        from shoestring.models.extras import require

        tokenizers = require("tokenizers", "retrieval")
        if not Path(name).is_file():
            raise ValueError(f"no tokenizer at {name}")
        return HuggingFaceCounter(tokenizers.Tokenizer.from_file(name), Path(name).name)
    encoding(name)
    return TiktokenCounter(name)


def counter_for(model: BaseChatModel, name: str | None = None) -> TokenCounter:
    """The counter for a chat model: its own, or its vocabulary's, or the byte bound.

    Args:
        model: The model. One with a `counter` of its own is asked for it.
        name: The name of the model where a call overrides it.

    Raises:
        VocabularyUnavailable: If its vocabulary is known and cannot be loaded; `ByteBound()` needs none.
    """
    own = getattr(model, "counter", None)
    if isinstance(own, TokenCounter):
        return own
    # Anybody may serve any vocabulary under any name; the name is believed for OpenAI's classes only.
    if any(base.__module__.startswith("langchain_openai.") for base in type(model).__mro__):
        from tiktoken.model import encoding_name_for_model

        named = name or getattr(model, "model_name", None)
        try:
            return counter(encoding_name_for_model(named)) if named else ByteBound()
        except KeyError:
            return ByteBound()
    return ByteBound()


def _byte_bound(text: str) -> int:
    if text.isascii():
        return len(text)
    raw = len(text.encode("utf-8", "surrogatepass"))
    starts = range(0, len(text), _NORMALISED_PIECE)
    pieces = (unicodedata.normalize("NFKC", text[at : at + _NORMALISED_PIECE]) for at in starts)
    normal = sum(len(piece.encode("utf-8", "surrogatepass")) for piece in pieces)
    return max(raw, normal + _CUT_SLACK * (len(starts) - 1))


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
        f"a message holds a block of type {kind!r}, whose tokens cannot be bounded before it is sent: "
        "send text in its place, or pass a counter= that bounds it"
    )
