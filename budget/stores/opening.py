"""Which store a path or a URL names: the one place that decides it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shoestring.budget.stores.redis.store import SCHEMES, RedisStore
from shoestring.budget.stores.sqlite.store import SQLiteStore

if TYPE_CHECKING:
    import os

    from shoestring.budget.stores.store import Store

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def open_store(path_or_url: str | os.PathLike[str], *, read_only: bool = False) -> Store:
    """Open the store of that name: the path of an SQLite file, or the URL of a Redis server.

    Args:
        path_or_url: Where the ledgers are.
        read_only: Only look; nothing is made that is not there.

    Raises:
        StoreError: If it cannot be used; the subclass and the message say why.
        ValueError: If no store goes by such a URL.
    """
    scheme = _SCHEME.match(str(path_or_url))
    if scheme is None:
        return SQLiteStore(path_or_url, read_only=read_only)
    if scheme[1] not in SCHEMES:
        # The rest of it may hold a password.
        raise ValueError(
            f"no store goes by {scheme[1]:.40}:// : give the path of a ledger file, or a URL that "
            f"begins with {', '.join(f'{known}://' for known in SCHEMES)}"
        )
    return RedisStore(str(path_or_url), read_only=read_only)
