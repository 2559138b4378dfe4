"""Much text in, less text out: read, split, index, search, trim."""

from shoestring.tools.compressor import TrimCompressor
from shoestring.tools.encodings import CachedEmbeddings, CacheUnusable
from shoestring.tools.index import Index, IndexBusy, IndexCorrupt, IndexMismatch, Update
from shoestring.tools.ranker import BadRanker, Ranker
from shoestring.tools.read import NothingToRead, Skipped, UnreadableFile, read
from shoestring.tools.retriever import IndexRetriever
from shoestring.tools.split import split
from shoestring.tools.tiers import CrossEncoderTier, EmbeddingTier, JudgeTier, Tier, TierCost
from shoestring.tools.trim import Dropped, Trimmed, trim

__all__ = [
    "BadRanker",
    "CacheUnusable",
    "CachedEmbeddings",
    "CrossEncoderTier",
    "Dropped",
    "EmbeddingTier",
    "Index",
    "IndexBusy",
    "IndexCorrupt",
    "IndexMismatch",
    "IndexRetriever",
    "JudgeTier",
    "NothingToRead",
    "Ranker",
    "Skipped",
    "Tier",
    "TierCost",
    "TrimCompressor",
    "Trimmed",
    "UnreadableFile",
    "Update",
    "read",
    "split",
    "trim",
]
