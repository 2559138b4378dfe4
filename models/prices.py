"""What tokens cost: reserved at the dearest rate that may apply, settled at the billed one.

Prices come from the table inside the installed genai-prices package; nothing is fetched. Rates are
decimal dollars; an amount becomes whole nanodollars once, rounded up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Context, Decimal, localcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shoestring.models.usage import is_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from genai_prices.types import ModelInfo, ModelPrice
    from langchain_core.language_models import BaseChatModel
    from langchain_core.language_models.base import LangSmithParams

# Dollars for a million tokens, which prices are quoted in, are a thousand nanodollars a token.
_NANODOLLARS_PER_RATE = 1_000
_TOKENS_A_RATE = 10**6
_NANODOLLARS_PER_DOLLAR = 10**9
# Exact for any rates and tokens, and the same whatever context the caller works in.
_EXACT = Context(prec=60)
# A price that changes while a call is under way is reserved for too.
_LONGEST_CALL = timedelta(hours=1)

# LangChain's names of providers, where genai-prices has another.
_PROVIDERS = {
    "google_genai": "google",
    "google_vertexai": "google",
    "amazon_bedrock": "aws",
    "anthropic-bedrock": "aws",
    "mistralai": "mistral",
}
# Details of LangChain's usage, as genai-prices calls them.
_DETAILS = {
    ("input_token_details", "cache_read"): "cache_read_tokens",
    ("input_token_details", "cache_creation"): "cache_write_tokens",
    ("input_token_details", "ephemeral_5m_input_tokens"): "cache_write_5m_tokens",
    ("input_token_details", "ephemeral_1h_input_tokens"): "cache_write_1h_tokens",
    ("input_token_details", "audio"): "input_audio_tokens",
    ("output_token_details", "audio"): "output_audio_tokens",
}
# Service tiers with prices of their own.
_TIERS = ("priority", "flex")


class UnknownPrice(ValueError):  # noqa: N818 - it says what is the matter
    """Money is capped and the model has no known price."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"dollars are capped and the price of {model!r} is not known: give "
            "price=Price(input=…, output=…), in dollars for a million tokens (on Azure, model=… beside "
            "the name of a deployment says what it is)"
        )


