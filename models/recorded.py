# ruff: noqa: ANN401 - LangChain's methods pass any options on
"""A chat model's calls, recorded once and replayed without the model: the same class for both."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path  # noqa: TC003 - pydantic reads it
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from shoestring.budget import Budget, Ledger
from shoestring.models.counting.counting import ByteBound, counter_for
from shoestring.models.guarding.guard import guard
from shoestring.models.usage import truncated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from langchain_core.callbacks import CallbackManagerForLLMRun
    from langchain_core.language_models.base import LangSmithParams

    from shoestring.models.counting.counting import TokenCounter

_NO_CAP = Budget(tokens=2**62)
_FORMAT = 1
_LIMIT = "max_tokens"
# What is kept of an answer, with what stands for nothing.
_KEPT: dict[str, Any] = {
    "content": "", "tool_calls": [], "usage_metadata": None, "response_metadata": {},
}  # fmt: skip
# What LangChain adds to a call that the model does not read.
_UNREAD = frozenset({"ls_structured_output_format", "timeout", "stream_usage"})


class UnknownPrompt(LookupError):  # noqa: N818 - it says what is the matter
    """A prompt was asked that stands in no recording; nothing was sent."""

    # As a server says that there is no such thing: a guard charges no tokens.
    status_code = 404


class BrokenRecording(ValueError):  # noqa: N818 - it names what is wrong
    """A recording cannot be read; the message names the file and the line."""


class RecordedModel(BaseChatModel):
    """Answers from a file of recorded calls; with a `model`, asks it for what is not there and keeps it.

    A call is known by its messages, tools and other options. Recorded several times (samples at a
    temperature), the answers are given in turn, and again from the first. An answer that was written
    whole also answers calls with a smaller limit that it fits; one that was cut by its limit answers
    only calls with that limit.

    A guard limits it as any model, and charges what the provider reported when it was recorded.

    Args:
        path: A JSONL file. It is read when the first call is made; calls are appended at once, so a
            process that is killed has what it was told.
        model: Asked for what is not recorded; None refuses it.
        samples: How many answers to record of the same call before they are given in turn.

    Raises:
        UnknownPrompt: From a call that is not recorded, without a model.
        BrokenRecording: If the file is no recording.
    """

    path: Path
    model: BaseChatModel | None = None
    samples: int = 1
    max_tokens: int | None = None

    _calls: dict[str, list[dict[str, Any]]] | None = PrivateAttr(default=None)
    _turns: dict[str, int] = PrivateAttr(default_factory=dict)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "recorded"

    @property
    def counter(self) -> TokenCounter:
        """Counts a prompt as the recorded model does, where that is asked; else by its bytes."""
        return ByteBound() if self.model is None else counter_for(self.model)

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        if self.model is not None:
            return self.model._get_ls_params(stop=stop, **kwargs)  # noqa: SLF001 - of one base
        return super()._get_ls_params(stop=stop, **kwargs)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        """Bind tools as the recorded model does; they are part of what a call is known by."""
        from langchain_core.utils.function_calling import convert_to_openai_tool

        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        _ = run_manager
        limit = kwargs.pop(_LIMIT, None)
        limit = self.max_tokens if limit is None else limit
        options = {key: value for key, value in kwargs.items() if key not in _UNREAD}
        key = _key(messages, {**options, **({"stop": stop} if stop else {})})
        with self._lock:
            fitting = [call for call in self._recorded().get(key, ()) if _fits(call, limit)]
            asks = self.model is not None and len(fitting) < self.samples
            if not asks and fitting:
                turn = self._turns.get(key, 0)
                self._turns[key] = turn + 1
                return _result(fitting[turn % len(fitting)])
        if self.model is None:
            raise UnknownPrompt(
                f"no recording in {str(self.path)!r} answers this call ({key[:12]}, at most {limit} "
                f"tokens: {_shown(messages)}): record it with RecordedModel(path=…, model=…)"
            )
        # Under a guard of its own: no hidden retries, usage with each answer, a limit it takes. What
        # that may cost is up to who guards this model.
        asked = guard(self.model, Ledger(_NO_CAP)).invoke(
            messages, config={"callbacks": []}, stop=stop, **options, **_given(limit)
        )
        return self._keep(key, limit, asked)

    def _recorded(self) -> dict[str, list[dict[str, Any]]]:
        if self._calls is None:
            self._calls = {}
            for call in _read(self.path):
                self._calls.setdefault(call["key"], []).append(call)
        return self._calls

    def _keep(self, key: str, limit: int | None, message: AIMessage) -> ChatResult:
        call = {
            "format": _FORMAT,
            "key": key,
            "limit": limit,
            "message": message.model_dump(mode="json", include=set(_KEPT)),
        }
        line = (json.dumps(call) + "\n").encode()
        with self._lock:
            self._recorded().setdefault(key, []).append(call)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                file.write(line)
        return _result(call)


def _key(messages: Sequence[BaseMessage], options: Mapping[str, Any]) -> str:
    """Return what a call is known by: ids and metadata that no model reads are left out."""
    told = [
        {
            "role": message.type,
            "content": message.content,
            "name": message.name,
            "calls": getattr(message, "tool_calls", None) or None,
            "result_of": getattr(message, "tool_call_id", None),
        }
        for message in messages
    ]
    text = json.dumps([told, options], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _fits(call: Mapping[str, Any], limit: int | None) -> bool:
    """Whether a recorded answer is what the model would have said under another limit."""
    if call["limit"] == limit:
        return True
    if truncated(call["message"].get("response_metadata") or {}):
        return False
    written = (call["message"].get("usage_metadata") or {}).get("output_tokens")
    return limit is None or (written is not None and written <= limit)


def _given(limit: int | None) -> dict[str, int]:
    return {} if limit is None else {_LIMIT: limit}


def _result(call: Mapping[str, Any]) -> ChatResult:
    message = AIMessage(
        **{name: call["message"].get(name) or empty for name, empty in _KEPT.items()}
    )
    return ChatResult(generations=[ChatGeneration(message=message)])


def _read(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return  # its process was killed
            try:
                call = json.loads(line)
                known = call["format"] == _FORMAT and {"key", "limit"} <= call.keys()
                _result(call)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise BrokenRecording(f"{path}, line {number}: no recorded call") from error
            if not known:
                raise BrokenRecording(
                    f"{path}, line {number}: no recorded call of format {_FORMAT}"
                )
            yield call


def _shown(messages: Sequence[BaseMessage]) -> str:
    text = " ".join(messages[-1].text.split()) if messages else ""
    return f"{text[:60]!r}"
