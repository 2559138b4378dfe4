"""Tools by which an agent reads an outline: the rough look, the closer one, the search."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from langchain_core.runnables import RunnableConfig  # noqa: TC002 - LangChain reads it to inject it
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, Field

from shoestring.tools.outline.errors import UnknownNode
from shoestring.tools.stash.errors import StashError
from shoestring.tools.stash.marks import defused, mark
from shoestring.tools.stash.recall import RecallTool

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoestring.budget import Ledger
    from shoestring.tools.outline.outline import Outline
    from shoestring.tools.stash import Stash

__all__ = ["outline_tools"]

T = TypeVar("T")

_TRIES = 6  # times that a body is written anew, where tokens of body and foot do not add up
_LEAST = 64  # tokens that a tool returns at the least, so that its lines of the budget fit


class _Outline(BaseModel):
    tokens: int = Field(default=400, description="How much to show, in tokens.")
    under: str = Field(default="", description="The id of a part to look into; empty for all.")


class _Open(BaseModel):
    id: str = Field(description="The id of the part, as it stands in brackets.")
    tokens: int = Field(default=1_000, description="How much to read, in tokens.")


class _Search(BaseModel):
    query: str = Field(description="What to look for.")
    tokens: int = Field(default=1_000, description="How much to read, in tokens.")
    under: str = Field(default="", description="The id of a part to search in; empty for all.")


def outline_tools(
    outline: Outline,
    *,
    ledger: Ledger | Callable[[], Ledger] | None = None,
    stash: Stash | None = None,
    conversation: str | None = None,
    most: int = 4_000,
) -> list[BaseTool]:
    r"""Make the tools by which an agent reads an outline.

    `outline` shows the table of contents, `open_section` a part's text and where to read on, `search`
    what tells most about a query, each piece with the id of its part. What each returns has at most
    the tokens it was asked for, and `most`; its last line says what is left of the budget. An id that
    opens nothing is an error that the model can read.

    Args:
        outline: What is read.
        ledger: The account whose rest is told; or what gives it when a tool runs, such as
            `current_ledger` for an agent with a `BudgetMiddleware`. None tells nothing.
        stash: Where `search` puts what was relevant and had no room, for the tool `recall`; None for
            neither.
        conversation: Whose texts the stash keeps them among; None for the LangGraph thread of the run.
        most: The most tokens a tool returns; at least 64.

    Raises:
        ValueError: If `most` is less than 64.

    >>> from langchain_core.documents import Document
    >>> from shoestring.tools import Outline
    >>> book = Document("# Herons\n\nThey nest in trees.\n\n# Terns\n\nThey dive.")
    >>> tools = {tool.name: tool for tool in outline_tools(Outline.build([book]))}
    >>> print(tools["search"].invoke({"query": "Where do herons nest?"}).split("] ")[1])
    Herons
    They nest in trees.
    """
    if most < _LEAST:
        raise ValueError(f"most must be {_LEAST} or more, not {most}")
    recall = RecallTool(stash=stash, conversation=conversation, most=most) if stash else None
    reader = _Reader(outline, ledger, recall, most)
    tools: list[BaseTool] = [
        _tool(
            reader.outline,
            "Show what the documents are about, part by part: each line has a part's id in brackets, "
            "its title, its size in tokens and its own terms. Look here first.",
            _Outline,
        ),
        _tool(
            reader.open_section,
            "Read a part's text from its beginning. The id is one that outline or search has shown.",
            _Open,
        ),
        _tool(
            reader.search,
            "Read what tells most about a query, from all documents or in one part, each piece under "
            "its headings and the id of its part.",
            _Search,
        ),
    ]
    return [*tools, recall] if recall else tools


def _tool(function: Callable[..., str], description: str, schema: type[BaseModel]) -> BaseTool:
    return StructuredTool.from_function(
        function,
        name=function.__name__,
        description=description,
        args_schema=schema,
        handle_tool_error=True,
    )


class _Reader:
    """What the tools do."""

    def __init__(
        self,
        outline: Outline,
        ledger: Ledger | Callable[[], Ledger] | None,
        recall: RecallTool | None,
        most: int,
    ) -> None:
        self._outline = outline
        self._ledger = ledger
        self._recall = recall
        self._most = most

    def outline(self, tokens: int = 400, under: str = "") -> str:
        """Write a table of contents."""
        return self._within(
            tokens,
            lambda room: self._known(lambda: self._outline.contents(room, under or None).text),
        )

    def open_section(self, id: str, tokens: int = 1_000) -> str:  # noqa: A002 - what the model is told
        """Write the beginning of a part, and where to read on."""

        def body(room: int) -> str:
            opened = self._known(lambda: self._outline.open(id, room))
            text = defused(opened.text, lambda _: False)
            if opened.rest is None:
                return text
            more = f'[… {opened.left:,} tokens follow: open_section("{opened.rest.id}")]'
            return f"{text}\n{more}" if text else more

        return self._within(tokens, body)

    def search(
        self, query: str, config: RunnableConfig, tokens: int = 1_000, under: str = ""
    ) -> str:
        """Write what tells most about a query, and how to recall what had no room."""

        def body(room: int) -> str:
            if not query.strip():
                raise ToolException("the query is empty: say what to look for")
            found = self._known(lambda: self._outline.search(query, room, under or None))
            text = defused(found.text, lambda _: False) or "nothing in the text tells of this"
            if found.missed and self._recall is not None:
                try:
                    handle = self._recall.shelf(config).put(found.missed)
                except StashError:
                    handle = ""
                text = f"{text}\n{mark(self._outline.count(found.missed), handle)}"
            return text

        return self._within(tokens, body)

    def _known(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except UnknownNode as error:
            raise ToolException(str(error)) from error

    def _within(self, tokens: int, body: Callable[[int], str]) -> str:
        """Write a body and what is left of the budget within the tokens."""
        limit = max(_LEAST, min(tokens, self._most))
        foot = self._left()
        count = self._outline.count
        room = limit - (count(foot) if foot else 0)
        text = ""
        for _ in range(_TRIES):
            text = "\n".join(part for part in (body(max(0, room)), foot) if part)
            over = count(text) - limit
            if over <= 0:
                return text
            room -= over
        return foot

    def _left(self) -> str:
        """Say what is left of the budget for work."""
        if self._ledger is None:
            return ""
        ledger = self._ledger() if callable(self._ledger) else self._ledger
        left = ledger.affordable()
        parts = [
            f"{left.tokens:,} tokens" if left.tokens is not None else "",
            f"${left.nanodollars / 10**9:.4f}" if left.nanodollars is not None else "",
            f"{left.calls:,} calls" if left.calls is not None else "",
        ]
        told = ", ".join(part for part in parts if part)
        return f"[budget: {told} left]" if told else ""
