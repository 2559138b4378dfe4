"""What is seen of one call's answer while it comes: text, usage, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_core.messages.ai import add_usage

from shoestring.models.guarding.watching import Told, Watch, said
from shoestring.models.usage import answered_by, finished, measured, token_usage, truncated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.messages.ai import UsageMetadata
    from langchain_core.outputs import ChatGeneration, ChatResult


@dataclass(slots=True)
class Answer:
    """One answer, or the several answers to one prompt.

    Attributes:
        watch: Says when it has passed its limit; None where nobody looks.
        begun: Whether anything of it has come.
        complete: Whether its provider said that it ended.
        passed: Whether it wrote more than its limit: its stream is to be closed.
        reported: Whether the last part of it reported usage.
        named: The model that its provider says wrote it; "" where it does not.
    """

    watch: Watch | None = None
    begun: bool = False
    complete: bool = False
    passed: bool = False
    reported: bool = False
    named: str = ""
    _seen: UsageMetadata | None = None
    _garbled: bool = False
    _told: Told = field(default_factory=Told)

    @property
    def usage(self) -> UsageMetadata | None:
        """What its provider reported of all of it; None where it did not, or it cannot be true."""
        return measured(self._seen) if self.complete and not self._garbled else None

    def saw(self, generation: ChatGeneration) -> None:
        """Take note of one chunk of a stream; marks it where the answer was cut at its limit."""
        # Of a stream that is parsed to a schema, OpenAI's integration reports only beside it.
        told = token_usage((generation.generation_info or {}).get("token_usage"))
        self.saw_usage(getattr(generation.message, "usage_metadata", None) or told)
        self.saw_text(said(generation.message))
        report = _mark(generation, cut=self.passed)
        self.named = answered_by(report) or self.named
        self.complete = finished(report) or self.complete

    def saw_result(self, result: ChatResult) -> None:
        """Take note of a whole answer."""
        self.begun = self.complete = True
        reports: list[UsageMetadata] = []
        for generation in result.generations:
            usage = getattr(generation.message, "usage_metadata", None)
            # Several answers to one prompt each carry the usage of them all.
            if usage and usage not in reports:
                reports.append(usage)
            report = _mark(generation, result.llm_output)
            self.named = self.named or answered_by(report)
        for usage in reports:
            self.saw_usage(usage)

    def saw_event(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take note of one event of LangChain's streaming protocol; returns what to pass on."""
        self.saw_usage(event.get("usage"))
        self.saw_text(self._told.by(event))
        if event.get("event") != "message-finish":
            return event
        report = event.get("metadata") or {}
        self.named = answered_by(report)
        self.complete = True
        return {**event, "metadata": {**report, "truncated": True}} if truncated(report) else event

    def saw_text(self, text: str) -> None:
        """Take note of what was written."""
        self.passed = self.watch is not None and self.watch.passed(text)

    def saw_usage(self, usage: UsageMetadata | None) -> None:
        """Add a report of usage; a stream may send several, which add up."""
        self.begun = True
        self.reported = bool(usage)
        if usage:
            try:
                self._seen = add_usage(self._seen, usage)
            except (KeyError, TypeError, ValueError):
                self._garbled = True


def _mark(
    generation: ChatGeneration,
    output: Mapping[str, Any] | None = None,
    *,
    cut: bool = False,
) -> dict[str, Any]:
    """What the metadata of an answer say, after marking there whether it was cut at its limit."""
    message = generation.message
    report = {**(output or {}), **(generation.generation_info or {}), **message.response_metadata}
    if cut or truncated(report):
        # A copy: the message may be the caller's own.
        metadata = {**message.response_metadata, "truncated": True}
        generation.message = message.model_copy(update={"response_metadata": metadata})
    return report
