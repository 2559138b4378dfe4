"""How things stood in a Redis server, as its script tells."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shoestring.budget.stores.rows import dump_budget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoestring.budget.tree.account import Account

encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

_DOUBLE = 8
# Up to here doubles are exact: more than a script ever writes.
_DOUBLES = 2**53
# What sums begin with that are text; no double of an integer does, its highest byte first.
_TEXT = frozenset(bytes([byte]) for byte in b"-0123456789")


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account.

    Attributes:
        up: The key of its parent; None in a root.
        state: Its figures but for the sums, as `StoredAccount.load_rest` takes them.
        sums: Those, as `guards.put_sums` takes them.
    """

    up: int | None
    id: str
    name: str
    budget: str | None
    set_aside: bool
    state: str
    sums: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """What was asked for, as it stood at one instant.

    Attributes:
        seen: That instant, or the last change if that was later by the clock of its time.
        root: The key of the tree's root.
        accounts: By key; parents may come after their children.
        entries: Requests and notes as text, by account and place.
        counts: How often tool calls were made, by account and call.
        owners: Whose the open holds are, by account and place, if that was asked for.
        found: The key that was looked for by id.
    """

    seen: float
    root: int
    accounts: dict[int, AccountRow]
    entries: dict[tuple[int, int], str]
    counts: dict[tuple[int, str], int]
    owners: dict[tuple[int, int], str]
    found: int | None


def read_rows(reply: Sequence[Any]) -> Rows:
    """Return the rows of a reply.

    Raises:
        ValueError, TypeError: If they make no sense.
    """
    seen, root, accounts, entries, counts, owners, *found = reply
    held = iter(owners)
    return Rows(
        float(seen),
        int(root),
        {int(row[0]): _account(row) for row in accounts},
        {(int(key), int(place)): text.decode() for key, place, text in entries},
        {(int(key), call.decode()): int(count) for key, call, count in counts},
        {_place(member): name.decode() for member, name in zip(held, held, strict=True)},
        int(found[0]) if found else None,
    )


def _account(row: Sequence[Any]) -> AccountRow:
    _, up, meta, state, sums = row
    id_, name, budget, set_aside = json.loads(meta)
    return AccountRow(
        int(up) if up else None, id_, name, budget, set_aside, state.decode(), read_sums(sums)
    )


def read_sums(written: bytes) -> tuple[int, ...]:
    """Return sums as a server has them.

    Raises:
        ValueError, TypeError: If they make no sense.
    """
    if written[:1] in _TEXT:
        return tuple(int(figure) for figure in written.split(b","))
    if not written or len(written) % _DOUBLE:
        raise ValueError("neither packed nor text")
    figures = _doubles(len(written) // _DOUBLE).unpack(written)
    if not all(figure.is_integer() for figure in figures):
        raise ValueError("sums are integers")
    return tuple(map(int, figures))


def write_sums(sums: Sequence[int]) -> bytes:
    """Return sums as a server has them: as doubles, or as text if they are beyond those."""
    if max(sums) > _DOUBLES or min(sums) < -_DOUBLES:
        return ",".join(map(str, sums)).encode()
    return pack(sums)


def pack(figures: Sequence[int]) -> bytes:
    """Return figures as the doubles of a script, one behind the other."""
    return _doubles(len(figures)).pack(*figures)


@lru_cache(maxsize=64)
def _doubles(count: int) -> struct.Struct:
    return struct.Struct(f">{count}d")


def _place(member: bytes) -> tuple[int, int]:
    key, place = member.split(b":")
    return int(key), int(place)


def dump_meta(account: Account) -> str:
    """Return what never changes of an account as text."""
    return encode([account.id, account.name, dump_budget(account.budget), account.set_aside])
