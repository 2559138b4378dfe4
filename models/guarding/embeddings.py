# ruff: noqa: ANN401 - an integration's methods take more than LangChain's do
"""Guarded embeddings: one reservation for each request.

OpenAI's are metered in the client itself, where requests and their usage are seen. All others hide
them: they are given as many texts at a time as they send in one request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings

from shoestring.budget import Amount
from shoestring.models.counting.counting import counter_for
from shoestring.models.counting.framing import UnboundedInput
from shoestring.models.guarding.clients import quieted
from shoestring.models.guarding.embedders import Embedder, embedder_of, embedding_price, name_of
from shoestring.models.guarding.guarded import Kind, dressed, terms_of, undressed
from shoestring.models.guarding.paying import paying
from shoestring.models.prices import UnknownPrice
from shoestring.models.usage import is_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from shoestring.budget import Hold, Ledger
    from shoestring.models.counting.counting import TokenCounter
    from shoestring.models.prices import Price

# Tokens a model may put around a text: a mark of its start and one of its end.
_MARKS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What guarded embeddings carry: their ledger and how they may draw on it."""

    ledger: Ledger
    name: str
    entry: Embedder
    wait: float
    counter: TokenCounter
    price: Price | None

    def tokens(self, texts: Any) -> int:
        """Count texts, a text, or, of OpenAI's, the numbers of their tokens; never too few."""
        marks = 0 if self.counter.exact else _MARKS
        return sum(
            self.counter.count(text) + marks if isinstance(text, str) else len(text)
            for text in _listed(texts)
        )

    def cost(self, tokens: int, attempts: int = 1) -> Amount:
        """What so many attempts at a request of so many tokens cost."""
        money = self.price.bound(tokens, 0) if self.price else 0
        return Amount(input_tokens=tokens * attempts, nanodollars=money * attempts, calls=attempts)

    def settle(self, hold: Hold, tokens: int, response: Any = None) -> None:
        """Settle by the tokens that the provider reports, or else by those that were counted."""
        usage = getattr(response, "usage", None)
        reported = getattr(usage, "prompt_tokens", None)
        if is_count(reported) and reported:
            hold.settle(self.cost(reported))
        else:
            hold.settle(self.cost(tokens), basis="estimated")

    def request(self, tokens: int) -> dict[str, Any]:
        """What to reserve for one request."""
        return {
            "bound": self.cost(tokens, self.entry.attempts),
            "what": self.name,
            "wait": self.wait,
            "token_price": self.price.token_price if self.price else 0,
        }


def guard_embeddings(
    embeddings: Embeddings,
    ledger: Ledger,
    *,
    batch: int | None = None,
    wait: float = 0,
    counter: TokenCounter | None = None,
    price: Price | None = None,
) -> Embeddings:
    """Guard embeddings; `guard` says how."""
    if wait < 0:
        raise ValueError(f"wait must not be negative, but is {wait}")
    if batch is not None and batch < 1:
        raise ValueError("a batch is at least 1 text")
    plain = undressed(embeddings)
    inside = [type(part).__name__ for part in vars(plain).values() if isinstance(part, Embeddings)]
    if inside:
        raise TypeError(
            f"{type(plain).__name__} is no embedder itself but has one inside ({inside[0]}): "
            "guard that one, as guard_all(it, ledger) does"
        )
    entry = embedder_of(plain, batch)
    price = price or embedding_price(plain, entry)
    if price is None and ledger.remaining.nanodollars is not None:
        raise UnknownPrice(name_of(plain))
    terms = Terms(
        ledger=ledger,
        name=name_of(plain),
        entry=entry,
        wait=wait,
        counter=counter or counter_for(plain, name_of(plain)),
        price=price,
    )
    guarded: Embeddings = put_on(plain, terms)
    return guarded


def put_on(plain: Any, terms: Terms) -> Any:
    """Guard plain embeddings."""
    metered: dict[str, Any] = {}
    for name in terms.entry.resources:
        # Of one that was guarded before, what is inside.
        resource = getattr(plain, name, None)
        resource = resource.resource if isinstance(resource, _Metered) else resource
        cls = _AsyncMetered if name.startswith("async") else _Metered
        metered[name] = None if resource is None else cls(quieted(resource), terms)
    return dressed(plain, terms, METERED if metered else EMBEDDINGS, metered)


class _Metered:
    """OpenAI's resource of embeddings: each `create` is one request, whose usage is reported."""

    def __init__(self, resource: Any, terms: Terms) -> None:
        self.resource = resource
        self.terms = terms

    def __getattr__(self, name: str) -> Any:
        if name == "resource":
            raise AttributeError(name)  # while it is copied, before it has one
        return getattr(self.resource, name)

    def create(self, *, input: Any, **kwargs: Any) -> Any:  # noqa: A002 - the client's word
        """Reserve, send and settle one request."""
        tokens = self.terms.tokens(input)
        hold = self.terms.ledger.reserve(**self.terms.request(tokens))
        with paying(hold, self.terms.entry.provider):
            response = self.resource.create(input=input, **kwargs, **_timed(hold, kwargs))
            self.terms.settle(hold, tokens, response)
        return response


