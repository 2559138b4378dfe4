"""The ledgers in a Redis server as they stand, for onlookers: nothing there is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoestring.budget.errors import not_found
from shoestring.budget.stores import looking
from shoestring.budget.stores.detached import Detached

if TYPE_CHECKING:
    from shoestring.budget.stores.looking import LedgerView, Look
    from shoestring.budget.stores.redis.rows import Rows
    from shoestring.budget.stores.redis.session import RedisSession
    from shoestring.budget.stores.timeline import Timeline

# Deeper than any tree.
_ALL = 10**6


def ledgers(session: RedisSession, timeline: Timeline) -> list[LedgerView]:
    """Return all ledgers, root by root, in tree order; each tree at one instant."""
    places = session.places()
    found: list[LedgerView] = []
    for root in sorted({root for root, _ in places.values()}):
        rows = session.tell({"root": root, "path": [root], "below": [(root, _ALL, False)]})
        # A tree that was discarded meanwhile is told as nothing.
        if rows.accounts:
            tree = _tree(session, rows, places)
            now = timeline.now(rows.seen)
            tree.at(now)
            found += looking.ledgers(now, tree.accounts[root], tree.known)
    return found


def look(session: RedisSession, timeline: Timeline, id: str, lines: int) -> Look:  # noqa: A002  the public name
    """Return a ledger, with all below it.

    Raises:
        LedgerNotFound: If there is none.
    """
    places = session.places()
    if id not in places:
        raise not_found(id)
    root, key = places[id]
    rows = session.tell({"root": root, "path": [key], "below": [(key, _ALL, True)], "owners": True})
    if not rows.accounts:
        raise not_found(id)
    tree = _tree(session, rows, places)
    now = timeline.now(rows.seen)
    tree.at(now)
    # Ended leases are told too, wherever in the tree they are.
    below = {account.id for account in tree.accounts[key].subtree()}
    entries = [
        (seq, of, rows.owners.get((of, seq)), text)
        for (of, seq), text in rows.entries.items()
        if of in tree.accounts and tree.accounts[of].id in below
    ]
    return looking.look(
        now, tree.accounts[key], tree.known, tree.entries(entries), last=lines, total=len(entries)
    )


def _tree(session: RedisSession, rows: Rows, places: dict[str, tuple[int, int]]) -> Detached:
    tree = Detached(session.damaged)
    # Keys are given in order: a parent's is lower than its children's.
    for key, row in sorted(rows.accounts.items()):
        tree.add(
            *(key, row.up, row.id, row.name, row.budget, row.set_aside, row.state, row.sums),
            known=places.get(row.id) == (rows.root, key),
        )
    return tree
