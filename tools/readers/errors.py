"""Why a file was not read.

ValueError
├── UnreadableFile   one file: missing, special, binary, empty, too large, broken
└── NothingToRead    a folder, or a call, with no readable file at all
"""

__all__ = ["NothingToRead", "UnreadableFile"]


class UnreadableFile(ValueError):  # noqa: N818 - the public name says what happened
    """A file that was asked for cannot be read.

    Attributes:
        source: The file, as it was named.
        reason: What is wrong with it, and the cure where there is one.
    """

    def __init__(self, source: str, reason: str) -> None:
        """Say that `source` cannot be read because of `reason`."""
        super().__init__(f"cannot read {source!r}: {reason}")
        self.source = source
        self.reason = reason


class NothingToRead(ValueError):  # noqa: N818 - as above
    """There is no readable file among the paths given."""
