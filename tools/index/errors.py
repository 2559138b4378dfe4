"""What can be wrong with an index.

RuntimeError
├── IndexBusy       another process is updating it
├── IndexCorrupt    its files are damaged
└── IndexMismatch   it was made with another embedder, or by another version
"""

__all__ = ["IndexBusy", "IndexCorrupt", "IndexMismatch"]


class IndexBusy(RuntimeError):  # noqa: N818 - the public name says what is the case
    """Another process holds the index for writing and did not finish in time."""


class IndexCorrupt(RuntimeError):  # noqa: N818 - as above
    """The files of the index are damaged; it can only be built anew."""


class IndexMismatch(RuntimeError):  # noqa: N818 - as above
    """The index was made with another embedder, or by another version of shoestring."""
