"""The limits a call comes with, and the one it is sent with.

A limit may stand in a field of the model, in an argument of the call or in a set of options inside
either. All of them are taken out; the guard sets one, in the field, where the integration reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shoestring.models.framing import UnboundedInput
from shoestring.models.usage import is_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.language_models import BaseChatModel

    from shoestring.models.providers import Provider

# Output tokens that are reserved for a call whose caller set no limit: a long page. Reserving all
# that is left would let one call at a time through, and let one that fails take everything with it.
DEFAULT_MAX_OUTPUT = 1_024
# No model writes more; a caller's larger limit is one he did not think about.
_MOST_OUTPUT = 2**31

# Tools that the caller runs; all others run at the provider and add to the prompt what they find.
_OWN_TOOLS = frozenset({None, "function", "custom"})
_OWN_TOOL_KEYS = frozenset(
    {"name", "function", "function_declarations", "toolSpec", "input_schema"}
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a call asks for.

    Attributes:
        wanted: The most tokens of one answer.
        least: Tokens below which an answer is not worth the call.
        choices: Answers to the one prompt.
    """

    wanted: int
    least: int
    choices: int


def take_limits(
    provider: Provider,
    model: BaseChatModel,
    arguments: dict[str, Any],
    *,
    max_output: int | None,
    min_output: int,
) -> Limits:
    """Take every limit out of a call's arguments and the options of its model.

    Args:
        provider: The model's entry in the table.
        model: The model of this one call, free to change.
        arguments: The call's, free to change.
        max_output: The guard's own limit.
        min_output: Tokens worth a call; a smaller limit of the caller's is worth one too.
    """
    limits = [max_output, getattr(model, provider.output_field, None)]
    choices = [getattr(model, key, None) for key in provider.choices_keys]
    for options in _options(provider, model, arguments):
        keys = provider.output_keys | set(provider.replacing.values())
        limits += [options.pop(key, None) for key in keys]
        choices += [options.get(key) for key in provider.choices_keys]
        if "stream_usage" in provider.fields:
            options.pop("stream_usage", None)
            if isinstance(streaming := options.get("stream_options"), dict):
                options["stream_options"] = {**streaming, "include_usage": True}
    # Less than one is no limit: some providers read -1 as endless, others refuse it.
    given = [limit for limit in limits if is_count(limit) and limit]
    wanted = min([*given, _MOST_OUTPUT]) if given else DEFAULT_MAX_OUTPUT
    return Limits(
        wanted=wanted,
        least=min(min_output, wanted),
        choices=max([1, *(number for number in choices if is_count(number))]),
    )


def set_limit(
    provider: Provider,
    model: BaseChatModel,
    arguments: dict[str, Any],
    *,
    output: int,
    seconds: float | None,
) -> None:
    """Set the one limit of a call in its model's field, and its arguments to match.

    Args:
        provider: The model's entry in the table.
        model: The model of this one call, changed in place.
        arguments: The call's, changed in place.
        output: Tokens of one answer.
        seconds: Time left for the call; None: as long as it takes.
    """
    vars(model).update({**provider.fields, provider.output_field: output})
    for name, key in provider.replacing.items():
        if isinstance(options := arguments.get(name), dict):
            options[key] = output
    if provider.timeout_key and seconds is not None:
        given = arguments.get(provider.timeout_key, getattr(model, "request_timeout", None))
        own = given if isinstance(given, int | float) else seconds
        arguments[provider.timeout_key] = min(own, seconds)


def refuse_unbounded(provider: Provider, model: BaseChatModel, arguments: dict[str, Any]) -> None:
    """Refuse a call to whose prompt the provider adds what cannot be counted here.

    Raises:
        UnboundedInput: For tools that run at the provider, and for conversations kept there.
    """
    for name in provider.server_state:
        every = _options(provider, model, arguments)
        if getattr(model, name, None) or any(options.get(name) for options in every):
            raise UnboundedInput(
                f"{name!r} adds to the prompt what the provider keeps or finds, whose tokens "
                "cannot be bounded before it is sent: send the text itself"
            )
    for tool in arguments.get("tools") or ():
        if not isinstance(tool, dict):
            continue
        if tool.get("type") not in _OWN_TOOLS or not _OWN_TOOL_KEYS & tool.keys():
            kind = str(tool.get("type") or next(iter(tool), ""))
            raise UnboundedInput(
                f"the tool {kind!r} runs at the provider and adds to the prompt what it finds: "
                "give the model a tool of your own"
            )


def _options(
    provider: Provider, model: BaseChatModel, arguments: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """The call's arguments, and a copy in its place of each set of options in them or the model."""
    yield arguments
    for name in (*provider.replacing, *provider.merging):
        for holder in (arguments, vars(model)):
            if isinstance(options := holder.get(name), dict):
                holder[name] = dict(options)
                yield holder[name]
