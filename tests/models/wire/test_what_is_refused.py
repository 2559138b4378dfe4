"""What cannot be bounded is refused before anything is sent; images are bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from shoestring.budget import Amount, Budget, BudgetBusy, BudgetExceeded, Ledger
from shoestring.models import ByteBound, Price, UnboundedInput, UnboundedOutput, guard
from shoestring.models.counting.prompting import least_tokens
from shoestring.models.providers import UnknownProvider

if TYPE_CHECKING:
    from tests.models.wire.conftest import Integration, Wire

pytestmark = [
    # google-genai's session derives from aiohttp's, which says so.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
    # LangChain gives no way to close an integration's clients.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}


def refused(integration: Integration, wire: Wire, error: type[Exception], **call: Any) -> str:
    """What a refusal says; nothing was sent, held or spent."""
    ledger = Ledger(Budget(tokens=100_000))
    options = call.pop("options", {})
    with pytest.raises(error) as said:
        guard(integration.make(wire, **options), ledger).invoke(call.pop("prompt", "hi"), **call)
    assert wire.bodies == []
    assert ledger.spent == ledger.held == Amount()
    return str(said.value)


def google_search(*, beside_functions: bool) -> Any:
    from google.genai.types import FunctionDeclaration, GoogleSearch, Tool

    functions = [FunctionDeclaration(name="f")] if beside_functions else None
    return Tool(google_search=GoogleSearch(), function_declarations=functions)


SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 1}
COMPACT = {"edits": [{"type": "compact_20260112"}]}


@pytest.mark.parametrize(
    ("integration", "call", "names"),
    [
        ("openai", {"tools": [{"type": "web_search_preview"}]}, "web_search_preview"),
        ("openai", {"extra_body": {"tools": [{"type": "code_interpreter"}]}}, "code_interpreter"),
        ("openai", {"options": {"model": "gpt-4o-search-preview"}}, "gpt-4o-search-preview"),
        ("responses", {"previous_response_id": "resp_1"}, "previous_response_id"),
        ("responses", {"context_management": [{"type": "compaction"}]}, "context_management"),
        ("anthropic", {"tools": [SEARCH]}, "web_search_20250305"),
        ("anthropic", {"extra_body": {"tools": [SEARCH]}}, "web_search_20250305"),
        ("anthropic", {"mcp_servers": [{"type": "url"}]}, "mcp_servers"),
        ("anthropic", {"options": {"context_management": COMPACT}}, "context_management"),
        ("google", {"tools": [{"google_search": {}}]}, "google_search"),
        ("google", {"cached_content": "cachedContents/1"}, "cached_content"),
        ("bedrock", {"tools": [{"systemTool": {"name": "nova_grounding"}}]}, "systemTool"),
        ("bedrock", {"tool_config": {"tools": [{"systemTool": {"name": "g"}}]}}, "systemTool"),
        ("bedrock", {"options": {"raw_blocks": [{"role": "user"}]}}, "raw_blocks"),
        ("groq", {"tools": [{"type": "browser_search"}]}, "browser_search"),
        ("groq", {"options": {"model": "groq/compound"}}, "groq/compound"),
    ],
    indirect=["integration"],
)
def test_what_the_provider_adds_to_a_prompt_is_refused(
    integration: Integration, wire: Wire, call: dict[str, Any], names: str
) -> None:
    """Tools, searches and memories at the provider, wherever they are asked for."""
    assert names in refused(integration, wire, UnboundedInput, **call)


@pytest.mark.parametrize("beside_functions", [True, False])
@pytest.mark.parametrize("integration", ["google"], indirect=True)
def test_a_search_is_found_in_googles_own_class(
    integration: Integration, wire: Wire, *, beside_functions: bool
) -> None:
    """Also where the same object declares functions."""
    tools = [google_search(beside_functions=beside_functions)]
    assert "provider" in refused(integration, wire, UnboundedInput, tools=tools)


@pytest.mark.parametrize("integration", ["google"], indirect=True)
def test_options_of_a_request_bring_nothing_back(integration: Integration, wire: Wire) -> None:
    """Neither retries nor a limit in the body get past through `http_options`."""
    body = {"generationConfig": {"maxOutputTokens": 10**6}}
    assert "extra_body" in refused(
        integration, wire, UnboundedOutput, http_options={"extra_body": body}
    )
    wire.status = 500
    retries = {"retry_options": {"attempts": 4, "initial_delay": 0.01}}
    model = guard(integration.make(wire), Ledger(Budget(tokens=100_000)))
    again: dict[str, Any]
    for again in ({"http_options": retries}, {"max_retries": 4}):
        wire.bodies.clear()
        with pytest.raises(Exception, match="no"):
            model.invoke("hi", **again)
        assert len(wire.bodies) == 1


def test_the_legacy_class_of_bedrock_is_refused_with_the_cure(bedrock_client: Any) -> None:
    """Behind InvokeModel each maker has a body of its own: the error names the class that can be held."""
    from langchain_aws import ChatBedrock

    name: dict[str, Any] = {"model": "anthropic.claude-sonnet-4-5-20250929-v1:0"}
    plain = ChatBedrock(client=bedrock_client, bedrock_client=bedrock_client, **name)
    with pytest.raises(UnknownProvider, match="use ChatBedrockConverse"):
        guard(plain, Ledger(Budget(tokens=100_000)))


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize("integration", ["bedrock"], indirect=True)
def test_botocore_tries_once_in_every_mode(integration: Integration, wire: Wire, mode: str) -> None:
    """Its retries are left out of a copy: the client that was given keeps its own."""
    plain: Any = integration.make(wire, mode=mode)
    wire.status = 503
    with pytest.raises(Exception, match="no"):
        guard(plain, Ledger(Budget(tokens=100_000))).invoke("hi")
    assert len(wire.bodies) == 1
    service = "bedrock-runtime"
    registered = plain.client.meta.events._emitter._unique_id_handlers
    assert f"retry-config-{service}" in registered


@pytest.mark.parametrize(
    ("integration", "tool"),
    [
        ("anthropic", SEARCH),
        ("responses", {"type": "web_search", "search_context_size": "low"}),
        ("google", {"google_search": {}}),
    ],
    indirect=["integration"],
)
def test_a_tool_at_the_provider_is_let_in_with_a_bound(
    integration: Integration, wire: Wire, tool: dict[str, Any]
) -> None:
    """What its user says it may add is reserved; its tokens are settled as reported, its fee whole."""
    plain = integration.make(wire)
    bounds = {
        name: Amount(input_tokens=20_000, nanodollars=10_000_000)
        for name in ("web_search", "google_search")
    }
    wire.reports = integration.dialect.usage(15_000, 5)
    ledger = Ledger(Budget(tokens=100_000, usd=1))
    price = Price(input=1, output=2)
    guard(plain, ledger, price=price, server_tools=bounds).invoke("hello", tools=[tool])
    (line,) = ledger.receipt.lines
    assert "search" in str(wire.body["tools"][0]).lower()
    assert line.reserved.input_tokens > 20_000
    assert line.reserved.nanodollars > 30_000_000
    assert (line.spent.input_tokens, line.spent.nanodollars) == (15_000, 25_010_000)
    short = Ledger(Budget(tokens=20_000))
    with pytest.raises(BudgetExceeded):
        guard(plain, short, server_tools=bounds).invoke("hello", tools=[tool])


# Messages.


@pytest.mark.parametrize(
    ("integration", "tokens"),
    [("openai", 48_169), ("responses", 48_169), ("anthropic", 4_784), ("bedrock", 4_784)],
    indirect=["integration"],
)
def test_an_image_reserves_the_most_its_provider_takes(
    integration: Integration, wire: Wire, tokens: int
) -> None:
    """Whatever its size; the provider's own count is charged."""
    ledger = Ledger(Budget(tokens=200_000))
    model = guard(integration.make(wire), ledger)
    text = {"type": "text", "text": "What is this?"}
    model.invoke([HumanMessage([text])])
    model.invoke([HumanMessage([text, IMAGE])])
    without, with_image = ledger.receipt.lines
    assert with_image.reserved.input_tokens - without.reserved.input_tokens == tokens
    assert with_image.spent == without.spent


