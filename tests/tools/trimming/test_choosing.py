"""Tools are told of whole or not at all, by what the question asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.tools import StructuredTool

from shoestring.tools.trimming.choosing import choose_tools, schema_of

if TYPE_CHECKING:
    from collections.abc import Sequence

DOES = {
    "weather": "Tells the weather of a town.",
    "ferries": "Lists the ferries of a harbour and their fares.",
    "translate": "Translates a sentence.",
    "measure": "Measures how high a tower is.",
}
SEARCH: dict[str, Any] = {"type": "web_search_preview"}


def tools() -> list[Any]:
    def use(value: str) -> str:
        return value

    return [StructuredTool.from_function(use, name=n, description=d) for n, d in DOES.items()]


def sized(schemas: Sequence[dict[str, Any]]) -> int:
    return sum(len(str(schema)) for schema in schemas)


ONE = max(sized([schema_of(one)]) for one in tools())


def names(chosen: Sequence[Any]) -> list[str]:
    return [one["type"] if isinstance(one, dict) else one.name for one in chosen]


@pytest.mark.parametrize(
    ("question", "wanted"),
    [("How high is the tower?", "measure"), ("What are the fares of ferries?", "ferries")],
)
def test_the_tool_that_matters_is_chosen(question: str, wanted: str) -> None:
    """With room for one, it is that of the question, as it was given."""
    given = tools()
    chosen = choose_tools(given, question, ONE, measure=sized)
    assert names(chosen) == [wanted]
    assert chosen[0] is next(one for one in given if one.name == wanted)


def test_all_stay_where_they_fit() -> None:
    """In their order, which the provider's cache is keyed by."""
    assert names(choose_tools(tools(), "fares", 4 * ONE, measure=sized)) == list(DOES)


def test_the_order_is_kept() -> None:
    """The best is not moved to the front."""
    chosen = choose_tools(tools(), "measure the tower in this weather", 2 * ONE, measure=sized)
    assert names(chosen) == ["weather", "measure"]


def test_what_is_to_stay_stays() -> None:
    """Named tools and those of the provider take their room first, even more than there is."""
    chosen = choose_tools([*tools(), SEARCH], "tower", 10, measure=sized, keep={"translate"})
    assert names(chosen) == ["translate", "web_search_preview"]


def test_a_model_is_not_left_without_tools() -> None:
    """Where not even the best fits, it stays; without a question, one does."""
    assert names(choose_tools(tools(), "how high?", 1, measure=sized)) == ["measure"]
    assert len(choose_tools(tools(), " ", 1, measure=sized)) == 1
    assert choose_tools([], "tower", 0, measure=sized) == []


def test_schemas_are_taken_in_any_form() -> None:
    """OpenAI's and Anthropic's dicts, and what is no function, are read as what they are."""
    parameters = {"type": "object", "properties": {"town": {"type": "string"}}}
    openai = {"type": "function", "function": {"name": "a", "parameters": parameters}}
    anthropic = {"name": "a", "description": "A.", "input_schema": parameters}
    assert schema_of(openai)["function"]["name"] == "a"
    assert schema_of(anthropic)["function"]["parameters"] == parameters
    assert schema_of(SEARCH) == SEARCH
    assert schema_of({"type": "bash_20250124", "name": "bash"})["name"] == "bash"
