"""Tool schemas: a tool is kept whole, or as a signature that can still be called."""

import json
from typing import cast

from shoestring.tools.trimming.units import Unit

__all__ = ["ToolSchema", "signature"]

_PARAMETERS = ("parameters", "input_schema", "inputSchema", "args_schema")
_SAID = 120  # characters that a signature keeps of the tool's own description


class ToolSchema:
    """One tool's schema in JSON: OpenAI's, Anthropic's or MCP's way of writing it.

    It is never divided. Where the whole would take too much of the room its signature may stand for
    it: the same schema without the descriptions of its parameters.
    """

    name = "tool"

    def units(self, text: str, source: str) -> list[Unit] | None:
        """Give a tool's schema as one unit; see `Kind`."""
        del source
        inside = text.strip()
        short = signature(inside)
        if short is None:
            return None
        start = len(text) - len(text.lstrip())
        return [Unit(start, start + len(inside), "tool", short=short)]


def signature(text: str) -> str | None:
    """Give a tool's schema without the descriptions of its parameters; None if it is no tool.

    >>> signature('{"name": "add", "parameters": {"properties": {"a": {"description": "One."}}}}')
    '{"name":"add","parameters":{"properties":{"a":{}}}}'
    """
    if text[:1] != "{" or not any(f'"{key}"' in text for key in _PARAMETERS):
        return None
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    tool = cast("dict[str, object]", value)
    inner = tool.get("function")
    body = cast("dict[str, object]", inner) if isinstance(inner, dict) else tool
    if not isinstance(body.get("name"), str):
        return None
    if not any(isinstance(body.get(key), dict) for key in _PARAMETERS):
        return None
    short = {key: _bare(part) if key in _PARAMETERS else part for key, part in body.items()}
    said = short.get("description")
    if isinstance(said, str) and len(said) > _SAID:
        short["description"] = said[:_SAID].rsplit(" ", 1)[0]
    whole = short if body is tool else {**tool, "function": short}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def _bare(part: object, named: bool = False) -> object:  # noqa: FBT001, FBT002 - of a recursion
    """Drop descriptions from a schema; a parameter called "description" stays."""
    if isinstance(part, list):
        return [_bare(element) for element in cast("list[object]", part)]
    if not isinstance(part, dict):
        return part
    members = cast("dict[str, object]", part)
    return {
        key: _bare(value, named=key == "properties" and not named)
        for key, value in members.items()
        if named or key not in ("description", "title", "examples", "$schema")
    }
