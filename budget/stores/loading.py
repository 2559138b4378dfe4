"""What a step has loaded from a store, built from the text that stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoestring.budget.stores.rows import StoredRecord, labels, load_budget, load_note
from shoestring.budget.tree.record import NOTHING, Origin

if TYPE_CHECKING:
    from shoestring.budget.receipt import ReceiptLine
    from shoestring.budget.stores.rows import StoredAccount
    from shoestring.budget.stores.stored import StoredTree


class Loading:
    """The accounts, by key, and the requests, by place, that one step knows.

    What makes no sense is `StoreCorrupt`.
    """

    __slots__ = ("_accounts", "_records", "_tree")

    def __init__(self, tree: StoredTree) -> None:
        self._tree = tree
        self._accounts: dict[int, StoredAccount] = {}
        self._records: dict[int, StoredRecord] = {}

    def account(self, key: int) -> StoredAccount:
        """Return the account of that key, with all above it."""
        raise NotImplementedError

    def _built(
        self,
        key: int,
        id: str,  # noqa: A002  the public name of the thing
        name: str,
        budget: str | None,
        parent: StoredAccount | None,
        *,
        set_aside: bool,
    ) -> StoredAccount:
        """Return an account whose figures are still to be loaded."""
        try:
            account = self._tree.loaded(id, name, load_budget(budget), parent, set_aside=set_aside)
        except (ValueError, TypeError) as error:
            raise self._tree.damaged() from error
        account.key = key
        return account

    def _record(self, seq: int, key: int, text: str) -> StoredRecord | None:
        """Return the request at that place, of the account of that key; None if it is a note."""
        known = self._records.get(seq)
        if known is not None:
            return known
        try:
            who = labels(text)
        except (ValueError, TypeError) as error:
            raise self._tree.damaged() from error
        if who is None:
            return None
        node, route, purpose, what = who
        record = StoredRecord(Origin(self.account(key), node, route, purpose), what, NOTHING, 0.0)
        record.seq = seq
        self._load(record, text)
        self._records[seq] = record
        return record

    def _load(self, record: StoredRecord, text: str) -> None:
        try:
            record.load(text)
        except (ValueError, TypeError) as error:
            raise self._tree.damaged() from error

    def _note(self, text: str) -> ReceiptLine:
        try:
            return load_note(text)
        except (ValueError, TypeError) as error:
            raise self._tree.damaged() from error
