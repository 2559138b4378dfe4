"""Much text in, less text out: read, split, index, search, trim."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shoestring.tools.compressor import TrimCompressor
    from shoestring.tools.index import Index, IndexBusy, IndexCorrupt, Update
    from shoestring.tools.read import NothingToRead, Skipped, UnreadableFile, read
    from shoestring.tools.retriever import IndexRetriever
    from shoestring.tools.split import split
    from shoestring.tools.trim import Dropped, Trimmed, trim

__all__ = [
    "Dropped",
    "Index",
    "IndexBusy",
    "IndexCorrupt",
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

_MODULES = {
    "Dropped": "trim",
    "Index": "index",
    "IndexBusy": "index",
    "IndexCorrupt": "index",
    "IndexRetriever": "retriever",
    "NothingToRead": "read",
    "Skipped": "read",
    "TrimCompressor": "compressor",
    "Trimmed": "trim",
    "UnreadableFile": "read",
    "Update": "index",
    "read": "read",
    "split": "split",
    "trim": "trim",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute is anything
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
