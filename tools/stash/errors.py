"""What can be wrong with a stash.

RuntimeError
└── StashError
    ├── NotStashed         no text of this conversation has that handle, or no longer
    ├── StashUnavailable   its file cannot be opened or used
    ├── StashBusy          other processes kept its file locked for too long
    ├── StashReadOnly      its file or folder may not be written to
    ├── StashFull          its disk is full
    └── StashCorrupt       its file is damaged, or no stash
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "NotStashed",
    "StashBusy",
    "StashCorrupt",
    "StashError",
    "StashFull",
    "StashReadOnly",
    "StashUnavailable",
    "told",
]

_PRIMARY = 0xFF  # the lower byte of SQLite's extended result codes


class StashError(RuntimeError):
    """Anything a stash cannot do."""


class NotStashed(StashError):  # noqa: N818 - a state, not a fault
    """No text of this conversation has that handle; it may have been let go for want of room."""


class StashUnavailable(StashError):  # noqa: N818 - as above
    """The file cannot be opened or used."""


class StashBusy(StashError):  # noqa: N818 - as above
    """Other processes kept the file locked for too long."""


class StashReadOnly(StashError):  # noqa: N818 - as above
    """The file or its folder may not be written to."""


class StashFull(StashError):  # noqa: N818 - as above
    """The disk is full."""


class StashCorrupt(StashError):  # noqa: N818 - as above
    """The file is damaged, or it is no stash."""


def told(path: Path, error: sqlite3.Error) -> StashError:
    """Return the named error for what SQLite says of a file, with its cure."""
    kinds: dict[int, tuple[type[StashError], str]] = {
        sqlite3.SQLITE_BUSY: (StashBusy, "other processes kept it locked: try again"),
        sqlite3.SQLITE_LOCKED: (StashBusy, "other processes kept it locked: try again"),
        sqlite3.SQLITE_READONLY: (
            StashReadOnly,
            "it may not be written to: allow this user to write to the file and to its folder",
        ),
        sqlite3.SQLITE_FULL: (StashFull, "its disk is full: make room, or give it less to keep"),
        sqlite3.SQLITE_CORRUPT: (StashCorrupt, "it is damaged: delete it, what it kept is lost"),
        sqlite3.SQLITE_NOTADB: (StashCorrupt, "it is no stash: choose another path"),
    }
    kind, why = kinds.get(
        getattr(error, "sqlite_errorcode", 0) & _PRIMARY,
        (StashUnavailable, f"{error}: see that its folder exists and can be used"),
    )
    return kind(f"stash {path}: {why}")
