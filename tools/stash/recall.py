"""The tool by which a model asks for what was left out."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig  # noqa: TC002 - LangChain reads it to inject it
from langchain_core.tools import ArgsSchema, BaseTool, ToolException
from pydantic import BaseModel, ConfigDict, Field

from shoestring.models import message_counter
from shoestring.tools.stash import NotStashed, Shelf, Stash
from shoestring.tools.trimming.output import MessageCount, Shrinker

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["RecallTool", "recalling"]

# Set by a middleware around the run of a tool: the conversation that it is called in.
_shelf: ContextVar[Shelf | None] = ContextVar("shoestring_shelf", default=None)


class _Arguments(BaseModel):
    handle: str = Field(description="The handle, as it stands in the text.")
    tokens: int = Field(default=1_000, description="How much to read, in tokens.")
    query: str = Field(default="", description="What to look for in it.")


class RecallTool(BaseTool):
    """Returns what was left out of a context, trimmed to fit: `recall(handle, tokens)`.

    A handle opens what was left out of the same conversation only: that of `conversation`, or else
    the LangGraph thread that the tool runs in. What does not fit is marked in turn. A handle that
    opens nothing is an error that the model can read.

    >>> stash = Stash()
    >>> handle = stash.of("7").put("The ferry leaves at 07:40. It carries 120 people.")
    >>> recall = RecallTool(stash=stash, conversation="7")
    >>> recall.invoke({"handle": handle})
    'The ferry leaves at 07:40. It carries 120 people.'
    >>> RecallTool(stash=stash, conversation="8").invoke({"handle": handle})[:20]
    'nothing is kept unde'
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str = "recall"
    description: str = (
        "Read text that was left out of this conversation to save room: where it says [… left out: "
        'recall("abc234")], call recall with that handle, and with what you look for as query.'
    )
    args_schema: ArgsSchema | None = _Arguments
    handle_tool_error: Any = True
    stash: Stash
    """Where it was put."""
    conversation: str | None = None
    """Whose texts it returns; None for the thread of the run, or what a `ContextMiddleware` says."""
    most: int = Field(default=4_000, ge=1)
    """The most tokens it returns, whatever is asked for."""
    count: MessageCount | None = None
    """Counts messages; `message_counter(model)` for a model."""

    def _run(
        self,
        handle: str,
        tokens: int = 1_000,
        query: str = "",
        *,
        config: RunnableConfig,
    ) -> str:
        shelf = self.shelf(config)
        try:
            text = shelf.get(handle.strip().strip("\"'"))
        except NotStashed as error:
            raise ToolException(str(error)) from error
        room = max(1, min(tokens, self.most))
        shrinker = Shrinker(self.count or message_counter(), shelf, "budget")
        found = shrinker.shrink(text, query, room, handle)
        assert isinstance(found.content, str)  # noqa: S101 - of a text
        return found.content or f"no text fits into {room} tokens: ask for more"

    def shelf(self, config: RunnableConfig) -> Shelf:
        """Return the texts of the conversation that a run belongs to.

        Raises:
            ToolException: If the run has no thread and no conversation was named.
        """
        if self.conversation is not None:
            return self.stash.of(self.conversation)
        if (here := _shelf.get()) is not None and here.stash is self.stash:
            return here
        thread = (config.get("configurable") or {}).get("thread_id")
        if thread is None:
            raise ToolException(
                "recall does not know which conversation this is: run it with a thread_id"
            )
        return self.stash.of(str(thread))


@contextmanager
def recalling(shelf: Shelf) -> Generator[None]:
    """Make `shelf` the one that a recall tool of its stash reads inside."""
    token = _shelf.set(shelf)
    try:
        yield
    finally:
        _shelf.reset(token)
