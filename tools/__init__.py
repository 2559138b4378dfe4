"""Much text in, less text out: read, split, index, search, trim."""

from shoestring.tools.compressor import TrimCompressor
from shoestring.tools.encodings import CachedEmbeddings, CacheUnusable
from shoestring.tools.index import Index, IndexBusy, IndexCorrupt, IndexMismatch, Update
from shoestring.tools.read import NothingToRead, Skipped, UnreadableFile, read
from shoestring.tools.retriever import IndexRetriever
from shoestring.tools.split import split
from shoestring.tools.trim import Dropped, Trimmed, trim

__all__ = [
    "CacheUnusable",
    "CachedEmbeddings",
    "Dropped",
    "Index",
    "IndexBusy",
    "IndexCorrupt",
    "IndexMismatch",
    "IndexRetriever",
    "NothingToRead",
    "Skipped",
    "TrimCompressor",
    "Trimmed",
    "UnreadableFile",
    "Update",
    "read",
    "split",
    "trim",
]
