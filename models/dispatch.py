"""One physical call under a ledger: what it may cost, what is sent, what it did cost."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_core.messages.ai import add_usage

from shoestring.budget import Amount, BudgetBusy, BudgetError, BudgetExceeded
from shoestring.models.counting import TokenCounter, UnboundedInput, counter_for
from shoestring.models.prices import Price, UnknownPrice, price_of
from shoestring.models.providers import Provider, never_connected, was_refused
from shoestring.models.usage import finished, is_count, measured, truncated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from langchain_core.messages.ai import UsageMetadata
    from langchain_core.outputs import ChatGeneration, ChatResult

    from shoestring.budget import Hold, Ledger

# Output tokens that are reserved for a call whose caller set no limit: a long page. Reserving all that is
# left would let one call at a time through, and let one that fails take everything with it.
DEFAULT_MAX_OUTPUT = 1_024
# No model writes more; a caller's larger limit is one he did not think about.
_MOST_OUTPUT = 2**31

# Arguments that steer a call and are no part of its prompt; every other one is counted as if it were.
_STEERING = frozenset(
    "cache_control frequency_penalty keep_alive logit_bias logprobs metadata model model_name "
    "parallel_tool_calls presence_penalty reasoning_effort request_timeout seed service_tier stop store "
    "stream stream_options stream_usage strict temperature timeout top_k top_logprobs top_p user verbosity "
    "extra_headers extra_query headers".split()
)
# Fields of a model that reach the prompt like arguments of a call.
_PROMPT_FIELDS = ("format", "response_schema", "model_kwargs", "extra_body")
# Tools that the caller runs; all others run at the provider and add to the prompt what they find.
_OWN_TOOLS = frozenset({None, "function", "custom"})
_OWN_TOOL_KEYS = frozenset(
    {"name", "function", "function_declarations", "toolSpec", "input_schema"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a guarded model carries: its ledger and how it may draw on it."""

    ledger: Ledger
    provider: Provider
    max_output: int | None
    min_output: int
    wait: float
    counter: TokenCounter | None
    price: Price | None
    output_field: str | None

    def __deepcopy__(self, memo: dict[int, Any]) -> Terms:
        # A copy of a guarded model spends from the same ledger.
        return self


