"""Thinking and answering share one output limit: what is sent for both, for each provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shoestring.budget import Amount, Budget, BudgetExceeded, Ledger
from shoestring.models import ThinkingLimit, UnboundedOutput, guard

if TYPE_CHECKING:
    from tests.models.wire.conftest import Integration, Wire

pytestmark = [
    # google-genai's session derives from aiohttp's, which says so.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
    # LangChain gives no way to close an integration's clients.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ENABLED = {"type": "enabled", "budget_tokens": 8_000}
GEMINI = {"model": "gemini-2.5-pro"}


def stated(body: dict[str, Any]) -> int | None:
    """The tokens to think that a body states, wherever its provider wants them."""
    extra = body.get("additionalModelRequestFields", body)
    config = body.get("generationConfig", {}).get("thinkingConfig", {})
    thinking = extra.get("thinking") or extra.get("reasoning_config") or {}
    found = thinking.get(
        "budget_tokens", config.get("thinkingBudget", config.get("thinking_budget"))
    )
    return found if isinstance(found, int) else None


@pytest.mark.parametrize(
    ("integration", "options", "arguments"),
    [
        ("anthropic", {"thinking": ENABLED}, {}),
        ("anthropic", {}, {"thinking": ENABLED}),
        ("anthropic", {}, {"extra_body": {"thinking": ENABLED}}),
        ("bedrock", {"additional_model_request_fields": {"thinking": ENABLED}}, {}),
        ("bedrock", {"additional_model_request_fields": {"reasoning_config": ENABLED}}, {}),
        ("bedrock", {}, {"additional_model_request_fields": {"thinking": ENABLED}}),
        ("google", {**GEMINI, "thinking_budget": 8_000}, {}),
        ("google", GEMINI, {"thinking_budget": 8_000}),
        ("google", GEMINI, {"generation_config": {"thinking_config": {"thinking_budget": 8_000}}}),
    ],
    indirect=["integration"],
)
@pytest.mark.parametrize(
    ("tokens", "max_output", "limit", "thinks"),
    [
        # All that was asked for, and a usual answer after it.
        (50_000, None, 9_024, 8_000),
        # A limit below what was asked for.
        (50_000, 4_000, 4_000, 3_744),
    ],
)
def test_thinking_is_kept_below_the_output_limit(
    integration: Integration,
    wire: Wire,
    *,
    options: dict[str, Any],
    arguments: dict[str, Any],
    tokens: int,
    max_output: int | None,
    limit: int,
    thinks: int,
) -> None:
    """The answer keeps 256 tokens whatever was asked, wherever it was asked."""
    ledger = Ledger(Budget(tokens=tokens))
    guard(integration.make(wire, **options), ledger, max_output=max_output).invoke(
        "hello", **arguments
    )
    assert (integration.dialect.limit(wire.body), stated(wire.body)) == (limit, thinks)
    assert ledger.receipt.lines[0].reserved.output_tokens == limit
    assert ENABLED == {"type": "enabled", "budget_tokens": 8_000}


@pytest.mark.parametrize(
    ("integration", "options", "least"),
    [
        ("anthropic", {"thinking": ENABLED}, 1_280),
        ("bedrock", {"additional_model_request_fields": {"thinking": ENABLED}}, 1_280),
        ("google", {**GEMINI, "thinking_budget": 8_000}, 768),
        ("google", {**GEMINI, "thinking_budget": 128}, 384),
        ("anthropic", {"thinking": {"type": "adaptive"}}, 256),
        ("openai", {"model": "o4-mini"}, 256),
        ("openai", {"model": "gpt-5-mini", "reasoning_effort": "high"}, 256),
        ("responses", {"model": "gpt-5-mini", "reasoning": {"effort": "low"}}, 256),
        ("groq", {"model": "openai/gpt-oss-120b", "reasoning_effort": "high"}, 256),
        ("mistral", {"model": "magistral-medium-latest"}, 256),
        ("ollama", {"reasoning": True}, 256),
        ("anthropic on bedrock", {"thinking": ENABLED}, 1_280),
        ("anthropic on bedrock", {"model": "us.anthropic.claude-opus-5"}, 256),
        ("bedrock", {"model": "global.anthropic.claude-opus-5"}, 256),
        ("azure", {"model": "o4-mini"}, 256),
        # Told not to think.
        ("openai", {"model": "gpt-5-mini", "reasoning_effort": "minimal"}, 16),
        ("google", {"model": "gemini-2.5-flash", "thinking_budget": 0}, 16),
        ("anthropic", {"thinking": {"type": "disabled"}}, 16),
        ("ollama", {"reasoning": False}, 16),
    ],
    indirect=["integration"],
)
def test_nothing_is_sent_below_the_thinking_minimum(
    integration: Integration, wire: Wire, options: dict[str, Any], least: int
) -> None:
    """With room for the least there is a call of that limit; with a token less there is none."""
    plain = integration.make(wire, **options)
    probe = Ledger(Budget(tokens=100_000))
    guard(plain, probe).invoke("hello")
    prompt = probe.receipt.lines[0].reserved.input_tokens
    wire.bodies.clear()
    enough, short = Ledger(Budget(tokens=prompt + least)), Ledger(Budget(tokens=prompt + least - 1))
    with pytest.raises(BudgetExceeded):
        guard(plain, short).invoke("hello")
    assert wire.bodies == []
    assert short.spent == short.held == Amount()
    guard(plain, enough).invoke("hello")
    assert integration.dialect.limit(wire.body) == least


@pytest.mark.parametrize("integration", ["anthropic"], indirect=True)
def test_a_limit_the_provider_would_refuse_is_an_error_here(
    integration: Integration, wire: Wire
) -> None:
    """The caller's own limit leaves less to think than Anthropic takes: it says so, unpaid."""
    ledger = Ledger(Budget(tokens=50_000))
    model = guard(integration.make(wire, thinking=ENABLED), ledger, max_output=500)
    with pytest.raises(ThinkingLimit, match="raise max_output to 1,280"):
        model.invoke("hello")
    assert wire.bodies == []
    assert ledger.held == Amount()


@pytest.mark.parametrize("integration", ["bedrock"], indirect=True)
def test_thinking_without_any_limit_is_refused(integration: Integration, wire: Wire) -> None:
    """Amazon Nova's highest effort is sent without an output limit by langchain-aws."""
    high = {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}
    options = {"model": "amazon.nova-2-lite-v1:0", "additional_model_request_fields": high}
    with pytest.raises(UnboundedOutput, match="'medium' or 'low'"):
        guard(integration.make(wire, **options), Ledger(Budget(tokens=50_000))).invoke("hello")
    assert wire.bodies == []


@pytest.mark.parametrize("integration", ["anthropic"], indirect=True)
def test_a_limit_that_nobody_set_is_none(integration: Integration, wire: Wire) -> None:
    """langchain-anthropic fills in all the model can write: that is not what its user asked for."""
    plain = integration.make(wire)
    assert getattr(plain, "max_tokens", 0) > 30_000
    guard(plain, Ledger(Budget(tokens=10**6))).invoke("hello")
    assert integration.dialect.limit(wire.body) == 1_024
