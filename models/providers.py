"""What a guard must know of each provider's chat model: one table, one entry a provider.

How its answer is limited, how its input is counted, how it thinks, how retries hidden in its client
are stopped, how usage is made to come with a stream, and which errors it does not bill. LangChain has
no common name for any of these; it has one for reported usage, which `usage` reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from shoestring.models.guarding.clients import is_botocore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.language_models import BaseChatModel

# Requests that are refused before a model reads them: malformed, unauthorised, unknown, too large,
# too many.
REFUSED = frozenset({400, 401, 403, 404, 413, 422, 429})


class UnknownProvider(ValueError):  # noqa: N818 - it says what is the matter
    """It is not known how this model's answer is limited, so it cannot be kept under a cap."""


@dataclass(frozen=True, slots=True)
class Provider:
    """How one provider's chat model is held to a limit.

    Attributes:
        name: The provider, for people.
        classes: `module.Class` prefixes, matched against the model's class and its bases.
        output_field: The model's field that limits the tokens of one answer.
        output_keys: Every name under which a call may set that limit.
        choices_keys: Names of the number of answers to one prompt.
        replacing: Arguments that replace a whole set of options, and the limit's name inside.
        merging: Arguments and fields that are merged into the request and may hide any of its keys.
        fields: Fields forced for each dispatch: no hidden retries, usage with a stream.
        overriding: Arguments of a call that would bring retries back.
        transport: The argument that holds options of the HTTP request.
        clients: Attributes that hold a client which retries by itself, to be replaced by one that
            does not.
        lazy_clients: Attributes in which such a client, or what it is built of, is kept once it was used.
        timeout: The argument that limits the seconds of one request, and the model's field for it.
        server_state: Arguments and fields that add to the prompt what is kept at the provider.
        searchers: Parts of names of models that add to the prompt what they find.
        unbilled: HTTP statuses that are documented, or plainly, not billed.
        attempts: Requests one call may make where the client cannot be told not to retry.
        says_end: Whether every stream that came whole says why it ended.
        thinking: Arguments and fields that make a model think.
        thinkers: Beginnings of names of models that think unless told not to.
        thinking_least: The fewest tokens to think that may be stated.
        thinking_soft: Whether fewer may be stated after all, by some models.
        vocabularies: Whether tiktoken knows the vocabulary by the model's name; where not, a text is
            bounded by its bytes.
        images: The most tokens one image takes, by the beginning of the model's name.
        sounds: The most tokens a second of sound takes, by the same.
    """

    name: str
    classes: tuple[str, ...]
    output_field: str
    output_keys: frozenset[str]
    choices_keys: frozenset[str] = frozenset()
    replacing: Mapping[str, str] = field(default_factory=dict)
    merging: frozenset[str] = frozenset()
    fields: Mapping[str, Any] = field(default_factory=dict)
    overriding: frozenset[str] = frozenset()
    transport: str = ""
    clients: tuple[str, ...] = ()
    lazy_clients: tuple[str, ...] = ()
    timeout: tuple[str, str] | None = None
    server_state: frozenset[str] = frozenset()
    searchers: tuple[str, ...] = ()
    unbilled: frozenset[int] = REFUSED
    attempts: int = 1
    says_end: bool = True
    thinking: frozenset[str] = frozenset()
    thinkers: tuple[str, ...] = ()
    thinking_least: int = 0
    thinking_soft: bool = True
    vocabularies: bool = False
    images: Mapping[str, int] = field(default_factory=dict)
    sounds: Mapping[str, int] = field(default_factory=dict)


def of_model(figures: Mapping[str, int], model: str) -> int | None:
    """The figure for a model, by the longest beginning of its name; None where there is none."""
    fitting = [start for start in figures if model.startswith(start)]
    return figures[max(fitting, key=len)] if fitting else None


_OPENAI_LIMITS = frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens"})

_EFFORT = frozenset({"reasoning", "reasoning_effort"})
# "Extended thinking", Anthropic's documentation: at least 1,024, and below `max_tokens`.
_ANTHROPIC_LEAST = 1_024
# "Images and vision", platform.claude.com (read in 2026): larger images are scaled down first, to at
# most 4,784 visual tokens on the models that see most (since Claude Opus 4.7), 1,568 on the others.
_CLAUDE_IMAGE = 4_784
_CLAUDE_THINKERS = ("claude-opus-5", "claude-sonnet-5", "claude-fable-5")

