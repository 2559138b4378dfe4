"""`trim_history` as a piece of a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import RunnableSerializable
from pydantic import ConfigDict, Field, PrivateAttr

from shoestring.models import message_counter
from shoestring.tools.history.trimming import Remembered, TrimmedHistory, trim_messages_within
from shoestring.tools.stash import Shelf  # noqa: TC001 - as above
from shoestring.tools.trimming.output import MessageCount  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.runnables import RunnableConfig

__all__ = ["HistoryTrimmer"]


class HistoryTrimmer(RunnableSerializable[Any, list[BaseMessage]]):
    """Trims the messages that pass through it: `prompt | HistoryTrimmer(tokens=8_000) | model`.

    It does what `trim_history` does, and remembers sizes and edits, so that a call that adds one
    message to a long conversation counts one message.

    >>> trimmer = HistoryTrimmer(tokens=40)
    >>> [m.text for m in trimmer.invoke([("user", "Hi"), ("ai", "Hello! " * 99), ("user", "Bye")])]
    ['Bye']
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True)

    tokens: int = Field(ge=0)
    """Room, in model tokens."""
    query: str | None = None
    """What matters; None for the last thing a person said."""
    count: MessageCount | None = None
    """Counts messages; `message_counter(model)` for a model."""
    shelf: Shelf | None = None
    """Where what is left out is kept; see `trim_history`."""
    _memory: Remembered = PrivateAttr(default_factory=Remembered)
    _counts: list[MessageCount] = PrivateAttr(default_factory=list)

    def invoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401 - as above
    ) -> list[BaseMessage]:
        """Return the messages to send.

        Args:
            input: Messages, or what a prompt makes.
            config: LangChain's.
            kwargs: Nothing here takes any.
        """
        return self._call_with_config(self._trimmed, input, config, **kwargs)

    def trim(self, messages: LanguageModelInput) -> TrimmedHistory:
        """Return the messages to send, and what was left out.

        Args:
            messages: Messages, or what a prompt makes.
        """
        if isinstance(messages, PromptValue):
            given = messages.to_messages()
        else:
            given = convert_to_messages([messages] if isinstance(messages, str) else messages)
        if not self._counts:
            self._counts.append(self.count or message_counter())
        return trim_messages_within(
            given,
            self.tokens,
            self.query,
            count=self._counts[0],
            shelf=self.shelf,
            memory=self._memory,
        )

    def _trimmed(self, messages: LanguageModelInput) -> list[BaseMessage]:
        return list(self.trim(messages).messages)
