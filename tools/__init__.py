"""Much text in, less text out: read, split, index, search, trim, recall."""

from shoestring.tools.history import (
    HistoryTooLong,
    HistoryTrimmer,
    LeftOut,
    TrimmedHistory,
    trim_history,
)
from shoestring.tools.index.index import Index, IndexBusy, IndexCorrupt, IndexMismatch, Update
from shoestring.tools.index.retriever import IndexRetriever
from shoestring.tools.outline.agent_tools import outline_tools
from shoestring.tools.outline.contents import Contents
from shoestring.tools.outline.errors import (
    OutlineBusy,
    OutlineCorrupt,
    OutlineMismatch,
    UnknownNode,
    WorkerLost,
)
from shoestring.tools.outline.node import Node
from shoestring.tools.outline.opening import Opened
from shoestring.tools.outline.outline import Outline
from shoestring.tools.outline.reading import Found
from shoestring.tools.outline.refining import Refined
from shoestring.tools.readers.files import NothingToRead, Skipped, UnreadableFile, read
from shoestring.tools.relevance.encodings import CachedEmbeddings, CacheUnusable
from shoestring.tools.relevance.ranker import BadRanker, Ranker
from shoestring.tools.relevance.tiers import (
    CrossEncoderTier,
    EmbeddingTier,
    JudgeTier,
    Tier,
    TierCost,
)
from shoestring.tools.splitting.split import split
from shoestring.tools.stash import (
    NotStashed,
    Shelf,
    Stash,
    StashBusy,
    StashCorrupt,
    StashError,
    StashFull,
    StashReadOnly,
    StashUnavailable,
)
from shoestring.tools.stash.recall import RecallTool
from shoestring.tools.trimming.compressor import TrimCompressor
from shoestring.tools.trimming.kinds import KINDS, Kind
from shoestring.tools.trimming.output import TrimmedOutput, trim_output
from shoestring.tools.trimming.trim import Dropped, Trimmed, trim
from shoestring.tools.trimming.units import Unit

__all__ = [
    "KINDS",
    "BadRanker",
    "CacheUnusable",
    "CachedEmbeddings",
    "Contents",
    "CrossEncoderTier",
    "Dropped",
    "EmbeddingTier",
    "Found",
    "HistoryTooLong",
    "HistoryTrimmer",
    "Index",
    "IndexBusy",
    "IndexCorrupt",
    "IndexMismatch",
    "IndexRetriever",
    "JudgeTier",
    "Kind",
    "LeftOut",
    "Node",
    "NotStashed",
    "NothingToRead",
    "Opened",
    "Outline",
    "OutlineBusy",
    "OutlineCorrupt",
    "OutlineMismatch",
    "Ranker",
    "RecallTool",
    "Refined",
    "Shelf",
    "Skipped",
    "Stash",
    "StashBusy",
    "StashCorrupt",
    "StashError",
    "StashFull",
    "StashReadOnly",
    "StashUnavailable",
    "Tier",
    "TierCost",
    "TrimCompressor",
    "Trimmed",
    "TrimmedHistory",
    "TrimmedOutput",
    "Unit",
    "UnknownNode",
    "UnreadableFile",
    "Update",
    "WorkerLost",
    "outline_tools",
    "read",
    "split",
    "trim",
    "trim_history",
    "trim_output",
]