PROVIDERS: tuple[Provider, ...] = (
    Provider(
        name="OpenAI",
        # AzureChatOpenAI and the classes of compatible servers derive from it.
        classes=("langchain_openai.",),
        output_field="max_tokens",
        output_keys=_OPENAI_LIMITS,
        choices_keys=frozenset({"n"}),
        merging=frozenset({"model_kwargs", "extra_body"}),
        fields={"max_retries": 0, "stream_usage": True},
        clients=("root_client", "root_async_client", "client", "async_client"),
        timeout=("timeout", "request_timeout"),
        server_state=frozenset(
            {
                # Compaction is a model call of its own.
                "context_management",
                "conversation",
                "previous_response_id",
                "prompt",
                "use_previous_response_id",
                "web_search_options",
            }
        ),
        searchers=("deep-research", "search-api", "search-preview"),
        thinking=_EFFORT,
        thinkers=("o1", "o3", "o4", "gpt-5"),
        vocabularies=True,
        # "Images and vision", developers.openai.com (read in 2026): at most eight tiles of 512 pixels
        # after scaling to 2,048 by 768, at 85 + 170 a tile (gpt-4o) or 2,833 + 5,667 (gpt-4o-mini,
        # the dearest of its table); or patches, 1,536 of them at up to 2.46 tokens (gpt-4.1-nano), and
        # 10,000 where a newer model is asked for the "original" detail: 24,600 tokens.
        images={"": 48_169, "gpt-4o": 1_445, "gpt-4o-mini": 48_169, "gpt-4.1": 3_779},
        # "Managing costs" of the Realtime API, developers.openai.com: a token for 100 ms of what a user
        # says, for 50 ms of what an assistant says; the dearer of them for both.
        sounds={"gpt-audio": 20, "gpt-4o-audio": 20, "gpt-4o-mini-audio": 20},
    ),
    Provider(
        name="Anthropic",
        classes=("langchain_anthropic.",),
        output_field="max_tokens",
        output_keys=frozenset({"max_tokens", "max_tokens_to_sample"}),
        merging=frozenset({"model_kwargs", "extra_body"}),
        fields={"max_retries": 0, "stream_usage": True},
        lazy_clients=("_client", "_async_client", "_client_params"),
        timeout=("timeout", "default_request_timeout"),
        server_state=frozenset({"mcp_servers", "container", "reuse_last_container"}),
        thinking=_EFFORT | {"thinking", "effort"},
        thinkers=_CLAUDE_THINKERS,
        thinking_least=_ANTHROPIC_LEAST,
        thinking_soft=False,
        images={"": _CLAUDE_IMAGE},
    ),
    Provider(
        name="Google GenAI",
        classes=("langchain_google_genai.",),
        output_field="max_output_tokens",
        output_keys=frozenset({"max_tokens", "max_output_tokens", "maxOutputTokens"}),
        choices_keys=frozenset({"n", "candidate_count", "candidateCount"}),
        replacing={"generation_config": "max_output_tokens"},
        merging=frozenset({"model_kwargs"}),
        # It counts attempts, not retries.
        fields={"max_retries": 1},
        overriding=frozenset({"max_retries"}),
        transport="http_options",
        timeout=("timeout", "timeout"),
        server_state=frozenset({"cached_content"}),
        # "Am I charged for failed requests?", billing FAQ of the Gemini API: not for 400 and 500.
        unbilled=REFUSED | {500},
        thinking=frozenset(
            {
                "include_thoughts",
                "reasoning_effort",
                "thinking_budget",
                "thinking_config",
                "thinking_level",
            }
        ),
        thinkers=("gemini-2.5-flash", "gemini-2.5-pro", "gemini-3"),
        # "Thinking", documentation of the Gemini API: the largest of its models' minima.
        thinking_least=512,
        # "Media resolution", documentation of the Gemini API: ultra high. Older models tile images
        # without a stated maximum.
        images={"gemini-3": 2_240},
        # "Audio understanding", documentation of the Gemini API: 32 tokens a second.
        sounds={"gemini-": 32},
    ),
    Provider(
        name="Bedrock Converse",
        classes=("langchain_aws.chat_models.bedrock_converse.",),
        output_field="max_tokens",
        output_keys=frozenset(
            {"max_tokens", "maxTokens", "max_tokens_to_sample", "max_gen_len", "max_new_tokens"}
        ),
        replacing={"inferenceConfig": "maxTokens", "inference_config": "max_tokens"},
        merging=frozenset({"additional_model_request_fields"}),
        clients=("client",),
        # What is given in place of the messages is not seen.
        server_state=frozenset({"raw_blocks"}),
        # botocore's default mode, for a client that is not its own.
        attempts=5,
        thinking=_EFFORT | {"thinking", "reasoning_config", "reasoningConfig"},
        thinkers=_CLAUDE_THINKERS,
        thinking_least=_ANTHROPIC_LEAST,
        thinking_soft=False,
        images={
            f"{region}anthropic.": _CLAUDE_IMAGE
            for region in ("", "us.", "eu.", "apac.", "global.")
        },
    ),
    Provider(
        name="Ollama",
        classes=("langchain_ollama.",),
        output_field="num_predict",
        output_keys=frozenset({"num_predict", "max_tokens"}),
        replacing={"options": "num_predict"},
        thinking=frozenset({"reasoning"}),
    ),
    Provider(
        name="Groq",
        classes=("langchain_groq.",),
        output_field="max_tokens",
        output_keys=_OPENAI_LIMITS,
        choices_keys=frozenset({"n"}),
        merging=frozenset({"model_kwargs", "extra_body"}),
        fields={"max_retries": 0},
        clients=("client", "async_client"),
        timeout=("timeout", "request_timeout"),
        server_state=frozenset({"compound_custom", "search_settings"}),
        # Systems of models and tools that run at the provider.
        searchers=("compound",),
        thinking=_EFFORT,
        thinkers=("openai/gpt-oss",),
    ),
    Provider(
        name="Mistral",
        classes=("langchain_mistralai.",),
        output_field="max_tokens",
        output_keys=frozenset({"max_tokens"}),
        choices_keys=frozenset({"n"}),
        merging=frozenset({"model_kwargs"}),
        fields={"max_retries": 0},
        thinking=_EFFORT,
        thinkers=("magistral",),
    ),
    Provider(
        name="recorded",
        classes=("shoestring.models.recorded.",),
        output_field="max_tokens",
        output_keys=frozenset({"max_tokens"}),
        choices_keys=frozenset({"n"}),
        # What it reports is what the provider reported; an error of its own costs nothing.
        says_end=False,
    ),
    Provider(
        name="local",
        classes=("shoestring.models.local.chat.",),
        output_field="max_tokens",
        output_keys=frozenset({"max_tokens"}),
        timeout=("timeout", "timeout"),
        # It runs in this process: an error is no bill, but what it computed was used.
        unbilled=frozenset(),
    ),
)


