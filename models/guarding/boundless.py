"""What a provider adds to a prompt by itself cannot be counted before: it is refused, or believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shoestring.budget import Amount
from shoestring.models.counting.framing import UnboundedInput
from shoestring.models.guarding.limits import as_dict, option_sets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from langchain_core.language_models import BaseChatModel

    from shoestring.models.providers import Provider

# Types and keys of tools that the caller runs; all others run at the provider.
_OWN_TYPES = frozenset({None, "function", "custom"})
_OWN_KEYS = frozenset({"cachePoint", "function", "input_schema", "name", "toolSpec"})
_DECLARATIONS = frozenset({"functionDeclarations", "function_declarations"})
# Sets of tools, by the names under which they are given.
_TOOL_SETS = ("tool_config", "toolConfig")


def added_by_provider(
    model: BaseChatModel,
    arguments: dict[str, Any],
    *,
    provider: Provider,
    name: str,
    bounds: Mapping[str, Amount],
) -> Amount:
    """The most a provider adds to a call by itself, by what its user said; else the call is refused.

    Args:
        model: The model of this one call.
        arguments: The call's.
        provider: The model's entry in the table.
        name: The model's name at its provider.
        bounds: The most each tool at the provider adds to one call, by the beginning of its name.

    Raises:
        UnboundedInput: For tools that run at the provider without a bound, models that search by
            themselves, and conversations kept there.
    """
    if any(part in name for part in provider.searchers):
        raise UnboundedInput(
            f"{name!r} adds to its prompt what it finds, whose tokens cannot be bounded before: "
            "choose a model that answers from its prompt alone"
        )
    every = [vars(model), *option_sets(provider, model, arguments)]
    for key in provider.server_state:
        if any(options.get(key) for options in every):
            raise UnboundedInput(
                f"{key!r} adds to the prompt what the provider keeps or finds, whose tokens "
                "cannot be bounded before it is sent: send the text itself"
            )
    added = Amount()
    for options in every:
        if "compact" in str(options.get("context_management", "")):
            raise UnboundedInput(
                "'context_management' that compacts is a model call of its own, billed beside this "
                "one: shorten the messages before the call"
            )
        for tool in _tools(options):
            if not _is_own(tool):
                added += _bound_of(tool, bounds)
    return added


def _bound_of(tool: Mapping[str, Any], bounds: Mapping[str, Amount]) -> Amount:
    kinds = [str(tool["type"])] if tool.get("type") else sorted(tool.keys() - _DECLARATIONS)
    found = [
        next((bound for start, bound in bounds.items() if kind.startswith(start)), None)
        for kind in kinds
    ]
    total = Amount()
    for kind, bound in zip(kinds, found, strict=True):
        if bound is None:
            raise UnboundedInput(
                f"the tool {kind!r} runs at the provider and adds to the prompt what it finds: give "
                f"the model a tool of your own, or say what it may add at most to one call: "
                f"guard(…, server_tools={{{kind!r}: Amount(input_tokens=…)}})"
            )
        total += bound
    return total


def _tools(options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    given = list(options.get("tools") or ())
    for name in _TOOL_SETS:
        given += (as_dict(options.get(name)) or {}).get("tools") or ()
    for tool in given:
        if (plain := as_dict(tool)) is not None:
            yield plain


def _is_own(tool: Mapping[str, Any]) -> bool:
    if tool.get("type") not in _OWN_TYPES:
        return False
    # One of Google's tools may declare functions and search beside.
    return bool(_OWN_KEYS & tool.keys()) or tool.keys() <= _DECLARATIONS
