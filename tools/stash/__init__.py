"""The stash: where text that was left out waits to be recalled."""

from shoestring.tools.stash.errors import (
    NotStashed,
    StashBusy,
    StashCorrupt,
    StashError,
    StashFull,
    StashReadOnly,
    StashUnavailable,
)
from shoestring.tools.stash.stash import Shelf, Stash

__all__ = [
    "NotStashed",
    "Shelf",
    "Stash",
    "StashBusy",
    "StashCorrupt",
    "StashError",
    "StashFull",
    "StashReadOnly",
    "StashUnavailable",
]
