"""The table of providers: an entry for each, an error for the rest."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from pydantic import Field, SecretStr

from shoestring.budget import Budget, Ledger
from shoestring.models import UnknownProvider, guard
from shoestring.models.guarding.refusals import never_connected, was_refused
from shoestring.models.providers import PROVIDERS, provider_of

KEY = SecretStr("none")


class Limited(FakeListChatModel):
    """Stands for an integration of somebody's own."""

    responses: list[str] = Field(default=["x"])
    limit: int | None = None
    num_predict: int | None = None
    max_output_tokens: int | None = None
    max_tokens: int | None = None


@pytest.mark.parametrize(
    ("module", "name", "field"),
    [
        ("langchain_anthropic.chat_models", "Anthropic", "max_tokens"),
        ("langchain_google_genai.chat_models", "Google GenAI", "max_output_tokens"),
        ("langchain_aws.chat_models.bedrock_converse", "Bedrock Converse", "max_tokens"),
        ("langchain_ollama.chat_models", "Ollama", "num_predict"),
        ("langchain_groq.chat_models", "Groq", "max_tokens"),
        ("langchain_mistralai.chat_models", "Mistral", "max_tokens"),
        ("shoestring.models.local.chat", "local", "max_tokens"),
    ],
)
def test_each_integration_is_found_by_its_module(module: str, name: str, field: str) -> None:
    """A class of an integration, and one derived from it, get its entry."""
    theirs = type("Theirs", (Limited,), {"__module__": module})
    derived = type("Derived", (theirs,), {})
    for one in (theirs, derived):
        entry = provider_of(one())
        assert (entry.name, entry.output_field) == (name, field)


def test_openai_and_what_derives_from_it() -> None:
    """Azure's class is OpenAI's."""
    azure = AzureChatOpenAI(
        azure_deployment="d",
        api_version="2024-10-21",
        azure_endpoint="https://x.test",
        api_key=KEY,
    )
    assert provider_of(azure).name == provider_of(ChatOpenAI(api_key=KEY)).name == "OpenAI"


def test_clients_that_retry_are_replaced_on_azure_too() -> None:
    """Every client of the guarded model tries once; the model that was given keeps its own."""
    azure = AzureChatOpenAI(
        azure_deployment="d",
        api_version="2024-10-21",
        azure_endpoint="https://x.test",
        api_key=KEY,
        max_retries=4,
    )
    guarded = guard(azure, Ledger(Budget(tokens=1)))
    for name in ("root_client", "root_async_client"):
        assert getattr(guarded, name).max_retries == 0
        assert getattr(azure, name).max_retries == 4
    for name in ("client", "async_client"):
        assert getattr(guarded, name)._client.max_retries == 0
        assert type(getattr(guarded, name)) is type(getattr(azure, name))


class Recording(Limited):
    """Keeps what reaches the integration: its limits, and the arguments of the call."""

    got: list[Any] = Field(default=[])
    max_retries: int = 6

    def _call(self, *args: Any, **kwargs: Any) -> str:
        limits = (self.max_tokens, self.max_output_tokens, self.num_predict)
        options = {key: kwargs[key] for key in kwargs.keys() - {"stop", "run_manager"}}
        self.got.append((limits, self.max_retries, options))
        return "x"


def call(module: str, **arguments: Any) -> tuple[Any, Ledger]:
    """What an integration of that module is given, for one call."""
    theirs = type("Theirs", (Recording,), {"__module__": module})()
    ledger = Ledger(Budget(tokens=20_000))
    guard(theirs, ledger, max_output=50).invoke("hello", **arguments)
    return theirs.got[0], ledger


@pytest.mark.parametrize(
    ("module", "arguments", "limits", "options"),
    [
        ("langchain_anthropic", {"max_tokens": 10**9}, (50, None, None), {}),
        ("langchain_google_genai", {"max_output_tokens": 10**9}, (None, 50, None), {}),
        ("langchain_google_genai", {"max_tokens": 9}, (None, 9, None), {}),
        (
            "langchain_google_genai",
            {"generation_config": {"max_output_tokens": 10**9, "top_k": 2}},
            (None, 50, None),
            {"generation_config": {"max_output_tokens": 50, "top_k": 2}},
        ),
        (
            "langchain_ollama",
            {"options": {"num_predict": -1, "num_ctx": 512}},
            (None, None, 50),
            {"options": {"num_predict": 50, "num_ctx": 512}},
        ),
        ("langchain_ollama", {"options": {}}, (None, None, 50), {"options": {"num_predict": 50}}),
        ("langchain_groq", {"max_completion_tokens": 7}, (7, None, None), {}),
        ("langchain_mistralai", {"max_tokens": None}, (50, None, None), {}),
    ],
)
def test_the_limit_stands_where_the_integration_reads_it(
    module: str, arguments: dict[str, Any], limits: tuple[Any, ...], options: dict[str, Any]
) -> None:
    """In the model's field, and in a set of options that would replace it; nowhere else."""
    (got_limits, _, got_arguments), _ = call(module + ".chat_models", **arguments)
    assert (got_limits, got_arguments) == (limits, options)


