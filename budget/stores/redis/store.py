"""Ledgers in a Redis or Valkey server: many hosts share them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shoestring.budget.amount import check_units
from shoestring.budget.ledger import Ledger
from shoestring.budget.stores.redis import reading as redis_reading
from shoestring.budget.stores.redis.session import RedisSession
from shoestring.budget.stores.redis.wire import Wire
from shoestring.budget.stores.stored import StoredTree
from shoestring.budget.stores.timeline import ServerClock, Timeline
from shoestring.budget.tree.listening import Listeners

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoestring.budget.budget import Budget
    from shoestring.budget.stores.looking import LedgerView, Look
    from shoestring.budget.tree.tree import Tree

SCHEMES = ("redis", "rediss", "unix")
# No answer takes longer, unless the server hangs or the network is cut.
_LEAST_TIMEOUT = 1.0


class RedisStore:
    """Keeps ledgers in a Redis server, for all processes and threads of all hosts that reach it.

    Each step of a ledger, over all its ancestors, happens as a whole or not at all: it is worked out
    here, and one script in the server keeps it if what it relied on still holds. A hold is in the
    server before `reserve` returns. A hold whose process has ended is charged in full, presumed, when
    a ledger of its tree is next reopened (`ledger`) or waited at on the same host; one whose lease
    has ended, at the next step of its tree, from anywhere.

    Time is the server's. It pickles as its URL, password included, and reconnects; so do its ledgers
    and holds. It may be used after a fork.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`, with user, password and database as
            redis-py reads them. Redis 7 or Valkey, one primary; no Redis Cluster.
        prefix: What the names of all its keys begin with.
        patience: Seconds to go on trying while the server does not answer, before
            `StoreUnavailable`.
        clock: Seconds, for leases and active time; must mean the same in all processes. None for
            the server's time; if that jumps back, time goes on from where it was.
        read_only: Only look, with `ledgers` and `look`; nothing in the server is changed.

    Raises:
        StoreError: If the server cannot be used; the subclass and the message say why.
        MissingExtra: If redis-py is not installed.
        ValueError: If the URL, the prefix or the patience makes no sense.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_url",
        "listeners",
        "patience",
        "prefix",
        "read_only",
        "session",
        "timeline",
    )

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "shoestring",
        patience: float = 5.0,
        clock: Callable[[], float] | None = None,
        read_only: bool = False,
    ) -> None:
        if urlsplit(url).scheme not in SCHEMES:
            msg = "a RedisStore needs a URL that begins with redis://, rediss:// or unix://"
            raise ValueError(msg)
        if not prefix:
            msg = "prefix must not be empty: other programs may use the server, too"
            raise ValueError(msg)
        if not patience >= 0:
            msg = f"patience must not be negative, but is {patience}"
            raise ValueError(msg)
        self._url = url
        self.prefix = prefix
        self.patience = patience
        self.read_only = read_only
        self._clock = clock
        self.listeners = Listeners()
        server = ServerClock()
        self.timeline = Timeline(server if clock is None else clock)
        self.session = RedisSession(
            Wire(url, max(patience, _LEAST_TIMEOUT), f"{prefix}:"),
            f"ledgers {prefix!r} in {_shown(url)}",
            self.timeline,
            server,
            patience,
            read_only=read_only,
        )
        self.session.open()

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (self._url, self.prefix, self.patience, self._clock, self.read_only)

    def plant(self, id: str, name: str, budget: Budget) -> Tree:  # noqa: A002  the public name
        """Open a tree of one account; `Ledger` does this itself.

        Raises:
            ValueError: If the store holds a ledger of that id.
        """
        return StoredTree.planted(self, id, name, budget)  # pyright: ignore[reportArgumentType]  one class, seen under two paths

    def add(self, ledger: Ledger) -> None:
        """Do nothing: a ledger was written with its account, and is found by its id."""

    def ledger(self, id: str) -> Ledger:  # noqa: A002  the public name of the thing
        """Return the ledger of that id, with its spending and its holds.

        Open holds in its tree whose process, on this host, has ended are charged in full first,
        presumed.

        Raises:
            LedgerNotFound: If there is none.
        """
        tree, account = StoredTree.found(self, id)  # pyright: ignore[reportArgumentType]  as above
        return Ledger._found(self, tree, account)  # noqa: SLF001  of one house

    def discard(self, id: str) -> None:  # noqa: A002  the public name of the thing
        """Let go of a ledger nobody will ask for again, and of all below; no change if there is none.

        A root is deleted with its whole tree, spending and receipts. A child is no longer found,
        and its id is free; what it has spent stays part of its parent's sums and receipt.
        """
        for gone in self.session.discard(id):
            self.listeners.drop(gone)

    def ledgers(self) -> list[LedgerView]:
        """Return all ledgers in tree order, each tree at one instant. Looking changes nothing."""
        return redis_reading.ledgers(self.session, self.timeline)

    def look(self, id: str, *, lines: int = 20) -> Look:  # noqa: A002  the public name of the thing
        """Return a ledger at one instant: all below it, its open holds and its last receipt lines.

        Looking changes nothing: holds that are overdue are shown, and not charged.

        Raises:
            LedgerNotFound: If there is none.
        """
        return redis_reading.look(self.session, self.timeline, id, check_units("lines", lines))

    def close(self) -> None:
        """Close the connection; a later use opens another."""
        self.session.close()

    def __repr__(self) -> str:
        return f"<RedisStore {self.prefix!r} in {_shown(self._url)}>"


def _reopen(
    url: str,
    prefix: str,
    patience: float,
    clock: Callable[[], float] | None,
    read_only: bool,  # noqa: FBT001  pickled by position
) -> RedisStore:
    return RedisStore(url, prefix=prefix, patience=patience, clock=clock, read_only=read_only)


def _shown(url: str) -> str:
    """Return the URL as it may be shown: without user, password and options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
