"""What a step wants a Redis server to keep, in the shape that the script takes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from shoestring.budget.stores.guards import Unfollowed, sums_of
from shoestring.budget.stores.redis.rows import dump_meta, encode, pack, write_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoestring.budget.stores.guards import Guards
    from shoestring.budget.stores.rows import StoredAccount

# What a script is given: text, packed figures, or a small integer.
Arg = str | bytes | int

# How many arguments tell of one account.
_ACCOUNT = 5
# As many bytes as a script takes apart at once.
_MOST = 16_000


class Commit(NamedTuple):
    """What one try of a step has changed, and what it relied on.

    Attributes:
        root: The key of the tree's root.
        now: The time of the step.
        how: How it is to be kept, in the letters of the script.
        rare: A new account and tool calls, as the script reads them; mostly "".
        guards: What the sums must fulfil, packed.
        accounts: Of each account five arguments.
        entries: Of each request and note six.
    """

    root: int
    now: float
    how: str
    rare: str
    guards: bytes
    accounts: list[Arg]
    entries: list[Arg]

    def args(self, session: str, nonce: int, how: str) -> tuple[Arg, ...]:
        """Return what the script is given.

        Args:
            session: Whose commit it is.
            nonce: Which of theirs.
            how: More of the letters.
        """
        return (
            *(self.root, repr(self.now), session, nonce, self.how + how),
            *(self.rare, self.guards, len(self.accounts) // _ACCOUNT),
            *self.accounts,
            *self.entries,
        )


def account_args(
    account: StoredAccount,
    rest: str,
    before: Sequence[int],
    moved: tuple[Sequence[int], Sequence[int]] | None,
) -> tuple[tuple[Arg, ...], bool]:
    """Return the arguments that tell of an account, and whether it has changed.

    Args:
        account: The account; its sums are plain integers again.
        rest: Its other figures as text.
        before: The sums it had.
        moved: The sums it has and by what they have changed, where others may have changed them
            too; None where they must be as they were.
    """
    state = "" if rest == account.saved else rest
    known: Arg
    if moved is not None:
        sums, changes = moved
        known, change = len(sums), pack(changes) if any(changes) else b""
    else:
        sums = sums_of(account)
        known, change = write_sums(before), write_sums(sums) if sums != before else b""
    return (account.key, account.saved or "", state, known, change), bool(state or change)


def new_args(account: StoredAccount) -> list[Any]:
    """Return what is written of a new account, whose sums are nought."""
    parent: Any = account.parent
    up = "" if parent is None else str(parent.key)
    rest = account.dump_rest()
    return [encode(account.id), up, dump_meta(account), rest, sums_of(account)]


def guard_args(guards: Guards) -> bytes:
    """Return what the sums must fulfil, packed.

    Raises:
        Unfollowed: If that is more than a script takes at once.
    """
    packed = b"".join([pack((most,)) + _packed(which) for most, which in guards.rows()])
    if len(packed) > _MOST:
        raise Unfollowed
    return packed


@lru_cache(maxsize=1024)
def _packed(variables: tuple[int, ...]) -> bytes:
    return pack((len(variables), *variables))
