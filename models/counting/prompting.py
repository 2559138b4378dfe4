"""What a request's prompt comes to in tokens: messages, tools, schemas, images, sounds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from shoestring.models.counting.framing import UnboundedInput
from shoestring.models.counting.media import Media, seconds
from shoestring.models.counting.vocabularies import VocabularyUnavailable
from shoestring.models.guarding.limits import as_dict
from shoestring.models.providers import of_model
from shoestring.models.usage import is_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

    from shoestring.models.counting.counting import TokenCounter
    from shoestring.models.providers import Provider

# Arguments that steer a call and are no part of its prompt; every other one is counted into it.
_STEERING = frozenset(
    {
        "betas",
        "cache_control",
        "effort",
        "extra_headers",
        "extra_query",
        "frequency_penalty",
        "headers",
        "http_options",
        "include_thoughts",
        "inferenceConfig",
        "inference_config",
        "keep_alive",
        "labels",
        "logit_bias",
        "logprobs",
        "metadata",
        "model",
        "model_name",
        "options",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning",
        "reasoningConfig",
        "reasoning_config",
        "reasoning_effort",
        "request_timeout",
        "safety_settings",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "stream_usage",
        "strict",
        "temperature",
        "thinking",
        "thinking_budget",
        "thinking_config",
        "thinking_level",
        "timeout",
        "top_k",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
    }
)
# Fields of a model that reach the prompt like arguments of a call.
_PROMPT_FIELDS = (
    "additional_model_request_fields",
    "extra_body",
    "format",
    "model_kwargs",
    "output_config",
    "response_schema",
    "system",
)
# The longest token of the published vocabularies, in characters: a run of 128 blanks (o200k_base).
_LONGEST_TOKEN = 128


# Special tokens around a sound, and the part of a second that is rounded up.
_AROUND_SOUND = 16


class Prompt(NamedTuple):
    """Tokens of a prompt: all of them, and those of its sounds."""

    tokens: int
    sounds: int = 0


def count_prompt(
    messages: Sequence[BaseMessage],
    counter: TokenCounter,
    *,
    provider: Provider,
    name: str,
    model: BaseChatModel,
    arguments: Mapping[str, Any],
) -> Prompt:
    """Tokens of a whole prompt; an image counts as the most its provider takes for one.

    Args:
        messages: The prompt.
        counter: Counts it.
        provider: The model's entry in the table.
        name: The model's name at its provider.
        model: The model, whose fields may reach the prompt.
        arguments: The call's, which may too.

    Raises:
        UnboundedInput: If it holds what cannot be bounded, or the counter fails on it.
    """
    tools = arguments.get("tools") or ()
    extra = _extra(provider, model, arguments) or None
    beside = Prompt(0)
    try:
        try:
            tokens = counter.count_messages(messages, tools=tools, schema=extra)
        except UnboundedInput:
            # Asked first: a counter may know what an image takes.
            media = Media.of(messages)
            image, second = of_model(provider.images, name), of_model(provider.sounds, name)
            if (bounded := media_tokens(media, image, second)) is None:
                raise
            beside = bounded
            tokens = counter.count_messages(media.rest, tools=tools, schema=extra)
    except (UnboundedInput, VocabularyUnavailable):
        raise
    except Exception as error:
        raise UnboundedInput(
            f"the counter {counter.name!r} failed on the prompt ({type(error).__name__}): nothing "
            "was sent; pass counter=ByteBound(), which takes any text"
        ) from error
    if not is_count(tokens):
        raise UnboundedInput(f"the counter {counter.name!r} says the prompt has {tokens!r} tokens")
    return Prompt(tokens + beside.tokens, beside.sounds)


def media_tokens(media: Media, image: int | None, second: int | None) -> Prompt | None:
    """The most that images and sounds take; None where there are none, or no maximum is stated.

    Args:
        media: What a prompt holds beside its text.
        image: The most tokens of one image; None where its provider states no maximum.
        second: The same of a second of sound.

    Raises:
        UnboundedInput: If it cannot be told how long a sound lasts.
    """
    image = image if media.images else 0
    second = second if media.sounds else 0
    if image is None or second is None or not (media.images or media.sounds):
        return None
    lasting = (seconds(sound) for sound in media.sounds)
    sounds = sum(math.ceil(second * each) + _AROUND_SOUND for each in lasting)
    return Prompt(media.images * image + sounds, sounds)


def least_tokens(messages: Sequence[BaseMessage]) -> int:
    """Tokens a prompt has at least: found at once, however long it is."""
    characters = 0
    for message in messages:
        blocks = [message.content] if isinstance(message.content, str) else message.content
        texts = [block if isinstance(block, str) else block.get("text") for block in blocks]
        characters += sum(len(text) for text in texts if isinstance(text, str))
    return characters // _LONGEST_TOKEN


def _extra(
    provider: Provider, model: BaseChatModel, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """What reaches the prompt beside messages and tools."""
    given = {name: value for name, value in arguments.items() if name != "tools"}
    for name in _PROMPT_FIELDS:
        if value := getattr(model, name, None):
            given.setdefault(name, value)
    unsent = _STEERING | provider.choices_keys
    sets = {*provider.merging, *provider.replacing}
    extra: dict[str, Any] = {}
    for name, value in given.items():
        options = as_dict(value) if name in sets and name not in unsent else None
        extra |= {name: value} if options is None else options
    return {name: value for name, value in extra.items() if value and name not in unsent}
