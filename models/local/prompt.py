"""A conversation as the token ids a local model reads: counted and dispatched by the same code.

The model's own chat template is rendered, and control tokens such as `<|im_end|>` are read where
the template writes them and nowhere else: a message that spells one is read as plain text, so that
no document closes its turn or opens another's.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from shoestring.budget.extras import require
from shoestring.models.local.gguf import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

    from shoestring.models.local.gguf import ModelFile
    from shoestring.models.local.tokens import Tokenizer

# Where stand-ins for characters are looked for: a private plane of Unicode.
_PRIVATE = 0xF0000
_ROLES: tuple[tuple[type[BaseMessage], str], ...] = (
    (SystemMessage, "system"),
    (HumanMessage, "user"),
    (AIMessage, "assistant"),
    (ToolMessage, "tool"),
)


class UnsupportedMessage(ValueError):  # noqa: N818 - named for what it is about
    """A message holds what a local model cannot be given: an image, a tool call."""


class Prompt:
    """Renders and tokenizes conversations for one model.

    Args:
        model: The header of its file.
        tokenizer: Its tokenizer.
    """

    def __init__(self, model: ModelFile, tokenizer: Tokenizer) -> None:
        self._model = model
        self.tokenizer = tokenizer

    def ids(self, messages: Sequence[BaseMessage]) -> list[int]:
        """Token ids of a conversation, up to where the model's answer begins.

        Raises:
            UnsupportedMessage: If a message cannot be given to the model.
            ModelFileError: If the model has no chat template, or a faulty one.
        """
        chat = [_as_chat(message) for message in messages]
        stand_ins = self._stand_ins(chat)
        text = self._render([_translate(turn, stand_ins, self._starts) for turn in chat])
        back = {ord(stand_in): first for first, stand_in in stand_ins.items()}
        ids: list[int] = []
        for piece in self._control.split(text) if self._model.control else [text]:
            control = self._model.control.get(piece)
            if control is not None:
                ids.append(control)
            elif piece:
                ids += self.tokenizer.encode(piece.translate(back))
        bos = self._model.token_id("bos")
        if self._adds_bos and bos is not None and ids[:1] != [bos]:
            ids.insert(0, bos)
        return ids

    @cached_property
    def _adds_bos(self) -> bool:
        # Where the file does not say, llama.cpp adds it for SentencePiece vocabularies ("llama").
        default = self._model.metadata.get("tokenizer.ggml.model") == "llama"
        return bool(self._model.metadata.get("tokenizer.ggml.add_bos_token", default))

    @cached_property
    def _control(self) -> re.Pattern[str]:
        return re.compile(f"({_alternatives(self._model.control)})")

    @cached_property
    def _starts(self) -> re.Pattern[str]:
        """The first character of every spelling of a control token, overlapping ones too."""
        return re.compile(f"(?={_alternatives(self._model.control)}).", re.DOTALL)

    def _stand_ins(self, chat: Sequence[Mapping[str, str]]) -> dict[str, str]:
        """For the first character of each control token that is spelled, one not in use."""
        texts = [value for turn in chat for value in turn.values()]
        spelled = {t[0] for t in self._model.control if any(t in text for text in texts)}
        if not spelled:
            return {}
        used = set().union(*texts)
        free = (chr(code) for code in range(_PRIVATE, sys.maxunicode + 1) if chr(code) not in used)
        return dict(zip(sorted(spelled), free, strict=False))

    def _render(self, chat: list[dict[str, str]]) -> str:
        jinja2 = require("jinja2", "local")
        try:
            return str(
                self._template.render(
                    messages=chat,
                    add_generation_prompt=True,
                    bos_token=self._token("bos"),
                    eos_token=self._token("eos"),
                    tools=None,
                    documents=None,
                )
            )
        except _Refusal as error:
            raise UnsupportedMessage(
                f"the chat template of {self._model.name} refuses this conversation: {error}"
            ) from error
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise ModelFileError(
                f"the chat template of {self._model.path} fails: {error}"
            ) from error

    def _token(self, which: str) -> str:
        found = self._model.token_id(which)
        return "" if found is None else self._model.tokens[found]

    @cached_property
    def _template(self) -> Any:  # noqa: ANN401 - jinja2 is optional
        """The template in a sandbox: it came with the weights, from whoever made the file."""
        jinja2 = require("jinja2", "local")
        sandbox = require("jinja2.sandbox", "local")
        environment = sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = _strftime_now
        try:
            return environment.from_string(self._model.chat_template)
        except jinja2.TemplateError as error:
            raise ModelFileError(
                f"the chat template of {self._model.path} is faulty: {error}"
            ) from error


class LocalCounter:
    """Counts as a local model does: a prompt's count is what the engine reports for it."""

    exact = True

    def __init__(self, prompt: Prompt, name: str) -> None:
        self.name = name
        self._prompt = prompt

    def count(self, text: str) -> int:
        """Tokens of a text on its own."""
        return len(self._prompt.tokenizer.encode(text))

    def count_messages(
        self,
        messages: Sequence[BaseMessage],
        *,
        tools: Sequence[dict[str, Any]] = (),
        schema: dict[str, Any] | None = None,
    ) -> int:
        """Tokens of a prompt with everything the model's chat template puts around it.

        Raises:
            UnsupportedMessage: If a message, or a tool or schema, cannot be given to the model.
        """
        if tools or schema:
            raise UnsupportedMessage("the local model takes neither tools nor a response schema")
        return len(self._prompt.ids(messages))


def _as_chat(message: BaseMessage) -> dict[str, str]:
    if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
        raise UnsupportedMessage("the local model takes no tool calls: leave them out")
    role = next((role for kind, role in _ROLES if isinstance(message, kind)), None)
    if isinstance(message, ChatMessage):
        role = message.role
    if role is None:
        raise UnsupportedMessage(f"the local model takes no message of type {message.type!r}")
    return {"role": role, "content": _text(message.content)}


def _text(content: str | list[str | dict[Any, Any]]) -> str:
    if isinstance(content, str):
        return content
    parts: list[str] = []
    for block in content:
        text = block if isinstance(block, str) else block.get("text")
        if not isinstance(text, str) or (
            isinstance(block, dict) and block.get("type", "text") != "text"
        ):
            kind = block.get("type") if isinstance(block, dict) else type(block).__name__
            raise UnsupportedMessage(f"the local model reads text, no block of type {kind!r}")
        parts.append(text)
    return "".join(parts)


def _translate(
    turn: Mapping[str, str], stand_ins: Mapping[str, str], starts: re.Pattern[str]
) -> dict[str, str]:
    if not stand_ins:
        return dict(turn)
    return {
        key: starts.sub(lambda found: stand_ins[found[0]], value) for key, value in turn.items()
    }


def _alternatives(tokens: Mapping[str, int]) -> str:
    return "|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True))


class _Refusal(Exception):  # noqa: N818 - raised by templates only, and never let out
    """What a template means to say by `raise_exception`."""


def _refuse(message: object) -> NoReturn:
    raise _Refusal(str(message))


def _strftime_now(pattern: str) -> str:
    return datetime.now(tz=UTC).astimezone().strftime(pattern)


def _to_json(value: object, indent: int | None = None) -> str:
    # Jinja's own filter escapes for HTML, which no model was trained on.
    return json.dumps(value, ensure_ascii=False, indent=indent)