@dataclass(frozen=True, slots=True)
class _Rates:
    """The dearest rates once a prompt is longer than `above` tokens."""

    above: int
    input: Decimal
    output: Decimal


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in dollars for a million tokens, as pricing pages quote it.

    Attributes:
        input: The dearest rate an input token may be billed at, cache writes included.
        output: The dearest rate of an output token.
        request: Dollars for each call, whatever its tokens.

    Raises:
        ValueError: If a rate is negative or no number.

    >>> Price(input="0.15", output="0.60").bound(1_000, 100)
    210000
    """

    input: Decimal
    output: Decimal
    request: Decimal = Decimal(0)
    _tiers: tuple[_Rates, ...] = field(default=(), repr=False)
    _model: ModelInfo | None = field(default=None, repr=False, compare=False)

    def __init__(
        self,
        input: Decimal | float | str,  # noqa: A002 - the word of every price list
        output: Decimal | float | str,
        request: Decimal | float | str = 0,
    ) -> None:
        for name, rate in (("input", input), ("output", output), ("request", request)):
            exact = Decimal(str(rate))
            if not exact.is_finite() or exact < 0:
                raise ValueError(f"the {name} rate must be a number of dollars >= 0, not {rate!r}")
            object.__setattr__(self, name, exact)
        object.__setattr__(self, "_tiers", ())
        object.__setattr__(self, "_model", None)

    def bound(self, input_tokens: int, output_tokens: int) -> int:
        """The most a call of these tokens may cost, in nanodollars, rounded up."""
        with localcontext(_EXACT):
            return _up(self._exact(input_tokens, output_tokens))

    def output_within(self, input_tokens: int, nanodollars: int) -> int | None:
        """Output tokens that `nanodollars` buy after the input.

        None: as many as you like; below zero: they do not even buy the input.
        """
        with localcontext(_EXACT):
            left = nanodollars - self._exact(input_tokens, 0)
            if left < 0:
                return -1
            rate = self._rates(input_tokens).output * _NANODOLLARS_PER_RATE
            return int(left // rate) if rate else None

    def _exact(self, input_tokens: int, output_tokens: int) -> Decimal:
        """The most a call of these tokens may cost, in nanodollars, not yet rounded."""
        rates = self._rates(input_tokens)
        tokens = rates.input * input_tokens + rates.output * output_tokens
        return tokens * _NANODOLLARS_PER_RATE + self.request * _NANODOLLARS_PER_DOLLAR

    @property
    def token_price(self) -> int:
        """Nanodollars of one token at the dearest rate there is, rounded up."""
        every = (_Rates(0, self.input, self.output), *self._tiers)
        with localcontext(_EXACT):
            return _up(max(max(one.input, one.output) for one in every) * _NANODOLLARS_PER_RATE)

    def cost(self, usage: Mapping[str, Any]) -> int:
        """What a call cost by the usage its provider reported, in nanodollars, rounded up.

        Cached tokens are billed at their own rate where it is known. A report that cannot be priced
        in detail costs what `bound` says of its totals.

        Args:
            usage: LangChain's `UsageMetadata`.
        """
        with localcontext(_EXACT):
            billed = self._billed(usage) if self._model else None
            if billed is not None:
                return _up(billed * _NANODOLLARS_PER_DOLLAR)
        return self.bound(usage["input_tokens"], usage["output_tokens"])

    def _rates(self, input_tokens: int) -> _Rates:
        """The dearest rates a prompt of at most so many tokens may meet."""
        met = [tier for tier in self._tiers if tier.above < input_tokens]
        return _Rates(
            0,
            max([self.input, *(tier.input for tier in met)]),
            max([self.output, *(tier.output for tier in met)]),
        )

    def _billed(self, usage: Mapping[str, Any]) -> Decimal | None:
        from genai_prices import Usage

        assert self._model is not None  # noqa: S101 - cost() asks only then
        counts: dict[str, int] = {}
        tiers: set[str] = set()
        for side in ("input_token_details", "output_token_details"):
            for key, tokens in (usage.get(side) or {}).items():
                # LangChain puts the service tier before the detail, as in `priority_cache_read`.
                tier = next((tier for tier in _TIERS if f"{key}_".startswith(f"{tier}_")), None)
                if tier:
                    tiers.add(tier)
                detail = _DETAILS.get((side, key.removeprefix(f"{tier}_")))
                if detail and is_count(tokens) and tokens:
                    counts[detail] = tokens
        written = counts.get("cache_write_5m_tokens", 0) + counts.get("cache_write_1h_tokens", 0)
        if written:
            counts["cache_write_tokens"] = max(counts.get("cache_write_tokens", 0), written)
        context = {"service_tier": tiers.pop()} if len(tiers) == 1 else None
        rates = self._model.get_prices(datetime.now(tz=UTC), context)
        if not (counts or context) and (flat := _flat(_Same(rates))) is not None:
            input_rate, output_rate, request = flat
            dollars: Decimal = input_rate * usage["input_tokens"]
            dollars += output_rate * usage["output_tokens"]
            return dollars / _TOKENS_A_RATE + request
        try:
            priced = rates.calc_price(
                Usage(
                    input_tokens=usage["input_tokens"],
                    output_tokens=usage["output_tokens"],
                    **counts,
                )
            )
        except (ValueError, ArithmeticError):
            # The details contradict the totals, or each other.
            return None
        return priced["total_price"]


def price_of(model: BaseChatModel, call: Mapping[str, Any] | None = None) -> Price | None:
    """The price of a chat model, or None where it is not known.

    A model with `free_of_charge = True`, such as one that runs in this process, costs nothing.

    Args:
        model: The model.
        call: Arguments of one call, which may name another model or service tier.
    """
    call = call or {}
    return price_named(model, call, model._get_ls_params(**call))  # noqa: SLF001 - LangChain's own hook


def price_named(
    model: BaseChatModel,
    call: Mapping[str, Any],
    names: LangSmithParams,
    *,
    sounds: bool = False,
) -> Price | None:
    """The same, of a model whose names for LangSmith are known, for a prompt with or without sounds."""
    if getattr(model, "free_of_charge", False) is True:
        return Price(0, 0)
    found = _listed(model, names)
    if found is None:
        return None
    tiers = (call.get(key, getattr(model, key, None)) for key in ("service_tier", "speed"))
    now = datetime.now(tz=UTC)
    rates = [found.get_prices(now), found.get_prices(now + _LONGEST_CALL)]
    if any(tier not in (None, "default", "standard", "flex") for tier in tiers):
        rates += [variant.prices for variant in found.price_variants or ()]
    # The list has models that speak at the price of writing alone, which is a thirtieth of theirs.
    if "-audio" in found.id and not any(rate.input_audio_mtok for rate in rates):
        return None
    return _dearest(_Same(found), tuple(map(_Same, rates)), sounds=sounds)


def listed_name(model: BaseChatModel, names: LangSmithParams) -> str:
    """The name by which tables know a model; "" where its user gave it one of his own.

    A deployment on Azure may be called anything, also like another model.
    """
    name = names.get("ls_model_name") or ""
    deployed = name == getattr(model, "deployment_name", None)
    return "" if deployed and not getattr(model, "model_name", None) else name


def known_price(model: BaseChatModel) -> Price:
    """The price of a chat model.

    Raises:
        UnknownPrice: If it is not known.
    """
    price = price_of(model)
    if price is None:
        name = model._get_ls_params().get("ls_model_name")  # noqa: SLF001 - LangChain's own hook
        raise UnknownPrice(name or type(model).__name__)
    return price


def _listed(model: BaseChatModel, names: LangSmithParams) -> ModelInfo | None:
    from genai_prices.data_snapshot import get_snapshot

    name = listed_name(model, names)
    if not name:
        return None
    provider: str | None = _PROVIDERS.get(names.get("ls_provider", ""), names.get("ls_provider"))
    url = getattr(model, "openai_api_base", None)
    if provider == "openai" and url:
        # Another server with OpenAI's interface has prices of its own, or none that are known.
        provider = None
    try:
        _, found = get_snapshot().find_provider_model(name, None, provider, url)
    except LookupError:
        return None
    return found


class _Same:
    """A thing of the price list as a key: equal to itself alone, and kept while it is a key."""

    __slots__ = ("it",)

    def __init__(self, it: Any) -> None:  # noqa: ANN401 - of any class
        self.it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.it is other.it

    def __hash__(self) -> int:
        return id(self.it)


# The list is read once for the rates that apply: which those are is asked at each call.
@lru_cache(maxsize=1_024)
def _dearest(found: _Same, rates: tuple[_Same, ...], *, sounds: bool = False) -> Price | None:
    prices: list[ModelPrice] = [one.it for one in rates]
    read = {"text", "image", "audio"} if sounds else {"text", "image"}
    lines = [line for one in prices for line in _lines(one, read)]
    starts = sorted({start for _, start, _ in lines})
    totals = {
        (way, start): max((rate for w, at, rate in lines if w == way and at == start), default=None)
        for way in ("input", "output")
        for start in starts
    }
    base_input, base_output = totals.get(("input", 0)), totals.get(("output", 0))
    if base_input is None or base_output is None:
        return None
    requests = [one.requests_kcount for one in prices if isinstance(one.requests_kcount, Decimal)]
    price = Price(base_input, base_output, max(requests, default=Decimal(0)) / 1_000)
    tiers = tuple(
        _Rates(start, totals["input", start] or base_input, totals["output", start] or base_output)
        for start in starts
        if start
    )
    object.__setattr__(price, "_tiers", tiers)
    object.__setattr__(price, "_model", found.it)
    return price


@lru_cache(maxsize=1_024)
def _flat(rates: _Same) -> tuple[Decimal, Decimal, Decimal] | None:
    """Dollars of a million tokens in and out, and of a request, where no more is to be known.

    genai-prices prices every report in all its units, which takes as long as all the rest of a guard.
    """
    prices: ModelPrice = rates.it
    read, written, requests = prices.input_mtok, prices.output_mtok, prices.requests_kcount
    if not isinstance(read, Decimal) or not isinstance(written, Decimal):
        return None
    if requests is None:
        return read, written, Decimal(0)
    return (read, written, requests / 1_000) if isinstance(requests, Decimal) else None


def _lines(rates: ModelPrice, read: AbstractSet[str]) -> Iterator[tuple[str, int, Decimal]]:
    """What a call may meet: direction, prompt tokens above which it applies, and rate.

    Args:
        rates: The list's.
        read: In what forms the prompt comes; a model may answer in any.
    """
    from genai_prices.data_units import unit_data

    for unit in unit_data.values():
        dimensions = unit["dimensions"]
        way = dimensions.get("direction")
        if dimensions.get("family") != "tokens" or way not in ("input", "output"):
            continue
        if way == "input" and dimensions.get("modality", "text") not in read:
            continue
        rate = getattr(rates, unit["price_key"], None)
        if isinstance(rate, Decimal):
            yield way, 0, rate
        elif rate is not None:
            yield way, 0, rate.base
            for tier in rate.tiers:
                yield way, tier.start, tier.price


def _up(nanodollars: Decimal) -> int:
    return int(nanodollars.to_integral_value(ROUND_CEILING))
