"""What a guard must know of each provider's chat model: one table, one entry a provider.

How its answer is limited, how retries hidden in its client are stopped, how usage is made to come
with a stream, and which errors it does not bill. LangChain has no common name for any of these.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from langchain_core.language_models import BaseChatModel

# Requests that are refused before a model reads them: malformed, unauthorised, unknown, too large,
# too many.
_REFUSED = frozenset({400, 401, 403, 404, 413, 422, 429})


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
        clients: Attributes that hold a client which retries by itself, to be replaced by one that
            does not.
        lazy_clients: Attributes in which such a client is kept once it was built.
        timeout_key: The argument that limits the seconds of one request.
        server_state: Arguments and fields that add to the prompt what is kept at the provider.
        unbilled: HTTP statuses that are documented, or plainly, not billed.
        attempts: Requests one call may make where the client cannot be told not to retry.
    """

    name: str
    classes: tuple[str, ...]
    output_field: str
    output_keys: frozenset[str]
    choices_keys: frozenset[str] = frozenset()
    replacing: Mapping[str, str] = field(default_factory=dict)
    merging: frozenset[str] = frozenset()
    fields: Mapping[str, Any] = field(default_factory=dict)
    clients: tuple[str, ...] = ()
    lazy_clients: tuple[str, ...] = ()
    timeout_key: str | None = None
    server_state: frozenset[str] = frozenset()
    unbilled: frozenset[int] = _REFUSED
    attempts: int = 1


_OPENAI_LIMITS = frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens"})

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
        timeout_key="timeout",
        server_state=frozenset(
            {
                "conversation",
                "previous_response_id",
                "prompt",
                "use_previous_response_id",
                "web_search_options",
            }
        ),
    ),
    Provider(
        name="Anthropic",
        classes=("langchain_anthropic.",),
        output_field="max_tokens",
        output_keys=frozenset({"max_tokens", "max_tokens_to_sample"}),
        merging=frozenset({"model_kwargs", "extra_body"}),
        fields={"max_retries": 0, "stream_usage": True},
        lazy_clients=("_client", "_async_client"),
        timeout_key="timeout",
        server_state=frozenset({"mcp_servers", "container"}),
    ),
    Provider(
        name="Google GenAI",
        classes=("langchain_google_genai.",),
        output_field="max_output_tokens",
        output_keys=frozenset({"max_tokens", "max_output_tokens"}),
        choices_keys=frozenset({"n", "candidate_count"}),
        replacing={"generation_config": "max_output_tokens"},
        merging=frozenset({"model_kwargs"}),
        # It counts attempts, not retries.
        fields={"max_retries": 1},
        server_state=frozenset({"cached_content"}),
    ),
    Provider(
        name="Bedrock Converse",
        classes=("langchain_aws.chat_models.bedrock_converse.",),
        output_field="max_tokens",
        output_keys=frozenset({"max_tokens", "maxTokens"}),
        replacing={"inferenceConfig": "maxTokens"},
        merging=frozenset({"additional_model_request_fields"}),
        # botocore's default mode; its handlers are fixed once the client is built.
        attempts=5,
    ),
    Provider(
        name="Ollama",
        classes=("langchain_ollama.",),
        output_field="num_predict",
        output_keys=frozenset({"num_predict", "max_tokens"}),
        replacing={"options": "num_predict"},
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
        timeout_key="timeout",
    ),
    Provider(
        name="Mistral",
        classes=("langchain_mistralai.",),
        output_field="max_tokens",
        output_keys=frozenset({"max_tokens"}),
        merging=frozenset({"model_kwargs"}),
        fields={"max_retries": 0},
    ),
    Provider(
        name="local",
        classes=("shoestring.models.local.",),
        output_field="max_tokens",
        output_keys=frozenset({"max_tokens"}),
        timeout_key="timeout",
        # It runs in this process: an error is no bill, but what it computed was used.
        unbilled=frozenset(),
    ),
)


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
    names = [f"{base.__module__}.{base.__qualname__}" for base in type(model).__mro__]
    found = next(
        (
            entry
            for entry in PROVIDERS
            if any(n.startswith(c) for n in names for c in entry.classes)
        ),
        None,
    )
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
        )
    if limit == found.output_field:
        return found
    return replace(found, output_field=limit, output_keys=found.output_keys | {limit})


def quiet_clients(model: BaseChatModel, provider: Provider) -> dict[str, Any]:
    """Values for the model's attributes that keep its client from retrying by itself.

    A client that is already built took its number of retries with it: setting the model's field
    changes nothing, so the client is replaced by a copy of it without retries (same connections,
    same keys).
    """
    quiet: dict[str, Any] = {}
    for name in provider.clients:
        held: Any = getattr(model, name, None)
        owner: Any = getattr(held, "_client", None)
        if hasattr(held, "with_options"):
            quiet[name] = held.with_options(max_retries=0)
        elif hasattr(owner, "with_options"):
            # A resource, such as `client.chat.completions`, made anew from the quiet client.
            quiet[name] = type(held)(owner.with_options(max_retries=0))
    return quiet


def was_refused(
    error: BaseException, provider: Provider, handled: BaseException | None = None
) -> str:
    """Why an error surely cost no tokens, in a few words; empty where it may have.

    Args:
        error: What ended the call.
        provider: The model's entry in the table.
        handled: What the caller was handling when it made the call: another call's failure.
    """
    for one in _chain(error, handled):
        status = _status(one)
        if status in provider.unbilled and (provider.attempts == 1 or _was_first(one)):
            return f"HTTP {status}"
    return ""


def never_connected(
    error: BaseException, provider: Provider, handled: BaseException | None = None
) -> bool:
    """Whether the request was never sent, because no connection was made.

    Of several attempts the error says how the last one ended: an earlier one may have been sent.

    Args:
        error: What ended the call.
        provider: The model's entry in the table.
        handled: What the caller was handling when it made the call: another call's failure.
    """
    return provider.attempts == 1 and any(
        isinstance(one, ConnectionRefusedError | socket.gaierror)
        or type(one).__name__ in {"ConnectError", "ConnectTimeout", "PoolTimeout"}
        for one in _chain(error, handled)
    )


def _chain(error: BaseException, handled: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it, up to what was there before the call.

    Python hangs a new error on whatever is being handled, also far up the stack: a retry inside an
    `except` carries the failure of the first call.
    """
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and one is not handled and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _was_first(error: BaseException) -> bool:
    """Whether a client that may retry says that the error answers its first attempt."""
    response = getattr(error, "response", None)
    # botocore
    metadata = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    return metadata.get("RetryAttempts") == 0


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        # botocore
        response = response.get("ResponseMetadata", {})
        found = response.get("HTTPStatusCode")
    else:
        found = getattr(error, "status_code", None)
        if found is None:
            found = getattr(response, "status_code", None)
        if found is None:
            # google-genai
            found = getattr(error, "code", None)
    return found if isinstance(found, int) and not isinstance(found, bool) else None
