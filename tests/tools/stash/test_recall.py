"""A model gets what it asks for, of its own conversation, and no more than fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from shoestring import RecallTool, Stash, message_counter
from shoestring.tools.stash.recall import recalling

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

TEXT = "\n".join(f"On day {day} the tide turned at {day % 24:02}:13." for day in range(400))


def stashed() -> tuple[Stash, str]:
    stash = Stash()
    return stash, stash.of("7").put(TEXT)


def test_what_is_asked_for_is_found_and_fits() -> None:
    """The query finds its line; the mark names the same handle again."""
    stash, handle = stashed()
    tool = RecallTool(stash=stash, conversation="7")
    found = tool.invoke({"handle": handle, "tokens": 100, "query": "tide on day 333"})
    assert "On day 333 " in found
    assert f'recall("{handle}")' in found
    assert message_counter()([ToolMessage(found, tool_call_id="")]) < 120


def test_no_more_than_is_allowed_comes_back() -> None:
    """Whatever a model asks for, the tool's own bound holds; less than 1 is 1."""
    stash, handle = stashed()
    tool = RecallTool(stash=stash, conversation="7", most=50)
    for tokens in (10**9, 50):
        found = tool.invoke({"handle": handle, "tokens": tokens})
        assert len(found) < 400
    assert "ask for more" in tool.invoke({"handle": handle, "tokens": -5})


def test_the_thread_of_the_run_is_whose_texts_are_read() -> None:
    """Through LangChain's config; without a thread nobody's are."""
    stash, handle = stashed()
    tool = RecallTool(stash=stash)
    mine: Any = {"configurable": {"thread_id": "7"}}
    other: Any = {"configurable": {"thread_id": "8"}}
    assert tool.invoke({"handle": handle, "query": "day 3"}, mine).startswith("On day")
    assert "nothing is kept under" in tool.invoke({"handle": handle}, other)
    assert "which conversation" in tool.invoke({"handle": handle})


def test_a_middleware_says_whose_texts_are_read() -> None:
    """Inside `recalling` it is that shelf's; a shelf of another stash is passed over."""
    stash, handle = stashed()
    with recalling(stash.of("7")):
        assert RecallTool(stash=stash).invoke({"handle": handle}).startswith("On day")
    with recalling(Stash().of("7")):
        assert "which conversation" in RecallTool(stash=stash).invoke({"handle": handle})


@pytest.mark.parametrize("handle", ["aaaaaa", "", "k7", "../etc/passwd", "a" * 10_000])
def test_a_handle_that_does_not_exist_is_a_readable_error(handle: str) -> None:
    """The model reads what is wrong, in a result that says it is an error."""
    stash, _ = stashed()
    call: Any = {"name": "recall", "args": {"handle": handle}, "id": "1", "type": "tool_call"}
    found = RecallTool(stash=stash, conversation="7").invoke(call)
    assert isinstance(found, ToolMessage)
    assert found.status == "error"
    assert "copy the handle" in found.text
    assert len(found.text) < 300


def test_quotes_around_a_handle_do_no_harm() -> None:
    """Models copy them too."""
    stash, handle = stashed()
    tool = RecallTool(stash=stash, conversation="7")
    assert tool.invoke({"handle": f'"{handle}"'}).startswith("On day")


class Standard:
    """What LangChain's own suites ask of a tool."""

    @property
    def tool_constructor(self) -> type[BaseTool] | BaseTool:
        return RecallTool

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return {"stash": stashed()[0], "conversation": "7"}

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"handle": stashed()[1], "tokens": 100, "query": "day 7"}


class TestUnits(Standard, ToolsUnitTests):
    """LangChain's standard unit tests of a tool."""


class TestIntegration(Standard, ToolsIntegrationTests):
    """LangChain's standard integration tests of a tool."""