@dataclass(slots=True)
class Dispatch:
    """One physical call, from what it may cost to what it did.

    Args:
        terms: The guard's.
        model: The unguarded model, without the limits of this call.
        messages: The prompt.
        arguments: Keyword arguments of the call.
    """

    terms: Terms
    model: BaseChatModel
    messages: Sequence[BaseMessage]
    arguments: dict[str, Any]
    name: str = field(init=False)
    price: Price | None = field(init=False)
    prompt: int = field(init=False)
    choices: int = field(init=False)
    wanted: int = field(init=False)
    least: int = field(init=False)
    output: int = field(default=0, init=False)
    seen: UsageMetadata | None = field(default=None, init=False)
    complete: bool = field(default=False, init=False)
    answered: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Read the caller's limits out of the call and count its prompt.

        Raises:
            UnknownPrice: If money is capped and the model's price is not known.
            UnboundedInput: If the prompt cannot be bounded in tokens.
        """
        names = self.model._get_ls_params(**self.arguments)  # noqa: SLF001 - LangChain's hook for just this
        self.name = names.get("ls_model_name") or type(self.model).__name__
        self.price = self.terms.price or price_of(self.model, self.arguments)
        if self.price is None and self.terms.ledger.remaining.nanodollars is not None:
            raise UnknownPrice(self.name)
        self._refuse_unbounded()
        self._take_limits()
        self.prompt = self._count()

    def bound(self, output: int) -> Amount:
        """The most the call may spend when each answer is limited to `output` tokens."""
        attempts = self.terms.provider.attempts
        written = output * self.choices
        money = self.price.bound(self.prompt, written) if self.price else 0
        return Amount(
            input_tokens=self.prompt * attempts,
            output_tokens=written * attempts,
            nanodollars=money * attempts,
            calls=attempts,
        )

    def first_offer(self) -> Amount | None:
        """All that is wanted if the call may wait for it, else what is affordable of it.

        None where that is less than is worth a call.
        """
        self.output = self.wanted if self.terms.wait > 0 else self._affordable(Amount())
        return self.bound(self.output) if self.output >= self.least else None

    def last_offer(self) -> Amount:
        """The least that is worth a call; its refusal is the call's refusal, and `grow` extends it."""
        self.output = self.least
        return self.bound(self.output)

    def grow(self, hold: Hold) -> None:
        """Make use of the room that a hold for the least output leaves, unless it is taken by now."""
        held = self.bound(self.output)
        more = self._affordable(held)
        if more > self.output:
            with contextlib.suppress(BudgetError):
                hold.extend(self.bound(more) - held)
                self.output = more

    def label(self) -> dict[str, Any]:
        """What each reservation says of the call."""
        return {"what": self.name, "token_price": self.price.token_price if self.price else 0}

    @contextlib.contextmanager
    def sent(self, hold: Hold) -> Iterator[BaseChatModel]:
        """The model to call, limited; on leaving, the hold is settled by what is known."""
        with hold:
            self._limit(hold)
            hold.dispatching()
            try:
                yield self.model
            except BaseException as error:
                self._settle_error(hold, error)
                raise
            self._settle(hold, "the provider reported no usage")

    def saw(self, generation: ChatGeneration) -> None:
        """Take note of one chunk of a stream; marks it where the answer was cut at its limit."""
        self.saw_usage(getattr(generation.message, "usage_metadata", None))
        self.complete = finished(_mark(generation)) or self.complete

    def saw_result(self, result: ChatResult) -> None:
        """Take note of a whole answer."""
        self.answered = self.complete = True
        reports: list[UsageMetadata] = []
        for generation in result.generations:
            usage = getattr(generation.message, "usage_metadata", None)
            # Several answers to one prompt each carry the usage of them all.
            if usage and usage not in reports:
                reports.append(usage)
            _mark(generation)
        for usage in reports:
            self.saw_usage(usage)

    def saw_event(self, event: Mapping[str, Any]) -> None:
        """Take note of one event of LangChain's streaming protocol; the last one carries the usage."""
        self.saw_usage(event.get("usage"))
        self.complete = self.complete or event.get("event") == "message-finish"

    def saw_usage(self, usage: UsageMetadata | None) -> None:
        """Add a report of usage; a stream may send several, which add up."""
        self.answered = True
        if usage:
            self.seen = add_usage(self.seen, usage) if self.seen else usage

    def _affordable(self, held: Amount) -> int:
        """Output tokens each answer may have by what is left and what the call already holds."""
        room, attempts = self.terms.ledger.affordable(), self.terms.provider.attempts
        fits = self.wanted
        if room.tokens is not None:
            free = room.tokens + held.tokens - self.prompt * attempts
            fits = min(fits, free // (self.choices * attempts))
        if room.nanodollars is not None and self.price:
            money = (room.nanodollars + held.nanodollars) // attempts
            bought = self.price.output_within(self.prompt, money)
            fits = fits if bought is None else min(fits, bought // self.choices)
        # A limit that does not fit is no reason to take all that is left.
        return fits if fits >= self.wanted else min(fits, DEFAULT_MAX_OUTPUT)

    def _take_limits(self) -> None:
        """Move every limit out of the call's arguments: the guard sets one, where it cannot be missed."""
        provider = self.terms.provider
        limits = [self.terms.max_output, getattr(self.model, provider.output_field, None)]
        choices = [getattr(self.model, key, None) for key in provider.choices_keys]
        for options in self._options():
            for key in provider.output_keys | set(provider.replacing.values()):
                limits.append(options.pop(key, None))
            choices += [options.get(key) for key in provider.choices_keys]
            if "stream_usage" in provider.fields:
                options.pop("stream_usage", None)
                if isinstance(streaming := options.get("stream_options"), dict):
                    options["stream_options"] = {**streaming, "include_usage": True}
        # Less than one is no limit: some providers read -1 as endless, others refuse it.
        given = [limit for limit in limits if is_count(limit) and limit]
        self.wanted = min([*given, _MOST_OUTPUT]) if given else DEFAULT_MAX_OUTPUT
        self.least = min(self.terms.min_output, self.wanted)
        self.choices = max([1, *(number for number in choices if is_count(number))])

    def _options(self) -> Iterator[dict[str, Any]]:
        """The call's arguments, and each set of options inside them or on the model, free to change."""
        yield self.arguments
        for name in (*self.terms.provider.replacing, *self.terms.provider.merging):
            for holder in (self.arguments, self.model.__dict__):
                if isinstance(options := holder.get(name), dict):
                    holder[name] = dict(options)
                    yield holder[name]

    def _count(self) -> int:
        counter = self.terms.counter or counter_for(self.model, self.arguments.get("model"))
        prompt = {
            k: v for k, v in self.arguments.items() if k not in _STEERING and k != "tools" and v
        }
        for name in _PROMPT_FIELDS:
            if value := getattr(self.model, name, None):
                prompt.setdefault(name, value)
        prompt = {k: v for k, v in prompt.items() if k not in self.terms.provider.choices_keys}
        return counter.count_messages(
            self.messages, tools=self.arguments.get("tools") or (), schema=prompt or None
        )

    def _refuse_unbounded(self) -> None:
        for name in self.terms.provider.server_state:
            if getattr(self.model, name, None) or any(one.get(name) for one in self._options()):
                raise UnboundedInput(
                    f"{name!r} adds to the prompt what the provider keeps or finds, whose tokens cannot be "
                    "bounded before it is sent: send the text itself"
                )
        for tool in self.arguments.get("tools") or ():
            if not isinstance(tool, dict):
                continue
            if tool.get("type") not in _OWN_TOOLS or not _OWN_TOOL_KEYS & tool.keys():
                raise UnboundedInput(
                    f"the tool {str(tool.get('type') or next(iter(tool), ''))!r} runs at the provider "
                    "and adds to the prompt what it finds: give the model a tool of your own"
                )

    def _limit(self, hold: Hold) -> None:
        """Set this call's limit in the model's field, and the call's arguments to match."""
        provider = self.terms.provider
        self.model.__dict__.update({**provider.fields, provider.output_field: self.output})
        for name, key in provider.replacing.items():
            if isinstance(options := self.arguments.get(name), dict):
                options[key] = self.output
        if provider.timeout_key and hold.timeout is not None:
            given = self.arguments.get(
                provider.timeout_key, getattr(self.model, "request_timeout", None)
            )
            seconds = given if isinstance(given, int | float) else hold.timeout
            self.arguments[provider.timeout_key] = min(seconds, hold.timeout)

    def _settle(self, hold: Hold, otherwise: str) -> None:
        """Charge what the provider reported, or else the whole hold."""
        usage = measured(self.seen) if self.complete else None
        if usage is None:
            hold.settle(hold.bound, basis="presumed", detail=otherwise)
            return
        hold.settle(
            Amount(
                input_tokens=usage["input_tokens"],
                output_tokens=usage["output_tokens"],
                nanodollars=self.price.cost(usage) if self.price else 0,
                calls=1,
            ),
            basis="measured",
        )

    def _settle_error(self, hold: Hold, error: BaseException) -> None:
        if not self.answered and never_connected(error):
            hold.release()
        elif not self.answered and (why := was_refused(error, self.terms.provider)):
            hold.settle(Amount(calls=1), basis="measured", detail=f"{why}: not billed")
        else:
            self._settle(hold, f"ended by {type(error).__name__}: its cost is unknown")


def reserve(call: Dispatch) -> Hold:
    """Reserve for a call all it wants, or else the least that is worth it and what more there is."""
    ledger, wait = call.terms.ledger, call.terms.wait
    if (first := call.first_offer()) is not None:
        try:
            return ledger.reserve(first, wait=wait, **call.label())
        except (BudgetExceeded, BudgetBusy) as refused:
            wait = 0 if isinstance(refused, BudgetBusy) else wait
    hold = ledger.reserve(call.last_offer(), wait=wait, **call.label())
    call.grow(hold)
    return hold


async def areserve(call: Dispatch) -> Hold:
    """The same, without blocking the event loop."""
    ledger, wait = call.terms.ledger, call.terms.wait
    if (first := call.first_offer()) is not None:
        try:
            return await ledger.areserve(first, wait=wait, **call.label())
        except (BudgetExceeded, BudgetBusy) as refused:
            wait = 0 if isinstance(refused, BudgetBusy) else wait
    hold = await ledger.areserve(call.last_offer(), wait=wait, **call.label())
    call.grow(hold)
    return hold


def _mark(generation: ChatGeneration) -> dict[str, Any]:
    """What the metadata of an answer say, after marking there whether it was cut at its limit."""
    message = generation.message
    report = {**(generation.generation_info or {}), **message.response_metadata}
    if truncated(report):
        # A copy: the message may be the caller's own.
        metadata = {**message.response_metadata, "truncated": True}
        generation.message = message.model_copy(update={"response_metadata": metadata})
    return report
