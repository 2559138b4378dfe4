"""One physical call under a ledger: what it may cost, what is sent, what it did cost."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shoestring.budget import Amount, BudgetBusy, BudgetError, BudgetExceeded
from shoestring.models.counting.counting import TokenCounter, counter_for
from shoestring.models.counting.media import has_sound
from shoestring.models.counting.prompting import count_prompt, least_tokens
from shoestring.models.guarding.answer import Answer
from shoestring.models.guarding.boundless import added_by_provider
from shoestring.models.guarding.limits import Limits, set_limit, take_limits
from shoestring.models.guarding.refusals import never_connected, was_refused
from shoestring.models.guarding.watching import Watch
from shoestring.models.prices import Price, UnknownPrice, listed_name, price_named
from shoestring.models.usage import parts

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from langchain_core.messages.ai import UsageMetadata

    from shoestring.budget import Hold, Ledger
    from shoestring.models.providers import Provider

_NO_USAGE = "the provider reported no usage"
_CUT = "cut at its hold: the provider passed the output limit"


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
    server_tools: Mapping[str, Amount]

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
    added: Amount = field(init=False)
    prompt: int = field(init=False)
    sounds: int = field(init=False)
    limits: Limits = field(init=False)
    counter: TokenCounter = field(init=False)
    output: int = field(default=0, init=False)
    answer: Answer = field(default_factory=Answer, init=False)
    settled: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Read the caller's limits out of the call and count its prompt.

        Raises:
            UnknownPrice: If money is capped and the model's price is not known.
            UnboundedInput: If the prompt cannot be bounded in tokens.
            UnboundedOutput: If the answer cannot.
            ThinkingLimit: If the limit leaves too little to think.
            BudgetExceeded: If the prompt cannot fit, however it is counted.
        """
        names = self.model._get_ls_params(**self.arguments)  # noqa: SLF001 - LangChain's own hook
        self.name = names.get("ls_model_name") or type(self.model).__name__
        self.price = self.terms.price or price_named(
            self.model, self.arguments, names, sounds=has_sound(self.messages)
        )
        if self.price is None and self.terms.ledger.remaining.nanodollars is not None:
            raise UnknownPrice(self.name)
        provider = self.terms.provider
        self.added = added_by_provider(
            self.model,
            self.arguments,
            provider=provider,
            name=self.name,
            bounds=self.terms.server_tools,
        )
        self.limits = take_limits(
            provider,
            self.model,
            self.arguments,
            name=self.name,
            max_output=self.terms.max_output,
            min_output=self.terms.min_output,
        )
        self._refuse_hopeless()
        self.counter = self.terms.counter or counter_for(self.model, self.arguments.get("model"))
        self.prompt, self.sounds = count_prompt(
            self.messages,
            self.counter,
            provider=provider,
            name=listed_name(self.model, names),
            model=self.model,
            arguments=self.arguments,
        )
        self.prompt += self.added.input_tokens

    def bound(self, output: int) -> Amount:
        """The most the call may spend when each answer is limited to `output` tokens."""
        attempts = self.terms.provider.attempts
        written = output * self.limits.choices
        money = self.price.bound(self.prompt, written) if self.price else 0
        money += self.added.nanodollars
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
        self.output = self.limits.wanted if self.terms.wait > 0 else self._affordable(Amount())
        return self.bound(self.output) if self.output >= self.limits.least else None

    def last_offer(self) -> Amount:
        """The least that is worth a call: its refusal is the call's refusal."""
        self.output = self.limits.least
        return self.bound(self.output)

    def _grow(self, hold: Hold) -> None:
        """Take the room that a hold for less than is wanted leaves, unless it is gone by now."""
        held = self.bound(self.output)
        if self.output < self.limits.wanted and (more := self._affordable(held)) > self.output:
            with contextlib.suppress(BudgetError):
                hold.extend(self.bound(more) - held)
                self.output = more

    def label(self) -> dict[str, Any]:
        """What each reservation says of the call."""
        return {"what": self.name, "token_price": self.price.token_price if self.price else 0}

    @contextlib.contextmanager
    def sent(self, hold: Hold) -> Generator[BaseChatModel]:
        """The model to call, limited; on leaving, the hold is settled by what is known."""
        handled = sys.exception()
        with hold:
            self._grow(hold)
            set_limit(
                self.terms.provider,
                self.model,
                self.arguments,
                output=self.output,
                seconds=hold.timeout,
            )
            self.answer.watch = Watch(self.output * self.limits.choices, self.counter)
            hold.dispatching()
            try:
                yield self.model
            except BaseException as error:
                self._settle_error(hold, error, handled)
                raise
            # Where a provider may not say why an answer ended, a report that comes last is whole.
            passed = self.answer.passed
            if self.answer.reported and not passed and not self.terms.provider.says_end:
                self.answer.complete = True
            self._settle(hold, _CUT if passed else _NO_USAGE)

    def saw_event(self, event: Mapping[str, Any], hold: Hold) -> Mapping[str, Any]:
        """Take note of one event of LangChain's streaming protocol; returns what to pass on.

        The last one settles: who reads the stream asks for no more after it.
        """
        passed_on = self.answer.saw_event(event)
        if event.get("event") == "error":
            self._settle(hold, "ended by an error in the stream: its cost is unknown")
        elif event.get("event") == "message-finish":
            self._settle(hold, _NO_USAGE)
        return passed_on

    def cut_event(self, hold: Hold) -> Mapping[str, Any]:
        """Settle a stream of events that was cut at its hold; returns the one that ends it."""
        self._settle(hold, _CUT)
        return {"event": "message-finish", "metadata": {"truncated": True}}

    def _affordable(self, held: Amount) -> int:
        """Output tokens each answer may have by what is left and what the call already holds."""
        room, attempts = self.terms.ledger.affordable(), self.terms.provider.attempts
        fits = self.limits.wanted
        if room.tokens is not None:
            free = room.tokens + held.tokens - self.prompt * attempts
            fits = min(fits, free // (self.limits.choices * attempts))
        if room.nanodollars is not None and self.price:
            money = (room.nanodollars + held.nanodollars) // attempts - self.added.nanodollars
            bought = self.price.output_within(self.prompt, money)
            fits = fits if bought is None else min(fits, bought // self.limits.choices)
        # A limit that does not fit is no reason to take all that is left.
        return fits if fits >= self.limits.wanted else min(fits, self.limits.usual)

    def _refuse_hopeless(self) -> None:
        """Refuse a prompt that cannot fit by its length alone: counting it would take longer."""
        self.prompt = least_tokens(self.messages)
        room, least = self.terms.ledger.affordable(), self.bound(self.limits.least)
        fits = (room.tokens is None or least.tokens <= room.tokens) and (
            room.nanodollars is None or least.nanodollars <= room.nanodollars
        )
        if not fits:
            try:
                self.terms.ledger.reserve(least, **self.label()).release()
            except BudgetBusy:
                if not self.terms.wait:
                    raise

    def _settle(self, hold: Hold, otherwise: str) -> None:
        """Charge what the provider reported, or else the whole hold."""
        if self.settled:
            return
        self.settled = True
        if (usage := self.answer.usage) is None:
            hold.settle(hold.bound, basis="presumed", detail=otherwise)
            return
        hold.settle(
            Amount(
                input_tokens=usage["input_tokens"],
                output_tokens=usage["output_tokens"],
                # What tools at the provider cost beside their tokens, no report says.
                nanodollars=self.added.nanodollars + self._cost(usage),
                calls=1,
            ),
            basis="measured",
            detail="; ".join(part for part in (parts(usage), self._stand_in()) if part),
        )

    def _cost(self, usage: UsageMetadata) -> int:
        """What the provider bills for what it reported; sounds at their rate, also where it told none."""
        if self.price is None:
            return 0
        if self.sounds:
            heard: Any = {"audio": min(self.sounds, usage["input_tokens"])}
            usage = {
                **usage,
                "input_token_details": heard | (usage.get("input_token_details") or {}),
            }
        return self.price.cost(usage)

    def _stand_in(self) -> str:
        """Who answered, where it was not the model that was asked, whose price was charged."""
        asked = self.name.rpartition("/")[2].removesuffix("-latest")
        # On Bedrock the maker's name stands before the model's: "anthropic.claude-…".
        named = self.answer.named
        same = asked in named or f".{named}" in asked
        return f"answered by {named}" if named and not same else ""

    def _settle_error(
        self, hold: Hold, error: BaseException, handled: BaseException | None
    ) -> None:
        provider = self.terms.provider
        if not self.answer.begun and never_connected(error, provider, handled):
            hold.release()
        elif not self.answer.begun and (why := was_refused(error, provider, handled)):
            hold.settle(Amount(calls=1), basis="measured", detail=f"{why}: not billed")
        else:
            self._settle(hold, f"ended by {type(error).__name__}: its cost is unknown")


def reserve(call: Dispatch) -> Hold:
    """Reserve for a call what it wants or can afford of it, or else the least that is worth it."""
    ledger, wait = call.terms.ledger, call.terms.wait
    if (first := call.first_offer()) is not None:
        try:
            return ledger.reserve(first, wait=wait, **call.label())
        except (BudgetExceeded, BudgetBusy) as refused:
            wait = 0 if isinstance(refused, BudgetBusy) else wait
    return ledger.reserve(call.last_offer(), wait=wait, **call.label())


async def areserve(call: Dispatch) -> Hold:
    """The same, without blocking the event loop."""
    ledger, wait = call.terms.ledger, call.terms.wait
    if (first := call.first_offer()) is not None:
        try:
            return await ledger.areserve(first, wait=wait, **call.label())
        except (BudgetExceeded, BudgetBusy) as refused:
            wait = 0 if isinstance(refused, BudgetBusy) else wait
    return await ledger.areserve(call.last_offer(), wait=wait, **call.label())
