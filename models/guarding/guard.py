"""`guard(model, ledger)`: the same thing, unable to overspend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.runnables import RunnableBinding
from langchain_core.tools import BaseTool

from shoestring.models.guarding import chat as guarded_chat
from shoestring.models.guarding import configurable as guarded_configurable
from shoestring.models.guarding import llm as guarded_llm
from shoestring.models.guarding.dispatch import Terms
from shoestring.models.guarding.embeddings import guard_embeddings
from shoestring.models.guarding.guarded import undressed
from shoestring.models.guarding.tool import guard_tool
from shoestring.models.prices import known_price
from shoestring.models.providers import provider_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain.chat_models.base import _ConfigurableModel

    from shoestring.budget import Amount, Budget, Ledger
    from shoestring.models.counting.counting import TokenCounter
    from shoestring.models.guarding.tool import Cost, Spent
    from shoestring.models.prices import Price

ToolT = TypeVar("ToolT", bound=BaseTool)
EmbeddingsT = TypeVar("EmbeddingsT", bound=Embeddings)
ModelT = TypeVar("ModelT", bound="BaseChatModel | BaseLLM | _ConfigurableModel")


@overload
def guard(
    model: ToolT,
    /,
    ledger: Ledger,
    *,
    cost: Cost = ...,
    spent: Spent | None = None,
    within: Budget | None = None,
    wait: float = 0,
) -> ToolT: ...


@overload
def guard(
    model: EmbeddingsT,
    /,
    ledger: Ledger,
    *,
    batch: int | None = None,
    wait: float = 0,
    counter: TokenCounter | None = None,
    price: Price | None = None,
) -> EmbeddingsT: ...


@overload
def guard(
    model: ModelT,
    /,
    ledger: Ledger,
    *,
    max_output: int | None = None,
    min_output: int = 16,
    wait: float = 0,
    counter: TokenCounter | None = None,
    price: Price | None = None,
    output_field: str | None = None,
    server_tools: Mapping[str, Amount] | None = None,
) -> ModelT: ...


def guard(model: Any, /, ledger: Ledger, **options: Any) -> Any:  # noqa: D417 - see above
    """Return the same model, embedder or tool, unable to spend more than the ledger allows.

    **A chat model** or a completion model: every request reserves its prompt (tools, schemas and
    framing included) and the most its answer may be before it is sent, is sent with that limit, and
    is settled with the usage the provider reports; where none is reported, or the call ends in an
    unclear way, with all that was reserved. An answer that was cut at its limit carries
    `truncated: True` in its `response_metadata` (of a completion: in its `generation_info`).
    Retries hidden in the provider's client are switched off: `with_retry` retries under the guard.
    A hit in LangChain's cache costs nothing. A completion model sends several prompts one by one. A
    model of `init_chat_model(configurable_fields=…)` is guarded when it is chosen, at each call.

    **Embeddings**: the same for the tokens of the texts, one reservation for each request.

    **A tool**: its cost is reserved before each run and settled after it. It stays the tool it was:
    name, schemas, injected arguments, `response_format`. Arguments that do not fit its schema
    cost nothing; a run that raises costs what was reserved.

    Args:
        model: What may spend. A guarded one is guarded by `ledger` instead.
        ledger: What it may spend; `ledger.at(node=…)` labels its receipt lines.
        max_output: The most tokens of one answer; a smaller limit of the caller's own still holds.
            None: the caller's limit, or 1,024 tokens where there is none. A limit that cannot be
            afforded is cut to what can be, and to no more than 1,024.
        min_output: Tokens below which an answer is not worth a call: nothing is sent then.
        wait: Seconds to wait for what other calls hold.
        counter: Counts the prompt; by default the model's own vocabulary where it is known, else an
            upper bound from its bytes.
        price: What the model costs, where genai-prices does not know it.
        output_field: The field of the model that limits its answers, where the class is not known.
        server_tools: Tools that may run at the provider, such as "web_search", with the most that
            all their uses may add to one call: `input_tokens`, and fees in `nanodollars`, which are
            charged whenever the tool is offered. It is believed; no provider enforces it.
        batch: Of embeddings whose class is not known: how many texts it sends in one request. None:
            one; more texts are given to it one by one.
        cost: The most one run of a tool may cost: an `Amount`, or a function of its arguments. By
            default nothing: the run is noted, and refused where the ledger is closed.
        spent: Reads from a tool's result what the run did cost; by default, and where it returns
            None, the cost that was reserved.
        within: What the models inside a tool may spend in one run: they are guarded by a child of
            the ledger under this budget, opened for each run.

    Raises:
        TypeError: If it is none of these, but something that wraps one; `guard_all` takes that.
        ValueError: If a limit is below one token, `wait` is negative or `server_tools` states
            output tokens or calls.
        UnknownProvider: If it is not known how the model's answers are limited.
        UnknownPrice: If the ledger caps dollars and the model's price is not known.

    A call of what is guarded raises `BudgetExceeded` where it does not fit (a model's: where even
    `min_output` does not), and `UnboundedInput` where a prompt cannot be bounded, as with a tool
    that runs at the provider.
    """
    if isinstance(model, BaseTool):
        return guard_tool(model, ledger, **options)
    if isinstance(model, Embeddings):
        return guard_embeddings(model, ledger, **options)
    if isinstance(model, BaseChatModel | BaseLLM):
        return guard_model(model, ledger, **options)
    if guarded_configurable.is_configurable(model):
        terms = guarded_configurable.Terms(ledger=ledger, guard_model=guard_model, options=options)
        return guarded_configurable.put_on(undressed(model), terms)
    raise TypeError(_not_a_model(model))


def guard_model(
    model: BaseChatModel | BaseLLM,
    ledger: Ledger,
    *,
    max_output: int | None = None,
    min_output: int = 16,
    wait: float = 0,
    counter: TokenCounter | None = None,
    price: Price | None = None,
    output_field: str | None = None,
    server_tools: Mapping[str, Amount] | None = None,
) -> BaseChatModel | BaseLLM:
    """Guard a chat model or a completion model; `guard` says how."""
    if min_output < 1 or (max_output is not None and max_output < 1):
        raise ValueError("max_output and min_output are at least 1 token")
    if wait < 0:
        raise ValueError(f"wait must not be negative, but is {wait}")
    if any(bound.output_tokens or bound.calls for bound in (server_tools or {}).values()):
        raise ValueError("server_tools takes input_tokens and nanodollars: an answer has its limit")
    # The tables ask only what both kinds of model have: their class, fields and LangSmith names.
    plain = cast("BaseChatModel", undressed(model))
    terms = Terms(
        ledger=ledger,
        provider=provider_of(plain, output_field),
        max_output=max_output,
        min_output=min_output,
        wait=wait,
        counter=counter,
        price=price,
        server_tools=server_tools or {},
    )
    if ledger.remaining.nanodollars is not None and price is None:
        known_price(plain)  # refused now, not at the first call
    kind = guarded_llm if isinstance(model, BaseLLM) else guarded_chat
    guarded: BaseChatModel | BaseLLM = kind.put_on(plain, terms)
    return guarded


def _not_a_model(model: object) -> str:
    name = type(model).__name__
    if isinstance(model, RunnableBinding):
        return (
            f"{name} is a model with arguments bound to it: guard the model first, then bind, "
            "as in guard(model, ledger).bind_tools(tools), or guard_all(it, ledger)"
        )
    return (
        f"guard takes a LangChain chat model, completion model, embeddings or tool, not {name}: "
        "guard the model inside it, or all of them with guard_all(it, ledger)"
    )
