"""Money is reserved at the dearest rate and settled at the billed one."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, time
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal, localcontext
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    TimeOfDateConstraint,
)
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from pydantic import Field, SecretStr

from shoestring.budget import Budget, Ledger
from shoestring.models import Price, UnknownPrice, guard, known_price, price_of
from shoestring.models.prices import _dearest, _Same

KEY = SecretStr("none")


class NamedChat(FakeListChatModel):
    """Stands for a provider's class, which is priced by the names it gives LangSmith."""

    responses: list[str] = Field(default=["x"])
    provider: str
    model: str

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: object) -> dict[str, str]:  # type: ignore[override]  # a fake's plain dict
        return {"ls_provider": self.provider, "ls_model_name": str(kwargs.get("model", self.model))}


def known(provider: str, model: str) -> Price:
    price = price_of(NamedChat(provider=provider, model=model))
    assert price is not None
    return price


def test_a_listed_model_costs_what_the_list_says() -> None:
    """A plain call costs exactly genai-prices' own figure, rounded up to nanodollars."""
    price = price_of(ChatOpenAI(model="gpt-4o-mini", api_key=KEY))
    assert price is not None
    theirs = calc_price(
        Usage(input_tokens=1_001, output_tokens=77), "gpt-4o-mini", provider_id="openai"
    )
    cost = price.cost({"input_tokens": 1_001, "output_tokens": 77, "total_tokens": 1_078})
    assert cost == -(-theirs.total_price * 10**9 // 1)


MODELS = [
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google_genai", "gemini-2.5-pro"),
    ("groq", "llama-3.3-70b-versatile"),
    ("mistralai", "mistral-large-latest"),
    ("amazon_bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0"),
]


@pytest.mark.parametrize(("provider", "model"), MODELS)
@given(
    read=st.integers(0, 1_500_000),
    written=st.integers(0, 100_000),
    parts=st.tuples(st.integers(0, 1_000_000), st.integers(0, 1_000_000)),
)
def test_no_call_costs_more_than_was_reserved(
    provider: str, model: str, read: int, written: int, parts: tuple[int, int]
) -> None:
    """Cached tokens, cache writes and long prompts stay within the bound."""
    price = known(provider, model)
    cached = min(parts[0], read)
    stored = min(parts[1], read - cached)
    usage = {
        "input_tokens": read,
        "output_tokens": written,
        "total_tokens": read + written,
        "input_token_details": {"cache_read": cached, "cache_creation": stored},
    }
    assert price.cost(usage) <= price.bound(read, written)
    assert price.bound(read, written) <= price.bound(read + 1, written + 1)


def test_cached_tokens_are_billed_at_their_own_rate() -> None:
    """A cache read is cheaper than the same tokens read anew."""
    price = known("openai", "gpt-4o-mini")
    whole = {"input_tokens": 2_000, "output_tokens": 10, "total_tokens": 2_010}
    assert price.cost({**whole, "input_token_details": {"cache_read": 1_500}}) < price.cost(whole)


def test_a_dearer_service_tier_is_reserved_for_and_billed() -> None:
    """OpenAI's priority tier has rates of its own, which a call may ask for."""
    model = NamedChat(provider="openai", model="gpt-5")
    standard, dearer = price_of(model), price_of(model, {"service_tier": "priority"})
    assert standard is not None
    assert dearer is not None
    assert dearer.bound(1_000, 100) > standard.bound(1_000, 100)
    usage = {
        "input_tokens": 1_000,
        "output_tokens": 100,
        "total_tokens": 1_100,
        "input_token_details": {"priority": 900, "priority_cache_read": 100},
        "output_token_details": {"priority": 100},
    }
    assert standard.bound(1_000, 100) < dearer.cost(usage) <= dearer.bound(1_000, 100)


def test_a_long_prompt_is_reserved_at_the_rate_of_its_tier() -> None:
    """Above 200,000 tokens Gemini bills more for every token, from the first on."""
    price = known("google_genai", "gemini-2.5-pro")
    assert price.bound(200_001, 0) > price.bound(200_000, 0) * Decimal("1.5")


def test_details_that_contradict_the_total_cost_the_dearest() -> None:
    """A report with more cached tokens than tokens is charged as if none were cached."""
    price = known("openai", "gpt-4o-mini")
    usage = {
        "input_tokens": 10,
        "output_tokens": 5,
        "total_tokens": 15,
        "input_token_details": {"cache_read": 50},
    }
    assert price.cost(usage) == price.bound(10, 5)


def test_a_plain_report_costs_what_the_list_makes_of_it() -> None:
    """Reports without details are priced without the list's own, slower way: for each of its models."""
    compared = 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            rates = model.get_prices(datetime.now(tz=UTC))
            price = _dearest(_Same(model), (_Same(rates),))
            if price is None:
                continue
            for read, written in ((10, 5), (300_000, 70)):
                billed = rates.calc_price(Usage(input_tokens=read, output_tokens=written))
                nanodollars = (billed["total_price"] * 10**9).to_integral_value(ROUND_CEILING)
                usage = {"input_tokens": read, "output_tokens": written}
                assert price.cost(usage) == nanodollars, model.id
                compared += 1
    assert compared > 1_000


def test_a_price_follows_its_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rate that holds at some hours is reserved for up to an hour before, and billed in them alone."""
    night, day = (
        ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(2)),
        ModelPrice(input_mtok=Decimal(10), output_mtok=Decimal(20)),
    )
    hours = TimeOfDateConstraint(start_time=time(8), end_time=time(20))
    model = ModelInfo(
        id="owl",
        match=ClauseEquals(equals="owl"),
        prices=[ConditionalPrice(prices=night), ConditionalPrice(prices=day, constraint=hours)],
    )
    nest = Provider(id="nest", name="Nest", api_pattern="nest", models=[model])
    monkeypatch.setattr(
        "genai_prices.data_snapshot._custom_snapshot", DataSnapshot([nest], from_auto_update=False)
    )
    owl = NamedChat(provider="nest", model="owl")

    class Clock(datetime):
        hour_now = 0

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(2026, 1, 1, cls.hour_now, 30, tzinfo=tz)

    monkeypatch.setattr("shoestring.models.prices.datetime", Clock)
    usage = {"input_tokens": 100, "output_tokens": 10}
    figures: list[tuple[int, int]] = []
    for Clock.hour_now in (3, 7, 9, 20, 3):
        price = known_price(owl)
        figures.append((price.bound(100, 10), price.cost(usage)))
    cheap, dear = 120_000, 1_200_000
    assert figures == [(cheap, cheap), (dear, cheap), (dear, dear), (cheap, cheap), (cheap, cheap)]


def test_the_name_of_a_deployment_is_no_price() -> None:
    """On Azure a deployment may be called like another model: what it is must be said."""
    options: dict[str, Any] = {
        "azure_deployment": "gpt-4o-mini",
        "azure_endpoint": "https://x.test",
        "api_version": "2024-10-21",
        "api_key": "none",
    }
    assert price_of(AzureChatOpenAI(**options)) is None
    with pytest.raises(UnknownPrice, match="deployment"):
        guard(AzureChatOpenAI(**options), Ledger(Budget(usd=1)))
    said = price_of(AzureChatOpenAI(**options, model="gpt-4o"))
    assert said == known("openai", "gpt-4o")


@pytest.mark.parametrize("price", [Price("0.15", "0.60", "0.01"), known("openai", "gpt-4o-mini")])
def test_money_is_exact_whatever_the_callers_decimal_context(price: Price) -> None:
    """A program that works with few digits reserves and pays the same nanodollars."""
    usage = {"input_tokens": 1_234_567, "output_tokens": 567, "total_tokens": 1_235_134}

    def figures() -> tuple[int | None, ...]:
        bound = price.bound(1_234_567, 567)
        return bound, price.cost(usage), price.output_within(1_234_567, bound), price.token_price

    exact = figures()
    with localcontext(prec=3, rounding=ROUND_DOWN):
        assert figures() == exact


def test_an_unknown_model_has_no_price() -> None:
    """Neither a made-up model nor another server with OpenAI's interface is guessed at."""
    assert price_of(NamedChat(provider="openai", model="no-such-model")) is None
    assert price_of(NamedChat(provider="nobody", model="gpt-4o")) is None
    local = ChatOpenAI(model="gpt-4o", api_key=KEY, base_url="http://127.0.0.1:9/v1")
    assert price_of(local) is None


def test_a_call_may_name_another_model() -> None:
    """The price is that of the model the call names."""
    model = NamedChat(provider="openai", model="gpt-4o-mini")
    mini, large = price_of(model), price_of(model, {"model": "gpt-4o"})
    assert mini is not None
    assert large is not None
    assert large.bound(1_000, 0) > mini.bound(1_000, 0)


def test_a_model_of_this_process_is_free() -> None:
    """`free_of_charge` stands for a price of nothing."""

    class Free(FakeListChatModel):
        free_of_charge: bool = True

    price = price_of(Free(responses=["x"]))
    assert price is not None
    assert price.bound(10**6, 10**6) == 0


@given(
    rate=st.decimals(0, 100, places=4),
    out=st.decimals(0, 100, places=4),
    read=st.integers(0, 10**6),
    money=st.integers(0, 10**10),
)
def test_what_money_buys_is_affordable(rate: Decimal, out: Decimal, read: int, money: int) -> None:
    """The output that fits costs no more than there is, and one token more would not fit."""
    price = Price(rate, out)
    fits = price.output_within(read, money)
    if fits is None:
        assert price.bound(read, 10**9) <= money
    elif fits >= 0:
        assert price.bound(read, fits) <= money
        assert price.bound(read, fits + 1) > money
    else:
        assert price.bound(read, 0) > money


@pytest.mark.parametrize("rate", ["-1", "nan", "inf"])
def test_a_rate_is_a_number_of_dollars(rate: str) -> None:
    """Nonsense in a price is found when it is made."""
    with pytest.raises(ValueError, match="input rate"):
        Price(rate, 1)


def test_prices_come_from_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched."""

    def no_network(*args: object) -> None:
        raise AssertionError(args)

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    assert price_of(ChatOpenAI(model="gpt-4o", api_key=KEY)) is not None