# Classes that cannot be held to a limit soundly, and what does the same and can.
_INSTEAD = {
    # Each maker's model has a body of its own behind InvokeModel, some with no limit that
    # langchain-aws could set, and prompts are built from templates that are not seen here.
    "langchain_aws.chat_models.bedrock.ChatBedrock": (
        "use ChatBedrockConverse, which takes the same model ids and keys"
    ),
    "langchain_aws.chat_models.bedrock_nova_sonic.ChatBedrockNovaSonic": (
        "use ChatBedrockConverse with a model that is spoken to in text"
    ),
}


def entry_of(model: BaseChatModel) -> Provider | None:
    """The entry of the table for a chat model's class; None where there is none."""
    names = _classes(model)
    return next(
        (
            entry
            for entry in PROVIDERS
            if any(name.startswith(begin) for name in names for begin in entry.classes)
        ),
        None,
    )


def _classes(model: BaseChatModel) -> list[str]:
    return [f"{base.__module__}.{base.__qualname__}" for base in type(model).__mro__]


def provider_of(model: BaseChatModel, output_field: str | None = None) -> Provider:
    """The entry for a chat model.

    Args:
        model: The model.
        output_field: The field of the model that limits its answer, for a class the table does not
            know; it is believed to do so. It overrides the table's.

    Raises:
        UnknownProvider: If the class is not in the table and no field is named, or the model lacks
            it.
    """
    found = entry_of(model)
    if found is None and output_field is None:
        for name, cure in _INSTEAD.items():
            if name in _classes(model):
                raise UnknownProvider(f"cannot limit the answers of {type(model).__name__}: {cure}")
    fields = type(model).model_fields
    limit = output_field or (found.output_field if found else None)
    if limit is None or limit not in fields:
        lacks = (
            f"it has no field {limit!r}" if limit else "its class is not in the table of providers"
        )
        raise UnknownProvider(
            f"cannot limit the answers of {type(model).__name__}: {lacks}. "
            "Name the field that does: guard(model, ledger, output_field='max_tokens')"
        )
    if found is None:
        return Provider(
            name=type(model).__name__,
            classes=(),
            output_field=limit,
            output_keys=_OPENAI_LIMITS | {limit},
            choices_keys=frozenset({"n"}),
            merging=frozenset({"model_kwargs", "extra_body"}),
            fields={"max_retries": 0} if "max_retries" in fields else {},
            clients=("client", "async_client"),
            unbilled=frozenset(),
            says_end=False,
        )
    if found.attempts > 1 and is_botocore(getattr(model, found.clients[0], None)):
        found = replace(found, attempts=1)
    if limit == found.output_field:
        return found
    return replace(found, output_field=limit, output_keys=found.output_keys | {limit})
