"""A stream is watched while it is written: past its limit it is cut."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.messages import BaseMessage

    from shoestring.models.counting.counting import TokenCounter

# Where the vocabulary is not known, text is no more than this many bytes a token: above what prose,
# code and JSON reach (3 to 6), so that no honest answer is cut. Only runs of blanks come near it.
_BYTES_A_TOKEN = 16
# What was written token by token may count as a few more when it is counted as text: the last
# character may be cut in half, and a model need not choose the tokens a tokenizer would.
_SLACK = 8
_SLACK_SHARE = 32


class Watch:
    """Says when a stream has surely written more than its limit.

    No token is shorter than a byte, so it counts only once as many bytes have come as there are
    tokens left: a few times a stream, and never one that stays short.

    Args:
        limit: Tokens the answer may have.
        counter: Counts them, where it is exact.
    """

    def __init__(self, limit: int, counter: TokenCounter) -> None:
        self._limit = limit + _SLACK + limit // _SLACK_SHARE
        self._counter = counter
        self._parts: list[str] = []
        self._free = self._limit

    def passed(self, text: str) -> bool:
        """Whether the stream has passed its limit, now that `text` has come too."""
        self._parts.append(text)
        self._free -= len(text.encode("utf-8", "surrogatepass"))
        if self._free >= 0:
            return False
        whole = "".join(self._parts)
        self._parts = [whole]
        if self._counter.exact:
            written = self._counter.count(whole)
        else:
            written = len(whole.encode("utf-8", "surrogatepass")) // _BYTES_A_TOKEN
        self._free = self._limit - written
        return written > self._limit


def said(message: BaseMessage) -> str:
    """What a chunk adds to what a model wrote: text, thoughts and arguments of tool calls."""
    parts: list[str] = []
    for block in [message.content] if isinstance(message.content, str) else message.content:
        parts += _texts(block)
    parts += _texts({"thinking": message.additional_kwargs.get("reasoning_content")})
    parts += [chunk.get("args") or "" for chunk in getattr(message, "tool_call_chunks", ())]
    return "".join(parts)


class Told:
    """What the events of LangChain's streaming protocol add to what a model wrote.

    A block comes in parts, as a whole at its end, or both.
    """

    def __init__(self) -> None:
        self._in_parts: set[Any] = set()

    def by(self, event: Mapping[str, Any]) -> str:
        """Text, thoughts and arguments of tool calls, each counted once."""
        kind, index = event.get("event"), event.get("index")
        if kind == "content-block-delta":
            delta = event.get("delta") or event.get("content_block") or {}
            text = "".join([*_texts(delta), *_arguments(delta)])
            # Another kind of part is a snapshot of the block: its end is counted.
            if text and delta.get("type") != "block-delta":
                self._in_parts.add(index)
                return text
        elif kind == "content-block-finish" and index not in self._in_parts:
            block = event.get("content") or event.get("content_block") or {}
            return "".join([*_texts(block), *_arguments(block)])
        return ""


def _arguments(block: Mapping[str, Any]) -> list[str]:
    given = block.get("args")
    if isinstance(given, dict):
        return [json.dumps(given, ensure_ascii=False)] if given else []
    return [given] if isinstance(given, str) else []


def _texts(block: str | Mapping[Any, Any]) -> list[str]:
    if isinstance(block, str):
        return [block]
    inner = block.get("reasoning_content")
    found = [block.get(key) for key in ("text", "thinking", "reasoning")]
    found += [inner.get("text")] if isinstance(inner, dict) else []
    return [text for text in found if isinstance(text, str)]
