"""Which tools a model is told of, where there is no room for all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.documents import Document
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from shoestring.tools.trimming.trim import trim

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

__all__ = ["choose_tools", "schema_of"]

ToolT = TypeVar("ToolT", bound=BaseTool | dict[str, Any])

_ALL = 10**9  # tokens: nothing is left out, and all are scored


def choose_tools(
    tools: Sequence[ToolT],
    query: str,
    tokens: int,
    *,
    measure: Callable[[Sequence[dict[str, Any]]], int],
    keep: Collection[str] = (),
) -> list[ToolT]:
    """Choose the tools that matter most to a query and fit; each is kept whole or left out.

    Args:
        tools: LangChain tools and schemas; one that runs at the provider, which has no schema to
            compare, always stays.
        query: What the model is to do.
        tokens: Room for their schemas. What always stays may pass it, and so may the best one:
            a model that had tools is not left without any.
        measure: Counts the tokens of schemas, all together.
        keep: Names of tools that always stay.

    Returns:
        The chosen ones, in their order.
    """
    schemas = [schema_of(tool) for tool in tools]
    if measure(schemas) <= tokens:
        return list(tools)
    chosen = {
        place
        for place, schema in enumerate(schemas)
        if _name(schema) in keep or not _is_function(schema)
    }
    documents = [
        Document(_described(schema), metadata={"title": _name(schema), "kind": "text"})
        for schema in schemas
    ]
    query = query if query.strip() else "summary"
    scored = trim(documents, query, _ALL, count=len, fill="budget").documents
    scores = [float(document.metadata["score"]) for document in scored]
    functions = [place for place, schema in enumerate(schemas) if _is_function(schema)]
    for place in sorted(functions, key=lambda place: (-scores[place], place)):
        trial = [schemas[other] for other in sorted(chosen | {place})]
        if measure(trial) <= tokens or chosen.isdisjoint(functions):
            chosen.add(place)
    return [tools[place] for place in sorted(chosen)]


def schema_of(tool: BaseTool | dict[str, Any]) -> dict[str, Any]:
    """Return what a model is told of a tool, as OpenAI's API writes it."""
    if isinstance(tool, dict):
        named = {"name", "function", "title"} & tool.keys()
        if not named or tool.get("type", "function") not in ("function", "object"):
            return tool  # a provider's own
    return convert_to_openai_tool(tool)


def _is_function(schema: dict[str, Any]) -> bool:
    return isinstance(schema.get("function"), dict)


def _name(schema: dict[str, Any]) -> str:
    body = schema["function"] if _is_function(schema) else schema
    return str(body.get("name") or body.get("type") or "")


def _described(schema: dict[str, Any]) -> str:
    """Write out what a tool says of itself: its words and those of its parameters."""
    body = schema["function"] if _is_function(schema) else schema
    return f"{body.get('description', '')}\n{json.dumps(body.get('parameters', {}), default=str)}"
