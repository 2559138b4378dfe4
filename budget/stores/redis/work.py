"""What one step loads from a Redis server, and the commit that keeps what it changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from shoestring.budget.errors import not_found
from shoestring.budget.stores.guards import Guards, put_sums, sums_of
from shoestring.budget.stores.loading import Loading
from shoestring.budget.stores.owner import gone as ended
from shoestring.budget.stores.redis.commit import Commit, account_args, guard_args, new_args
from shoestring.budget.stores.redis.rows import encode
from shoestring.budget.stores.rows import (
    StoredAccount,
    StoredRecord,
    dump_note,
    labels,
)
from shoestring.budget.tree.loops import REMEMBERED
from shoestring.budget.tree.record import NOTHING, Origin, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shoestring.budget.receipt import ReceiptLine
    from shoestring.budget.stores.redis.commit import Arg
    from shoestring.budget.stores.redis.rows import AccountRow, Rows
    from shoestring.budget.stores.stored import StoredTree
    from shoestring.budget.stores.timeline import Timeline
    from shoestring.budget.tree.account import Account

# Deeper than any tree.
_ALL = 10**6


class Again(Exception):  # noqa: N818  no fault: the step is run again, with what it lacked
    """What this process knows does not do for the step."""


@dataclass(slots=True)
class Asked:
    """What the tries of one step have asked for so far, to be fetched all at once.

    Attributes:
        paths: Accounts, each with all above it.
        below: Accounts with those below: how deep, and whether with what their receipts list.
        entries: Requests, by account and place.
        counts: Tool calls, by account.
        owners: Whether it matters whose the open holds are.
        fetch: Whether the step has to see what stands in the store now.
        plain: Whether it runs on plain integers; it is kept only if none of them has moved.
        rows: What was fetched.
    """

    paths: dict[int, None] = field(default_factory=dict[int, None])
    below: dict[int, tuple[int, bool]] = field(default_factory=dict[int, tuple[int, bool]])
    entries: dict[tuple[int, int], None] = field(default_factory=dict[tuple[int, int], None])
    counts: dict[tuple[int, str], None] = field(default_factory=dict[tuple[int, str], None])
    owners: bool = False
    fetch: bool = False
    plain: bool = False
    rows: Rows | None = None

    def request(self, root: int) -> dict[str, Any]:
        """Return what the script is asked to tell."""
        wanted = {
            "below": [(key, *how) for key, how in self.below.items()],
            "entries": list(self.entries),
            "counts": list(self.counts),
            "owners": self.owners,
        }
        wanted = {name: value for name, value in wanted.items() if value}
        return {"root": root, "path": list(self.paths), **wanted}

    def again(self) -> Again:
        """Return the request to run the step again with rows fetched now."""
        self.fetch, self.rows = True, None
        return Again()


class RedisWork(Loading):
    """What one try of a step has loaded, and what it wants kept.

    It starts from what this process saw last. What is granted there says what it relied on
    (`guards`), and the server keeps it if that holds; so most steps take one round trip, and clients
    that share a ledger do not get in each other's way. What is refused, or changes nothing, is
    looked at again with rows fetched for it: a refusal is never out of date.
    """

    def __init__(
        self,
        tree: StoredTree,
        timeline: Timeline,
        asked: Asked,
        fetch: Callable[[dict[str, Any]], Rows],
        *,
        guards: Guards,
        owner: str,
    ) -> None:
        super().__init__(tree)
        self._timeline = timeline
        self._asked = asked
        self._fetch = fetch
        self._root = 0
        # When the step is; what plants a tree is no step of it.
        self._now: float | None = None
        # The sums of the accounts as they were before.
        self._before: dict[int, list[int]] = {}
        guards.begin()
        self._guards = guards
        self._owner = owner
        # The hold that is asked about, or else the request that is to become one.
        self._subject: StoredRecord | None = None
        self._asking: StoredRecord | None = None
        self._dropped: list[StoredRecord] = []
        self._added: list[tuple[StoredAccount, StoredRecord | str]] = []
        self._new: StoredAccount | None = None
        self._counts: dict[tuple[int, str], int] = {}
        self._cleared: dict[int, None] = {}
        # Whether it was kept, and the texts of accounts and entries then.
        self.kept = False
        self._texts: list[tuple[StoredAccount | StoredRecord, str]] = []

    # Loading.

    def begin(self, subject: Account | Origin | Record, *, looks: bool) -> float:
        """Take up what is asked about, as last seen or as it stands now; return the time."""
        asked = self._asked
        asked.plain = asked.plain or looks
        record = subject if isinstance(subject, StoredRecord) else None
        if record is not None and not record.seq:
            self._asking, record = record, None
        if isinstance(subject, Record):
            subject = subject.origin
        if isinstance(subject, Origin):
            subject = subject.account
        path = cast("tuple[StoredAccount, ...]", subject.path)
        self._root = path[-1].key
        asked.paths[path[0].key] = None
        if record is not None:
            asked.entries[path[0].key, record.seq] = None
        if asked.rows is None and (asked.plain or asked.fetch):
            asked.rows = self._fetch(asked.request(self._root))
        rows = asked.rows
        now = self._timeline.now() if rows is None else self._timeline.now(rows.seen)
        self._now = now
        for account in path:
            row = None if rows is None else rows.accounts.get(account.key)
            if row is None and rows is not None:
                raise not_found(subject.id)
            self._know(account, row)
        if record is not None:
            self._take_up(record, path[0].key)
        return now

    def _know(self, account: StoredAccount, row: AccountRow | None) -> None:
        """Take an account into the step, as it is told or as it was last seen."""
        if row is not None:
            if row.state != account.saved:
                # Broken off in between, it is not known any more.
                account.saved = None
            try:
                account.load_rest(row.state)
                put_sums(account, row.sums)
            except (ValueError, TypeError) as error:
                raise self._tree.damaged() from error
        # Noted before they are replaced: an interrupt in between must still find them.
        self._before[account.key] = sums = sums_of(account)
        self._accounts[account.key] = account
        if not self._asked.plain:
            self._guards.arm(account, sums)

    def _take_up(self, record: StoredRecord, key: int) -> None:
        self._subject = record
        rows = self._asked.rows
        if rows is not None:
            text = rows.entries.get((key, record.seq))
            if text is None or not self._is(record, text):
                record.forget()
            else:
                self._load(record, text)
        if record.saved is not None:
            self._records[record.seq] = record

    def _is(self, record: StoredRecord, text: str) -> bool:
        """Whether that is the text of that request.

        A server that has lost its last moments in a crash gives their places to others.
        """
        if record.saved is None or text == record.saved:
            return record.saved is not None
        other = StoredRecord(record.origin, record.what, NOTHING, 0.0)
        try:
            if labels(text) != labels(record.saved):
                return False
            other.load(text)
        except (ValueError, TypeError) as error:
            raise self._tree.damaged() from error
        # Growing in a later window alone moves it in time.
        return other.at == record.at or bool(record.origin.account.renewing)

    def account(self, key: int) -> StoredAccount:
        """Return the account of that key, with all above it."""
        known = self._accounts.get(key)
        if known is not None:
            return known
        asked = self._asked
        row = None if asked.rows is None else asked.rows.accounts.get(key)
        if row is None:
            if asked.rows is not None and key in asked.paths:
                raise self._tree.damaged()
            asked.paths[key] = None
            raise asked.again()
        parent = None if row.up is None else self.account(row.up)
        account = self._built(key, row.id, row.name, row.budget, parent, set_aside=row.set_aside)
        self._know(account, row)
        return account

    def children(self, parent: StoredAccount) -> Iterator[StoredAccount]:
        """Yield the accounts right below one."""
        asked = self._asked
        if asked.rows is None or not self._covered(parent, entries=False):
            top = self._top(parent)
            # Who asks for grandchildren will ask for all.
            depth = _ALL if top in asked.below else 1
            asked.below[top] = depth, asked.below.get(top, (0, False))[1]
            raise asked.again()
        for key, row in asked.rows.accounts.items():
            if row.up == parent.key:
                yield self.account(key)

    def entries(self, account: StoredAccount) -> Iterator[tuple[int, Record | ReceiptLine]]:
        """Yield what the account's own receipt lists."""
        asked = self._asked
        if asked.rows is None or not self._covered(account, entries=True):
            asked.below[self._top(account)] = _ALL, True
            raise asked.again()
        for (key, seq), text in asked.rows.entries.items():
            if key == account.key:
                yield seq, self._record(seq, key, text) or self._note(text)

    def _top(self, account: StoredAccount) -> int:
        """Return the account from which on those below were asked for, or else this one."""
        above = (cast("StoredAccount", a).key for a in reversed(account.path))
        return next((key for key in above if key in self._asked.below), account.key)

    def _covered(self, account: StoredAccount, *, entries: bool) -> bool:
        """Whether those below, or the entries, of the account were fetched."""
        for distance, above in enumerate(account.path):
            key = cast("StoredAccount", above).key
            depth, with_entries = self._asked.below.get(key, (0, False))
            if depth > distance and (with_entries or not entries):
                return True
        return False

    def request(self, account: StoredAccount, seq: int) -> StoredRecord | None:
        """Return the account's request at that place; None if there is none."""
        asked, place = self._asked, (account.key, seq)
        if asked.rows is None or place not in asked.entries:
            asked.entries[place] = None
            raise asked.again()
        text = asked.rows.entries.get(place)
        return None if text is None else self._record(seq, account.key, text)

    def overdue(self, now: float) -> Iterator[StoredRecord]:
        """Yield the open holds whose leases have ended; without rows, the server will object."""
        rows = self._asked.rows
        if rows is not None:
            for (key, seq), text in sorted(rows.entries.items(), key=lambda entry: entry[0][1]):
                record = self._record(seq, key, text)
                if record is not None and record.open and record.deadline <= now:
                    yield record

    def orphans(self) -> Iterator[StoredRecord]:
        """Yield the open holds whose processes have ended."""
        asked = self._asked
        if asked.rows is None or not asked.owners:
            asked.owners = True
            raise asked.again()
        owners = asked.rows.owners
        gone = {name for name in set(owners.values()) if name != self._owner and ended(name)}
        places = [place for place, name in owners.items() if name in gone]
        if not asked.entries.keys() >= set(places):
            asked.entries.update(dict.fromkeys(places))
            raise asked.again()
        for key, seq in sorted(places, key=lambda place: place[1]):
            text = asked.rows.entries.get((key, seq))
            record = None if text is None else self._record(seq, key, text)
            if record is None:
                raise self._tree.damaged()
            # One whose lease has ended as well was charged for that.
            if record.open:
                yield record

    def count(self, account: StoredAccount, call: str) -> int:
        """Return how often a tool call was made; 0 where that is not remembered."""
        asked, which = self._asked, (account.key, call)
        if which in self._counts:
            return self._counts[which]
        if account.key in self._cleared:
            return 0
        if asked.rows is None or which not in asked.counts:
            asked.counts[which] = None
            raise asked.again()
        return asked.rows.counts[which]

    # Writing.

    def put_count(self, account: StoredAccount, call: str, count: int) -> None:
        """Remember how often a tool call was made."""
        self._counts[account.key, call] = count

    def clear_counts(self, account: StoredAccount) -> None:
        """Forget how often tool calls were made."""
        self._cleared[account.key] = None

    def keep(self, record: StoredRecord) -> None:
        """Take care of a new request; the server says at which place."""
        self._added.append((cast("StoredAccount", record.origin.account), record))

    def drop(self, seq: int) -> None:
        """Delete a request."""
        # Noted before it is let go of: an interrupt in between must still find it.
        self._dropped.append(self._records[seq])
        del self._records[seq]

    def note(self, account: StoredAccount, seq: int, line: ReceiptLine) -> None:
        """Write a note; the server says at which place."""
        _ = seq
        self._added.append((account, dump_note(line)))

    def insert(self, account: StoredAccount) -> None:
        """Write a new account; the server says whether its id is free."""
        self._new = account

    def save(self, now: float, seq: int, *, refused: bool) -> None:
        """Take note that the step is over; where it ends in a refusal, only once that is certain."""
        _ = now, seq
        asked = self._asked
        if refused and not asked.plain:
            # To be seen with rows fetched for it, and then with figures that can be told.
            asked.fetch, asked.plain = True, asked.rows is not None
            raise Again

    def commit(self) -> Commit | None:
        """Return what has changed, and what that relies on; None if nothing has."""
        asked = self._asked
        accounts, changed = self._account_args()
        entries = self._entry_args()
        if changed or entries or self._new or self._counts:
            how = ("s" if asked.rows is not None else "") + ("w" if asked.plain else "")
            guards = guard_args(self._guards)
            now = self._timeline.now() if self._now is None else self._now
            return Commit(self._root, now, how, self._rare(), guards, accounts, entries)
        if asked.rows is None and not self._final():
            raise asked.again()
        return None

    def _account_args(self) -> tuple[list[Arg], bool]:
        moved = None if self._asked.plain else self._guards.disarm()
        args: list[Arg] = []
        changed = False
        for index, (key, account) in enumerate(self._accounts.items()):
            rest = account.dump_rest()
            own, moves = account_args(
                account, rest, self._before[key], None if moved is None else moved[index]
            )
            args += own
            changed = changed or moves
            self._texts.append((account, rest))
        return args, changed

    def _entry_args(self) -> list[Arg]:
        me = self._owner
        args: list[Arg] = []
        for record in self._records.values():
            text = record.dump()
            if text != record.saved:
                key = cast("StoredAccount", record.origin.account).key
                deadline = repr(record.deadline) if record.open else ""
                args += (key, record.seq, record.saved or "", text, deadline, me)
                self._texts.append((record, text))
        for record in self._dropped:
            key = cast("StoredAccount", record.origin.account).key
            args += (key, record.seq, record.saved or "", "", "", me)
        for account, entry in self._added:
            if isinstance(entry, StoredRecord):
                text, deadline = entry.dump(), repr(entry.deadline)
                self._texts.append((entry, text))
            else:
                text, deadline = entry, ""
            args += (account.key, 0, "", text, deadline, me)
        return args

    def _rare(self) -> str:
        """Return what few steps want kept."""
        rare: dict[str, Any] = {}
        if self._new is not None:
            rare["new"] = new_args(self._new)
        if self._cleared:
            rare["clear"] = list(self._cleared)
        rows = self._asked.rows
        if self._counts and rows is not None:
            rare["counts"] = [
                (key, call, key not in self._cleared and rows.counts[key, call], n, REMEMBERED)
                for (key, call), n in self._counts.items()
            ]
        return encode(rare) if rare else ""

    def _final(self) -> bool:
        """Whether the request that is asked about can never change again."""
        record = self._subject
        if record is None or record.open:
            return False
        return record.outcome is None or record.outcome[1] == "measured"

    @property
    def new_id(self) -> str:
        """The id of the account it writes."""
        return "" if self._new is None else self._new.id

    @property
    def root_id(self) -> str:
        """The id of the root of its tree."""
        return self._tree.root.id

    def done(self, seq: int, key: int) -> None:
        """Take note that it was kept: from that place on, and the new account under that key."""
        for thing, text in self._texts:
            thing.saved = text
        for record in self._dropped:
            record.saved = None
        for offset, (_, entry) in enumerate(self._added):
            if isinstance(entry, StoredRecord):
                entry.seq = seq + offset
        if self._new is not None:
            self._new.key, self._new.saved = key, self._new.dump_rest()
        self.kept = True

    def undo(self) -> None:
        """Put back into memory what was known before; half done, it can be done again."""
        for key, sums in self._before.items():
            if account := self._accounts.get(key):
                account.recall_rest()
                put_sums(account, sums)
        for record in (*self._records.values(), *self._dropped):
            record.recall()
        if self._asking is not None:
            self._asking.seq = 0
