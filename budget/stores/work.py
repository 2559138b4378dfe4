"""What one step on stored accounts asks of the store it works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoestring.budget.receipt import ReceiptLine
    from shoestring.budget.stores.rows import StoredAccount, StoredRecord
    from shoestring.budget.tree.account import Account
    from shoestring.budget.tree.record import Origin, Record


class Work(Protocol):
    """What one step has loaded, and what it writes back."""

    # Loading.

    def begin(self, subject: Account | Origin | Record, *, looks: bool) -> float:
        """Load the path of an account, and the request, that is asked about.

        Args:
            subject: Where the step is.
            looks: Whether it only looks, and wants what stands in the store now.

        Returns:
            The time of this step.
        """
        ...

    def account(self, key: int) -> StoredAccount:
        """Return the account of that key, with all above it."""
        ...

    def children(self, parent: StoredAccount) -> Iterator[StoredAccount]:
        """Yield the accounts right below one."""
        ...

    def entries(self, account: StoredAccount) -> Iterator[tuple[int, Record | ReceiptLine]]:
        """Yield what the account's own receipt lists."""
        ...

    def request(self, account: StoredAccount, seq: int) -> StoredRecord | None:
        """Return the account's request at that place; None if there is none."""
        ...

    def overdue(self, now: float) -> Iterator[StoredRecord]:
        """Yield the open holds whose leases have ended."""
        ...

    def orphans(self) -> Iterator[StoredRecord]:
        """Yield the open holds whose processes have ended."""
        ...

    def count(self, account: StoredAccount, call: str) -> int:
        """Return how often a tool call was made; 0 where that is not remembered."""
        ...

    # Writing.

    def put_count(self, account: StoredAccount, call: str, count: int) -> None:
        """Remember how often a tool call was made.

        Beyond `loops.REMEMBERED` calls, the account may forget those put longest ago.
        """
        ...

    def clear_counts(self, account: StoredAccount) -> None:
        """Forget how often tool calls were made."""
        ...

    def keep(self, record: StoredRecord) -> None:
        """Take care of a new request."""
        ...

    def drop(self, seq: int) -> None:
        """Delete a request."""
        ...

    def note(self, account: StoredAccount, seq: int, line: ReceiptLine) -> None:
        """Write a note."""
        ...

    def insert(self, account: StoredAccount) -> None:
        """Write a new account.

        Raises:
            ValueError: If the store holds another of that id.
        """
        ...

    def save(self, now: float, seq: int, *, refused: bool) -> None:
        """Write what has changed.

        Args:
            now: The time of the step.
            seq: The last place given in the tree.
            refused: Whether the step ends in a refusal.
        """
        ...
