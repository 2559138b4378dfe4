"""Stored accounts that stand by themselves: no step runs on them, and nobody writes them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoestring.budget.stores.guards import put_sums
from shoestring.budget.stores.rows import (
    StoredAccount,
    StoredRecord,
    labels,
    load_budget,
    load_note,
)
from shoestring.budget.tree.record import NOTHING, Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shoestring.budget.receipt import ReceiptLine
    from shoestring.budget.tree.account import Account
    from shoestring.budget.tree.record import Record


class Detached:
    """Accounts of one tree as an onlooker builds them from what a store tells.

    Args:
        damaged: Makes the error for rows that make no sense.

    Attributes:
        accounts: By key.
    """

    def __init__(self, damaged: Callable[[], Exception]) -> None:
        self._damaged = damaged
        self._known: set[int] = set()
        self.accounts: dict[int, StoredAccount] = {}

    def add(  # noqa: PLR0917  one row, in the order of its columns
        self,
        key: int,
        up: int | None,
        id: str,  # noqa: A002  the public name of the thing
        name: str,
        budget: str | None,
        set_aside: bool,  # noqa: FBT001  as above
        state: str,
        sums: Sequence[int] | None,
        *,
        known: bool,
    ) -> None:
        """Add an account whose parent was added before.

        Args:
            key: Its row.
            up: That of its parent.
            id: How the store finds it.
            name: How messages call it.
            budget: Its budget as text.
            set_aside: Whether that was moved into a hold on its parent.
            state: Its figures as text.
            sums: Its sums; None where they stand in the text.
            known: Whether it was not discarded.
        """
        try:
            parent = None if up is None else self.accounts[up]
            account = StoredAccount(
                id, name, load_budget(budget), 0.0, parent=parent, set_aside=set_aside
            )
            account.key, account.saved = key, None
            if sums is None:
                account.load(state)
            else:
                account.load_rest(state)
                put_sums(account, sums)
        except (ValueError, TypeError, KeyError) as error:
            raise self._damaged() from error
        if parent is not None:
            parent.children.append(account)
        if known:
            self._known.add(key)
        self.accounts[key] = account

    def at(self, now: float) -> None:
        """Let all enter the windows of now; that is seen here, and written nowhere."""
        for account in self.accounts.values():
            account.roll(now)

    def known(self, account: Account) -> bool:
        """Whether an account was not discarded."""
        return isinstance(account, StoredAccount) and account.key in self._known

    def entries(
        self, rows: Iterable[tuple[int, int, str | None, str]]
    ) -> list[tuple[int, Record | ReceiptLine, str]]:
        """Return entries given as (place, account, owner, text) as (place, entry, owner)."""
        found: dict[int, tuple[int, Record | ReceiptLine, str]] = {}
        for seq, ledger, owner, text in rows:
            try:
                found[seq] = seq, _entry(seq, self.accounts[ledger], text), owner or ""
            except (ValueError, TypeError, KeyError) as error:
                raise self._damaged() from error
        return list(found.values())


def _entry(seq: int, account: StoredAccount, text: str) -> Record | ReceiptLine:
    who = labels(text)
    if who is None:
        return load_note(text)
    node, route, purpose, what = who
    record = StoredRecord(Origin(account, node, route, purpose), what, NOTHING, 0.0)
    record.seq = seq
    record.load(text)
    return record
