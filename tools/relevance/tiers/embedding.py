"""Tiers that compare vectors: static embeddings, and a bi-encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from shoestring.tools.relevance.tiers.tier import Floats, TierCost, cosines

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

__all__ = ["EmbeddingTier"]

# Two cores, sentences of 30 tokens: benchmarks/tiers.py. Longer texts take longer in proportion.
_STATIC_SECONDS = 1e-4
_ENCODER_SECONDS = 1 / 86
_MEASURED_TOKENS = 30


@dataclass(frozen=True, slots=True)
class EmbeddingTier:
    """Scores a unit by the cosine of its vector with the query's.

    >>> tier = EmbeddingTier.static()
    >>> near, far = tier.score("a big dog", ["the large hound", "the price of steel"])
    >>> bool(near > far)
    True
    """

    embeddings: "Embeddings"
    """Any LangChain embeddings. Wrap slow ones in `CachedEmbeddings`, paid ones in `guard` first."""
    name: str = "bi-encoder"
    most: int = 64
    """Units it encodes: enough to fill some 2,000 tokens with sentences."""
    weight: float = 0.5
    """Chosen by `benchmarks/tiers.py` on half of the dev cases, confirmed on the other half."""
    seconds: float = _ENCODER_SECONDS
    """Seconds a unit of 30 tokens."""

    @classmethod
    def static(cls) -> Self:
        """The packaged static embeddings: fast enough for thousands of units, and light in weight.

        Raises:
            MissingExtra: If they are not installed.
        """
        from shoestring.models import static_embeddings

        return cls(static_embeddings(), "static", most=2_000, weight=0.2, seconds=_STATIC_SECONDS)

    @classmethod
    def bi_encoder(cls) -> Self:
        """The packaged MiniLM, its encodings kept in the user's cache folder.

        Raises:
            MissingExtra: If it is not installed.
        """
        from shoestring.models import local_embeddings
        from shoestring.tools.relevance.encodings import CachedEmbeddings

        return cls(CachedEmbeddings(local_embeddings()))

    def forecast(self, units: int, tokens: int) -> TierCost:
        """Time alone: what embeddings of a provider cost is not known to LangChain."""
        length = max(1.0, tokens / _MEASURED_TOKENS)
        return TierCost(self.seconds * min(units, self.most) * length)

    def score(self, query: str, units: Sequence[str]) -> Floats | None:
        """Encode the units and the query, and compare them."""
        return cosines(
            self.embeddings.embed_documents(list(units)), self.embeddings.embed_query(query)
        )