class _AsyncMetered(_Metered):
    """The asynchronous one."""

    async def create(self, *, input: Any, **kwargs: Any) -> Any:  # noqa: A002 - the client's word
        """Reserve, send and settle one request."""
        tokens = self.terms.tokens(input)
        hold = await self.terms.ledger.areserve(**self.terms.request(tokens))
        with paying(hold, self.terms.entry.provider):
            response = await self.resource.create(input=input, **kwargs, **_timed(hold, kwargs))
            self.terms.settle(hold, tokens, response)
        return response


# The methods below stand on the guarded class in place of its own, which they call.


def _embed_documents(self: Any, texts: list[str], *args: Any, **kwargs: Any) -> list[list[float]]:
    terms: Terms = terms_of(self)
    vectors: list[list[float]] = []
    for some in _batches(texts, terms.entry.batch):
        vectors += _embedded(self, "embed_documents", some, args, kwargs)
    return vectors


async def _aembed_documents(
    self: Any, texts: list[str], *args: Any, **kwargs: Any
) -> list[list[float]]:
    terms: Terms = terms_of(self)
    vectors: list[list[float]] = []
    for some in _batches(texts, terms.entry.batch):
        vectors += await _aembedded(self, "aembed_documents", some, args, kwargs)
    return vectors


def _embed_query(self: Any, text: str, *args: Any, **kwargs: Any) -> list[float]:
    vector: list[float] = _embedded(self, "embed_query", text, args, kwargs)
    return vector


async def _aembed_query(self: Any, text: str, *args: Any, **kwargs: Any) -> list[float]:
    vector: list[float] = await _aembedded(self, "aembed_query", text, args, kwargs)
    return vector


def _embedded(
    guarded: Any, method: str, texts: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Send one request."""
    terms: Terms = terms_of(guarded)
    tokens = terms.tokens(texts)
    hold = terms.ledger.reserve(**terms.request(tokens))
    with paying(hold, terms.entry.provider):
        found = getattr(_plain(guarded, terms), method)(texts, *args, **kwargs)
        terms.settle(hold, tokens)
    return found


async def _aembedded(
    guarded: Any, method: str, texts: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Send one request."""
    terms: Terms = terms_of(guarded)
    tokens = terms.tokens(texts)
    hold = await terms.ledger.areserve(**terms.request(tokens))
    with paying(hold, terms.entry.provider):
        found = await getattr(_plain(guarded, terms), method)(texts, *args, **kwargs)
        terms.settle(hold, tokens)
    return found


_METHODS: dict[str, Callable[..., Any]] = {
    "embed_documents": _embed_documents,
    "embed_query": _embed_query,
    "aembed_documents": _aembed_documents,
    "aembed_query": _aembed_query,
}


def _refused(name: str) -> Callable[..., Any]:
    def method(*_: Any, **__: Any) -> Any:
        raise UnboundedInput(
            f"{name}() sends what cannot be counted before it is sent: only texts are guarded"
        )

    return method


def _methods(base: type) -> dict[str, Callable[..., Any]]:
    """Those above, and a refusal of what else embeds: images, sounds, films."""
    others = {name for name in dir(base) if name.startswith(("embed_", "aembed_"))}
    return {**{name: _refused(name) for name in others}, **_METHODS}


EMBEDDINGS = Kind(root=Embeddings, methods=_methods, put_on=put_on)
METERED = Kind(root=Embeddings, methods=lambda _: {}, put_on=put_on)


def _plain(guarded: Any, terms: Terms) -> Any:
    """The embeddings without their guard, and without retries of their own."""
    plain = undressed(guarded)
    clients = {name: quieted(client) for name, client in vars(plain).items() if "client" in name}
    vars(plain).update({**clients, **terms.entry.fields})
    return plain


def _batches(texts: list[str], size: int | None) -> Iterator[list[str]]:
    texts = list(texts)
    step = size or max(len(texts), 1)
    for start in range(0, len(texts), step):
        yield texts[start : start + step]


def _listed(texts: Any) -> Iterable[str | Sequence[int]]:
    """Texts, or the tokens of texts, of what may be one alone."""
    alone = isinstance(texts, str) or (len(texts) > 0 and isinstance(texts[0], int))
    return [texts] if alone else texts


def _timed(hold: Hold, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The seconds left, as the request's time-out."""
    return {} if hold.timeout is None or "timeout" in kwargs else {"timeout": hold.timeout}
