"""Tiers of relevance: what looks again at the units that words alone have ranked.

Words come first and look at all; each tier after them looks only at the best that are left, and costs
more a unit: static embeddings, a bi-encoder, a cross-encoder, a chat model as judge. A tier of
your own is one class with the members of `Tier`.
"""

from shoestring.tools.relevance.tiers.cross_encoder import CrossEncoderTier
from shoestring.tools.relevance.tiers.embedding import EmbeddingTier
from shoestring.tools.relevance.tiers.fusing import Fused, fused
from shoestring.tools.relevance.tiers.judge import JudgeTier
from shoestring.tools.relevance.tiers.named import tiers_named
from shoestring.tools.relevance.tiers.tier import Tier, TierCost

__all__ = [
    "CrossEncoderTier",
    "EmbeddingTier",
    "Fused",
    "JudgeTier",
    "Tier",
    "TierCost",
    "fused",
    "tiers_named",
]
