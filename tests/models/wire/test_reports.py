"""What providers report, as they report it: into tokens, money and a remark on the receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shoestring.budget import Budget, Ledger
from shoestring.models import guard, price_of

if TYPE_CHECKING:
    from tests.models.wire.conftest import Integration, Wire

pytestmark = [
    # google-genai's session derives from aiohttp's, which says so.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
    # LangChain gives no way to close an integration's clients.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# Usage as each API reference shows it, with what is to come of it: input, output, nanodollars by the
# published price of the model (dollars a million: the comment), and the remark.
REPORTS: list[Any] = [
    # gpt-4o-mini: 0.15 in, 0.075 cached, 0.60 out.
    pytest.param(
        "openai",
        "gpt-4o-mini",
        {
            "prompt_tokens": 2_006,
            "completion_tokens": 300,
            "total_tokens": 2_306,
            "prompt_tokens_details": {"cached_tokens": 1_920, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        (2_006, 300, 86 * 150 + 1_920 * 75 + 300 * 600, "cached 1,920"),
        id="openai, cached",
    ),
    # o4-mini: 1.10 in, 4.40 out; reasoning is output.
    pytest.param(
        "openai",
        "o4-mini",
        {
            "prompt_tokens": 100,
            "completion_tokens": 500,
            "total_tokens": 600,
            "completion_tokens_details": {"reasoning_tokens": 448},
        },
        (100, 500, 100 * 1_100 + 500 * 4_400, "reasoning 448"),
        id="openai, reasoning",
    ),
    # gpt-audio: 2.50 in, 10 out; audio 32 in, 64 out.
    pytest.param(
        "openai",
        "gpt-audio",
        {
            "prompt_tokens": 150,
            "completion_tokens": 90,
            "total_tokens": 240,
            "prompt_tokens_details": {"audio_tokens": 100},
            "completion_tokens_details": {"audio_tokens": 60},
        },
        (
            150,
            90,
            50 * 2_500 + 100 * 32_000 + 30 * 10_000 + 60 * 64_000,
            "audio in 100; audio out 60",
        ),
        id="openai, audio",
    ),
    # gpt-4o-mini again, on the other interface.
    pytest.param(
        "responses",
        "gpt-4o-mini",
        {
            "input_tokens": 1_500,
            "input_tokens_details": {"cached_tokens": 1_024},
            "output_tokens": 700,
            "output_tokens_details": {"reasoning_tokens": 640},
            "total_tokens": 2_200,
        },
        (1_500, 700, 476 * 150 + 1_024 * 75 + 700 * 600, "cached 1,024; reasoning 640"),
        id="responses, cached and reasoning",
    ),
    # The same shapes on Azure, whose price list has the same rates.
    pytest.param(
        "azure",
        "gpt-4o-mini",
        {
            "prompt_tokens": 2_006,
            "completion_tokens": 300,
            "total_tokens": 2_306,
            "prompt_tokens_details": {"cached_tokens": 1_920, "audio_tokens": 0},
            "completion_tokens_details": {
                "accepted_prediction_tokens": 0,
                "reasoning_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        (2_006, 300, 86 * 150 + 1_920 * 75 + 300 * 600, "cached 1,920"),
        id="azure, cached",
    ),
    pytest.param(
        "azure responses",
        "gpt-4o-mini",
        {
            "input_tokens": 1_500,
            "input_tokens_details": {"cached_tokens": 1_024},
            "output_tokens": 700,
            "output_tokens_details": {"reasoning_tokens": 640},
            "total_tokens": 2_200,
        },
        (1_500, 700, 476 * 150 + 1_024 * 75 + 700 * 600, "cached 1,024; reasoning 640"),
        id="azure responses, cached and reasoning",
    ),
    # claude-sonnet-4-6: 3 in, 0.30 cached, 3.75 written for 5 minutes, 6 for an hour, 15 out.
    pytest.param(
        "anthropic",
        "claude-sonnet-4-6",
        {
            "input_tokens": 50,
            "cache_read_input_tokens": 1_800,
            "cache_creation_input_tokens": 556,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 456,
                "ephemeral_1h_input_tokens": 100,
            },
            "output_tokens": 503,
        },
        (
            2_406,
            503,
            50 * 3_000 + 1_800 * 300 + 456 * 3_750 + 100 * 6_000 + 503 * 15_000,
            "cached 1,800; cache write 5 min 456; cache write 1 h 100",
        ),
        id="anthropic, cache of both lives",
    ),
    pytest.param(
        "anthropic",
        "claude-sonnet-4-6",
        {
            "input_tokens": 40,
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 2_000,
            "output_tokens": 900,
            "output_tokens_details": {"thinking_tokens": 700},
        },
        (
            2_040,
            900,
            40 * 3_000 + 2_000 * 3_750 + 900 * 15_000,
            "cache write 2,000; reasoning 700",
        ),
        id="anthropic, thinking",
    ),
    # claude-sonnet-4-6 on a regional endpoint of Bedrock: a tenth above Anthropic's own.
    pytest.param(
        "anthropic on bedrock",
        "us.anthropic.claude-sonnet-4-6",
        {
            "input_tokens": 50,
            "cache_read_input_tokens": 1_800,
            "cache_creation_input_tokens": 400,
            "output_tokens": 200,
        },
        (
            2_250,
            200,
            50 * 3_300 + 1_800 * 330 + 400 * 4_125 + 200 * 16_500,
            "cached 1,800; cache write 400",
        ),
        id="anthropic on bedrock, cache",
    ),
    # gemini-2.5-flash: 0.30 in, 0.03 cached, 2.50 out; thoughts are output.
    pytest.param(
        "google",
        "gemini-2.5-flash",
        {
            "promptTokenCount": 3_000,
            "cachedContentTokenCount": 2_000,
            "candidatesTokenCount": 60,
            "thoughtsTokenCount": 440,
            "totalTokenCount": 3_500,
        },
        (3_000, 500, 1_000 * 300 + 2_000 * 30 + 500 * 2_500, "cached 2,000; reasoning 440"),
        id="google, thoughts",
    ),
    # claude-sonnet-4-5 on a regional endpoint of Bedrock: a tenth above Anthropic's own 3, 0.30, 3.75, 15.
    pytest.param(
        "bedrock",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        {
            "inputTokens": 30,
            "outputTokens": 200,
            "cacheReadInputTokens": 1_000,
            "cacheWriteInputTokens": 400,
            "totalTokens": 1_630,
        },
        (
            1_430,
            200,
            30 * 3_300 + 1_000 * 330 + 400 * 4_125 + 200 * 16_500,
            "cached 1,000; cache write 400",
        ),
        id="bedrock, cache",
    ),
    pytest.param(
        "groq",
        "llama-3.3-70b-versatile",
        {
            "prompt_tokens": 18,
            "completion_tokens": 556,
            "total_tokens": 574,
            "queue_time": 0.01,
            "total_time": 0.46,
        },
        (18, 556, 18 * 590 + 556 * 790, ""),
        id="groq",
    ),
    pytest.param(
        "mistral",
        "mistral-large-latest",
        {"prompt_tokens": 400, "completion_tokens": 100, "total_tokens": 500},
        (400, 100, None, ""),
        id="mistral",
    ),
    pytest.param(
        "ollama",
        "llama3.2",
        {"prompt_eval_count": 26, "eval_count": 298, "total_duration": 4_883_583_458},
        (26, 298, None, ""),
        id="ollama",
    ),
]


@pytest.mark.parametrize("way", ["invoke", "stream"])
@pytest.mark.parametrize(
    ("integration", "name", "report", "expected"), REPORTS, indirect=["integration"]
)
def test_a_report_is_charged_as_billed(
    integration: Integration,
    wire: Wire,
    *,
    name: str,
    report: dict[str, Any],
    expected: tuple[int, int, int | None, str],
    way: str,
) -> None:
    """Cached, written, thought and spoken tokens: whole or streamed, each at its own price."""
    wire.reports = report
    ledger = Ledger(Budget(tokens=100_000))
    # OpenAI's interface at another address has no listed price: that of its own address is given.
    plain = integration.make(wire, model=name)
    own = plain.model_copy(update={"openai_api_base": None})
    model = guard(plain, ledger, price=price_of(own))
    list(model.stream("hello")) if way == "stream" else model.invoke("hello")
    read, written, nanodollars, detail = expected
    (line,) = ledger.receipt.lines
    assert line.basis == "measured"
    assert (line.spent.input_tokens, line.spent.output_tokens) == (read, written)
    if nanodollars is not None:
        assert line.spent.nanodollars == nanodollars
    # What is above the hold of so short a prompt is noted after it.
    said, _, _ = line.detail.partition("breach")
    assert said.removesuffix("; ") == detail