@pytest.mark.parametrize("integration", ["google", "groq", "mistral", "ollama"], indirect=True)
def test_an_image_without_a_stated_maximum_is_refused(integration: Integration, wire: Wire) -> None:
    """The error names the cure."""
    assert "counter=" in refused(integration, wire, UnboundedInput, prompt=[HumanMessage([IMAGE])])


@pytest.mark.parametrize(
    "block",
    [
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
        {"type": "audio", "base64": "UklG", "mime_type": "audio/wav"},
        {"type": "file", "file": {"file_id": "f1"}},
        {"type": "document", "source": {"type": "url", "url": "http://x/y.pdf"}},
        {"type": "video", "url": "http://x/y.mp4"},
        {"type": "image_url", "image_url": {"url": "data:application/pdf;base64,JVBERg=="}},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "non_standard", "value": {"anything": 1}},
        {"guardContent": {"text": {"text": "x"}}},
        {},
    ],
)
@pytest.mark.parametrize("integration", ["openai"], indirect=True)
def test_a_block_of_unknown_size_is_refused(
    integration: Integration, wire: Wire, block: dict[str, Any]
) -> None:
    """Sounds, files, videos and what only one provider knows: a named error, nothing sent."""
    said = refused(integration, wire, UnboundedInput, prompt=[HumanMessage([block])])
    assert "counter=" in said


