"""How many tokens a prompt is: exact where the vocabulary is known, elsewhere never too few.

A count decides how much is reserved before a call, so it may be too high and must not be too low.
Text is hostile: what looks like a special token is counted as the text it is.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from shoestring.models.counting.fast_tokens import exact_count
from shoestring.models.counting.framing import OPENAI, PromptCounter
from shoestring.models.counting.vocabularies import encoding
from shoestring.models.providers import entry_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from tokenizers import Tokenizer

# tiktoken's regular expression overflows its stack on a run of about a million blanks (tiktoken
# 0.14).
_LONGEST_BLANK = 50_000
_BLANK_RUN = re.compile(rf"\s{{{_LONGEST_BLANK}}}")

_HARMONY = "o200k_harmony"

# Sorting the combining marks of a text is quadratic in the length of a run of them, hence pieces; a
# mark composed across a cut can change the size by less than two characters.
_NORMALISED_PIECE = 1_024
_CUT_SLACK = 8


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
        """Tokens of a whole prompt with roles, framing, tools and schema; never too few."""
        ...


@dataclass(frozen=True)
class TiktokenCounter(PromptCounter):
    """Counts as OpenAI's models do.

    Exact for a text, and for messages of plain text; tools, calls and schemas are bounded from
    above. A text with more than 50,000 blanks in a row, on which tiktoken fails, is bounded by its
    bytes.

    >>> TiktokenCounter("o200k_base").count("<|endoftext|> is text here")
    10
    """

    name: str
    exact: bool = field(default=True, init=False)
    framing = OPENAI

    def count(self, text: str) -> int:
        """Tokens of a text; what looks like a special token is text."""
        if has_blank_run(text):
            return _byte_bound(text)
        return exact_count(self.name)(text)


class HuggingFaceCounter(PromptCounter):
    """Counts with a tokenizer of the `tokenizers` library: exact for a text, bounded for a prompt.

    The tokenizer is copied without its truncation and padding, which would hide tokens, and reads
    special tokens in a text as text.
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
        # The library takes no lone surrogates: each becomes a mark of as many bytes.
        clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return len(self._tokenizer.encode(clean, add_special_tokens=False).ids)


class ByteBound(PromptCounter):
    """An upper bound for any vocabulary: no token is shorter than a byte.

    The larger of the text's UTF-8 bytes and those of its NFKC form, which many vocabularies read.

    >>> ByteBound().count("½ cup")
    9
    """

    exact = False
    name = "bytes"

    def count(self, text: str) -> int:
        """The most tokens any vocabulary that falls back to bytes can take for the text."""
        return _byte_bound(text)


def has_blank_run(text: str) -> bool:
    """Say whether a text has so many blanks in a row that tiktoken fails on it."""
    return len(text) > _LONGEST_BLANK and _BLANK_RUN.search(text) is not None


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
        from shoestring.budget.extras import require

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
        VocabularyUnavailable: If its vocabulary is known and cannot be loaded; `ByteBound()` needs
            none.
    """
    own = getattr(model, "counter", None)
    if isinstance(own, TokenCounter):
        return own
    # Any server may give any name to its model: names are believed of some classes only.
    provider = entry_of(model)
    if provider is not None and provider.vocabularies:
        from tiktoken.model import encoding_name_for_model

        named = name or getattr(model, "model_name", None)
        try:
            vocabulary = encoding_name_for_model(named) if named else ""
        except KeyError:
            vocabulary = ""
        # gpt-oss: any server's model, whose chat format opens with a system message of its own.
        if vocabulary and vocabulary != _HARMONY:
            return counter(vocabulary)
    return ByteBound()


def _byte_bound(text: str) -> int:
    if text.isascii():
        return len(text)
    raw = len(text.encode("utf-8", "surrogatepass"))
    starts = range(0, len(text), _NORMALISED_PIECE)
    pieces = (unicodedata.normalize("NFKC", text[at : at + _NORMALISED_PIECE]) for at in starts)
    normal = sum(len(piece.encode("utf-8", "surrogatepass")) for piece in pieces)
    return max(raw, normal + _CUT_SLACK * (len(starts) - 1))
