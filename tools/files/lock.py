"""A lock between processes: who holds it may write."""

import logging
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["LockHeld", "locked"]

_log = logging.getLogger(__name__)

_POLL = 0.05  # seconds between tries: neither platform's lock call takes a time-out

if sys.platform == "win32":
    import msvcrt

    def _try(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def _free(file: int) -> None:
        os.close(file)
else:
    import fcntl

    def _try(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _free(file: int) -> None:
        # Closing alone would leave the lock with a child that was forked meanwhile.
        fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)


class LockHeld(RuntimeError):  # noqa: N818 - it says what is the case
    """Another process holds the lock and did not free it in time."""


@contextmanager
def locked(path: Path, wait: float) -> Generator[None]:
    """Hold the lock file `path`, waiting at most `wait` seconds for another process.

    The operating system frees the lock when its holder ends, however it ends. Two holders in one
    process exclude each other as well.

    Raises:
        LockHeld: If the other did not finish in time.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
    try:
        deadline = time.monotonic() + wait
        told = False
        while True:
            try:
                _try(file)
                break
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise LockHeld(
                        f"another process is updating {str(path.parent)!r}; waited {wait:g} s. "
                        "Try again when it is done."
                    ) from error
                if not told:
                    _log.warning(
                        "another process is updating %r; waiting up to %g s", str(path.parent), wait
                    )
                    told = True
            time.sleep(_POLL)
        yield
    finally:
        _free(file)
