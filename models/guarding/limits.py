"""The limits a call comes with, and the one it is sent with.

A limit may stand in a field of the model, in an argument of the call or in a set of options inside
either. All of them are taken out; the guard sets one, in the field, where the integration reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from shoestring.models.guarding.thinking import (
    ThinkingLimit,
    UnboundedOutput,
    find_thinking,
    set_thinking,
)
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


@dataclass(frozen=True, slots=True)
class Limits:
    """What a call asks for.

    Attributes:
        wanted: The most tokens of one answer, its thinking included.
        usual: The most it is given where `wanted` cannot be afforded.
        least: Tokens below which an answer is not worth the call.
        choices: Answers to the one prompt.
    """

    wanted: int
    usual: int
    least: int
    choices: int


def take_limits(
    provider: Provider,
    model: BaseChatModel,
    arguments: dict[str, Any],
    *,
    name: str,
    max_output: int | None,
    min_output: int,
) -> Limits:
    """Take every limit out of a call's arguments and the options of its model.

    Args:
        provider: The model's entry in the table.
        model: The model of this one call, free to change.
        arguments: The call's, free to change.
        name: The model's name at its provider.
        max_output: The guard's own limit.
        min_output: Tokens worth a call; a smaller limit of the caller's is worth one too.

    Raises:
        ThinkingLimit: If the limit leaves less to think than the provider accepts.
        UnboundedOutput: If the call hides a limit where it cannot be set, or admits none.
    """
    for key in provider.overriding:
        arguments.pop(key, None)
    if provider.transport in arguments:
        arguments[provider.transport] = _plain_transport(arguments[provider.transport])
    limits = [max_output, _own_limit(provider, model)]
    choices = [getattr(model, key, None) for key in provider.choices_keys]
    for options in option_sets(provider, model, arguments):
        limits += [options.pop(key, None) for key in provider.output_keys]
        choices += [options.get(key) for key in provider.choices_keys]
        if "stream_usage" in provider.fields:
            options.pop("stream_usage", None)
            if isinstance(streaming := options.get("stream_options"), dict):
                options["stream_options"] = {**streaming, "include_usage": True}
    thinking = find_thinking(provider, name, _holders(provider, model, arguments))
    usual = DEFAULT_MAX_OUTPUT + thinking.asked
    # Less than one is no limit: some providers read -1 as endless, others refuse it.
    given = [limit for limit in limits if is_count(limit) and limit]
    wanted = min([*given, _MOST_OUTPUT]) if given else usual
    least = max(min_output, thinking.least_output)
    if thinking.firm and wanted < least:
        raise ThinkingLimit(
            f"thinking takes at least {thinking.least:,} tokens and the answer needs some, but the "
            f"output limit is {wanted:,}: raise max_output to {least:,}, or switch thinking off"
        )
    return Limits(
        wanted=wanted,
        usual=usual,
        least=min(least, wanted),
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
    set_thinking(provider, _holders(provider, model, arguments), output)
    if provider.timeout and seconds is not None:
        key, own_field = provider.timeout
        given = arguments.get(key, getattr(model, own_field, None))
        own = given if isinstance(given, int | float) else seconds
        arguments[key] = min(own, seconds)


def option_sets(
    provider: Provider, model: BaseChatModel, arguments: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """The call's arguments, and a copy in its place of each set of options in them or the model."""
    yield arguments
    names = (*provider.replacing, *provider.merging)
    holders: list[dict[str, Any]] = [arguments, vars(model)]
    for holder in holders:
        for name in names:
            if (options := as_dict(holder.get(name))) is not None:
                holder[name] = options
                yield options
                # A set of options may hide in another, such as Bedrock's in its additional fields.
                holders.append(options)


def as_dict(value: object) -> dict[str, Any] | None:
    """A copy of a set of options, whether a mapping or a provider's own class; else None."""
    if isinstance(value, Mapping):
        return dict(value)
    dump: Any = None if isinstance(value, type) else getattr(value, "model_dump", None)
    return cast("dict[str, Any]", dump(exclude_none=True)) if dump else None


def _holders(
    provider: Provider, model: BaseChatModel, arguments: dict[str, Any]
) -> list[dict[str, Any]]:
    return [vars(model), *option_sets(provider, model, arguments)]


def _own_limit(provider: Provider, model: BaseChatModel) -> int | None:
    """The limit in the model's field, unless it is all the model can write.

    langchain-anthropic fills the field with that, where its user set nothing.
    """
    limit = getattr(model, provider.output_field, None)
    profile = getattr(model, "profile", None) or {}
    return None if limit == profile.get("max_output_tokens") else limit


def _plain_transport(options: object) -> dict[str, Any]:
    """The options of a request without its retries.

    Raises:
        UnboundedOutput: If they add to the body, past every limit.
    """
    plain = as_dict(options) or {}
    plain.pop("retry_options", None)
    if plain.pop("extra_body", None):
        raise UnboundedOutput(
            "'extra_body' of http_options is sent as it stands, limits and all: give its settings "
            "as arguments of the call"
        )
    return plain
