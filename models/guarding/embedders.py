"""What a guard must know of embeddings: how they send texts, and what they cost.

LangChain's interface returns vectors and nothing else: neither usage nor the number of requests
comes with them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from shoestring.models.prices import Price
from shoestring.models.providers import REFUSED, Provider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.embeddings import Embeddings


@dataclass(frozen=True, slots=True)
class Embedder:
    """How one class of embeddings sends its texts.

    Attributes:
        name: The provider, as genai-prices calls it; empty where it costs nothing.
        classes: `module.Class` prefixes, matched against the class that defines `embed_documents`:
            one derived from it that embeds in a way of its own is another.
        batch: Texts it sends in one request; None: all it is given.
        attempts: Requests it may make for one where it cannot be told not to retry.
        fields: Fields forced on the copy that sends.
        resources: Attributes that hold the client's resource which sends each request, to be
            metered itself; the fields above are then not used.
        unbilled: HTTP statuses that are not billed.
    """

    name: str
    classes: tuple[str, ...]
    batch: int | None = 1
    attempts: int = 1
    fields: Mapping[str, Any] = field(default_factory=dict)
    resources: tuple[str, ...] = ()
    unbilled: frozenset[int] = REFUSED

    @property
    def provider(self) -> Provider:
        """What tells errors that were billed from those that were not."""
        return Provider(
            name=self.name,
            classes=(),
            output_field="",
            output_keys=frozenset(),
            unbilled=self.unbilled,
            attempts=self.attempts,
        )


EMBEDDERS = (
    Embedder("openai", ("langchain_openai.",), resources=("client", "async_client")),
    Embedder("", ("langchain_ollama.",), batch=None),
    # Its batches depend on a tokenizer it fetches.
    Embedder("mistral", ("langchain_mistralai.",), fields={"max_retries": 0}),
    Embedder("google", ("langchain_google_genai.",)),
    # botocore's default mode; its handlers are fixed once the client is built.
    Embedder("aws", ("langchain_aws.",), attempts=5),
    Embedder(
        "",
        ("shoestring.models.embedding.sentences.", "shoestring.models.embedding.static."),
        batch=None,
        unbilled=frozenset(),
    ),
    Embedder("", ("langchain_huggingface.embeddings.huggingface.",), batch=None),
    Embedder("", ("langchain_core.embeddings.fake.",), batch=None),
)


def embedder_of(embeddings: Embeddings, batch: int | None) -> Embedder:
    """The entry for embeddings; a class that is not in the table sends one text at a time.

    Args:
        embeddings: The embeddings.
        batch: Texts it sends in one request, if the caller says so.
    """
    sender = next(base for base in type(embeddings).__mro__ if "embed_documents" in vars(base))
    for entry in EMBEDDERS:
        if f"{sender.__module__}.{sender.__qualname__}".startswith(entry.classes):
            return entry if batch is None else replace(entry, batch=batch)
    fields = {"max_retries": 0} if hasattr(embeddings, "max_retries") else {}
    return Embedder("unknown", (), batch=batch or 1, fields=fields, unbilled=frozenset())


def name_of(embeddings: Embeddings) -> str:
    """The name of the model, or of the class where it has none."""
    for key in ("model", "model_name", "model_id", "name"):
        if isinstance(name := getattr(embeddings, key, None), str) and name:
            return name
    return type(embeddings).__name__


def embedding_price(embeddings: Embeddings, entry: Embedder) -> Price | None:
    """What a million tokens cost, or None where it is not known."""
    if not entry.name:
        return Price(0, 0)
    from genai_prices.data_snapshot import get_snapshot

    url = getattr(embeddings, "openai_api_base", None)
    # Another server with OpenAI's interface has prices of its own, or none that are known.
    provider = None if url else entry.name
    try:
        _, found = get_snapshot().find_provider_model(name_of(embeddings), None, provider, url)
    except LookupError:
        return None
    rate = found.get_prices(datetime.now(tz=UTC)).input_mtok
    if rate is None:
        return None
    tiers = [] if isinstance(rate, Decimal) else [rate.base, *(tier.price for tier in rate.tiers)]
    return Price(max([rate] if isinstance(rate, Decimal) else tiers), 0)