def test_hidden_retries_are_off() -> None:
    """The field says none, or one attempt where it counts attempts."""
    assert call("langchain_anthropic.chat_models")[0][1] == 0
    assert call("langchain_mistralai.chat_models")[0][1] == 0
    assert call("langchain_google_genai.chat_models")[0][1] == 1


def test_retries_that_cannot_be_turned_off_are_reserved_for() -> None:
    """Bedrock's client may send a request five times: the hold covers all of them."""
    _, ledger = call("langchain_aws.chat_models.bedrock_converse")
    assert ledger.receipt.lines[0].reserved.calls == 5
    assert ledger.receipt.lines[0].reserved.output_tokens == 250


def test_a_client_that_was_built_with_retries_is_built_anew() -> None:
    """A client cached on an Anthropic model is dropped, so that the next has no retries."""
    theirs = type("Theirs", (Limited,), {"__module__": "langchain_anthropic.chat_models"})()
    vars(theirs)["_client"] = "built with retries"
    guarded = guard(theirs, Ledger(Budget(tokens=1)))
    assert "_client" not in vars(guarded)
    assert vars(theirs)["_client"] == "built with retries"


def test_an_unknown_class_needs_the_name_of_its_limit() -> None:
    """The error says how to name it; a field the model does not have is no answer."""
    with pytest.raises(UnknownProvider, match="output_field='max_tokens'"):
        provider_of(Limited())
    with pytest.raises(UnknownProvider, match="no field 'max_words'"):
        provider_of(Limited(), "max_words")
    assert provider_of(Limited(), "limit").output_field == "limit"


def test_a_named_field_replaces_the_tables() -> None:
    """A compatible server that reads another field is held by that one."""

    class Other(ChatOpenAI):
        budget_tokens: int | None = None

    entry = provider_of(Other(api_key=KEY), "budget_tokens")
    assert (entry.name, entry.output_field) == ("OpenAI", "budget_tokens")
    assert {"budget_tokens", "max_tokens"} <= entry.output_keys


class StatusError(Exception):
    """An HTTP error as one of the clients raises it."""

    def __init__(self, **fields: object) -> None:
        self.__dict__.update(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"status_code": 429},
        {"code": 429},
        {"response": {"ResponseMetadata": {"HTTPStatusCode": 429}}},
        {"response": type("Response", (), {"status_code": 429})()},
    ],
)
def test_a_status_is_read_wherever_a_client_keeps_it(fields: dict[str, Any]) -> None:
    """Also where the integration wrapped the client's error in its own."""
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = StatusError(**fields)
    assert was_refused(wrapped, PROVIDERS[0]) == "HTTP 429"
    assert was_refused(RuntimeError("other"), PROVIDERS[0]) == ""


def test_server_errors_are_not_taken_for_free() -> None:
    """Google alone documents that a 500 is not billed; nobody does of the others."""
    assert [entry.name for entry in PROVIDERS if 500 in entry.unbilled] == ["Google GenAI"]
    assert not any({502, 503, 504, 529} & entry.unbilled for entry in PROVIDERS)


def test_only_a_connection_that_was_never_made_is_recognised() -> None:
    """A reset connection may have carried the request."""
    wrapped = RuntimeError("wrapped")
    wrapped.__context__ = socket.gaierror()
    openai = PROVIDERS[0]
    assert never_connected(wrapped, openai)
    assert never_connected(ConnectionRefusedError(), openai)
    assert not never_connected(ConnectionResetError(), openai)
    assert not never_connected(TimeoutError(), openai)


def test_of_several_attempts_the_last_ones_end_says_nothing_of_the_first() -> None:
    """Where a client retries by itself, only its own word that it did not makes a refusal free."""
    bedrock = next(entry for entry in PROVIDERS if entry.attempts > 1)
    refused: dict[str, Any] = {"HTTPStatusCode": 429, "RetryAttempts": 4}
    assert not never_connected(ConnectionRefusedError(), bedrock)
    assert was_refused(StatusError(response={"ResponseMetadata": refused}), bedrock) == ""
    refused["RetryAttempts"] = 0
    assert was_refused(StatusError(response={"ResponseMetadata": refused}), bedrock) == "HTTP 429"