@pytest.mark.parametrize("integration", ["openai"], indirect=True)
def test_messages_of_every_role_are_counted(integration: Integration, wire: Wire) -> None:
    """System, developer, tool and custom roles; calls without results; thoughts and citations."""
    call = {"name": "look_up", "args": {"city": "Ulm"}, "id": "c1"}
    citing = {"type": "text", "text": "In Ulm.", "annotations": [{"type": "url_citation"}]}
    thought = {"type": "thinking", "thinking": "Where?", "signature": "s" * 40}
    conversation: list[Any] = [
        SystemMessage("Be brief."),
        SystemMessage("Be kind.", additional_kwargs={"__openai_role__": "developer"}),
        ChatMessage(content="Guests only.", role="doorman"),
        HumanMessage("Where?", name="ada"),
        AIMessage([thought, citing], tool_calls=[call]),
        ToolMessage("Ulm.", tool_call_id="c1"),
        AIMessage("", tool_calls=[{**call, "id": "c2"}]),
    ]
    ledger = Ledger(Budget(tokens=100_000))
    model = guard(integration.make(wire), ledger)
    for length in range(1, len(conversation) + 1):
        with_error = conversation[:length]
        model.invoke(with_error)
    counts = [line.reserved.input_tokens for line in ledger.receipt.lines]
    assert counts == sorted(set(counts)), "each message adds tokens"


# Counting.


class Broken(ByteBound):
    """A tokenizer that fails, or answers nonsense."""

    name = "broken"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def count_messages(self, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", [RuntimeError("boom"), KeyError("x"), -1, 2.5, None, "many"])
@pytest.mark.parametrize("integration", ["openai"], indirect=True)
def test_a_counter_that_fails_is_named(integration: Integration, wire: Wire, answer: Any) -> None:
    """Before anything is sent or held."""
    ledger = Ledger(Budget(tokens=1_000))
    with pytest.raises(UnboundedInput, match="'broken'"):
        guard(integration.make(wire), ledger, counter=Broken(answer)).invoke("hi")
    assert wire.bodies == []
    assert ledger.held == ledger.spent == Amount()


class Untouched(ByteBound):
    """Fails the test if it is asked."""

    def count_messages(self, *args: Any, **kwargs: Any) -> int:
        raise AssertionError("counted")


@pytest.mark.parametrize("integration", ["openai"], indirect=True)
def test_ten_megabytes_are_refused_uncounted(integration: Integration, wire: Wire) -> None:
    """Their length alone says that they do not fit: the error has the numbers."""
    ledger = Ledger(Budget(tokens=50_000))
    model = guard(integration.make(wire), ledger, counter=Untouched())
    with pytest.raises(BudgetExceeded, match="50,000 remain"):
        model.invoke("word " * 2_000_000)
    assert wire.bodies == []
    assert ledger.held == Amount()


@pytest.mark.parametrize("integration", ["openai"], indirect=True)
def test_a_long_prompt_may_wait_for_what_others_hold(integration: Integration, wire: Wire) -> None:
    """What would fit without them is counted and waits; without `wait` it is busy."""
    ledger = Ledger(Budget(tokens=3_000))
    with ledger.reserve(Amount(input_tokens=2_995)):
        with pytest.raises(BudgetBusy):
            guard(integration.make(wire), ledger, counter=Untouched()).invoke("word " * 1_000)
        with pytest.raises(BudgetBusy):
            guard(integration.make(wire), ledger, wait=0.01).invoke("word " * 1_000)
    guard(integration.make(wire), ledger).invoke("word " * 1_000)
    assert len(wire.bodies) == 1


def test_the_least_a_prompt_can_be_is_below_any_count() -> None:
    """Even for the longest token there is: 128 blanks."""
    from shoestring.models import TiktokenCounter

    blanks = [
        HumanMessage(" " * 12_800),
        HumanMessage([{"type": "text", "text": " " * 1_280}, IMAGE]),
    ]
    counted = TiktokenCounter("o200k_base").count_messages([blanks[0]])
    assert least_tokens(blanks[:1]) == 100 <= counted
    assert least_tokens(blanks) == 110
