"""One process's connection to a Redis server: each step is kept by one run of a script."""

from __future__ import annotations

import json
import os
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from shoestring.budget import errors
from shoestring.budget.stores import owner
from shoestring.budget.stores.guards import Guards, Unfollowed
from shoestring.budget.stores.redis.errors import check_schema, check_server, damaged, passes, told
from shoestring.budget.stores.redis.rows import Rows, encode, read_rows
from shoestring.budget.stores.redis.script import DISCARD, HELLO, KEEP, LAST, PLACES, SCHEMA, TELL
from shoestring.budget.stores.redis.work import Again, Asked, RedisWork
from shoestring.budget.stores.session import Place, Session, pause

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shoestring.budget.stores.redis.commit import Arg, Commit
    from shoestring.budget.stores.redis.wire import Wire
    from shoestring.budget.stores.stored import StoredTree
    from shoestring.budget.stores.timeline import ServerClock, Timeline
    from shoestring.budget.stores.work import Work

T = TypeVar("T")

# After so many tries in which others came first, a process claims the tree for a moment.
_PATIENT_TRIES = 4


class RedisSession(Session):
    """Runs steps; each is worked out here, and kept there if what it relied on still holds.

    A commit whose answer is lost is sent again under its number: the server does it once. A forked
    process opens a connection of its own.
    """

    def __init__(
        self,
        wire: Wire,
        name: str,
        timeline: Timeline,
        clock: ServerClock,
        patience: float,
        *,
        read_only: bool,
    ) -> None:
        super().__init__()
        self._wire = wire
        self._name = name
        self._timeline = timeline
        self._clock = clock
        self._patience = patience
        self._read_only = read_only
        # Who commits, and how often it has.
        self._id = uuid.uuid4().hex
        self._nonce = 0
        self._owner = owner.myself()
        # Of the step under way.
        self._guards = Guards()

    # Steps.

    def locate(self, id: str) -> Place | None:  # noqa: A002  the public name of the thing
        """Return where the ledger of that id is; None if there is none."""
        reply = self._alone(lambda: self._ask({"find": encode(id)}))
        if reply[0] == b"none":
            return None
        rows = self._rows(reply)
        row = rows.accounts[rows.root]
        return Place(rows.found or rows.root, rows.root, row.id, row.name, row.budget)

    def discard(self, id: str) -> list[str]:  # noqa: A002  the public name of the thing
        """Let go of a ledger and of all below; return their ids."""
        gone = self._alone(lambda: self._patiently(lambda: self._wire.run(DISCARD, encode(id))))
        return [json.loads(text) for text in gone]

    def step(self, tree: StoredTree, run: Callable[[Work], T]) -> T:
        """Run one step of `tree`, until it is kept as a whole.

        Raises:
            StoreError: If the server does not let us.
        """
        asked = Asked()
        tries, until = 0, time.monotonic() + self._patience
        done: list[T] = []

        def attempt() -> None:
            nonlocal tries
            while not done and self._try(tree, run, asked, done, claim=tries >= _PATIENT_TRIES):
                tries += 1
                if time.monotonic() >= until:
                    return

        while True:
            self._alone(attempt)
            if done:
                return done[0]
            if time.monotonic() >= until:
                raise errors.StoreLocked(
                    f"{self._name}: other processes kept the tree busy for {self._patience:g} "
                    f"seconds: raise RedisStore(patience=…)"
                )
            # Claimed by another. Not under the lock: other threads may have more luck.
            time.sleep(pause(tries))
            tries += 1

    def _try(
        self,
        tree: StoredTree,
        run: Callable[[Work], T],
        asked: Asked,
        done: list[T],
        *,
        claim: bool,
    ) -> bool:
        """Try once; return whether to try again at once. The result comes into `done`."""
        work = RedisWork(
            tree, self._timeline, asked, self._fetch, guards=self._guards, owner=self._owner
        )
        try:
            return self._attempt(work, run, asked, done, claim=claim)
        finally:
            if not work.kept:
                try:
                    work.undo()
                except BaseException:
                    # Once more: half of it put back would be taken for what stands in the store.
                    work.undo()
                    raise

    def _attempt(
        self,
        work: RedisWork,
        run: Callable[[Work], T],
        asked: Asked,
        done: list[T],
        *,
        claim: bool,
    ) -> bool:
        nonce, again = self._nonce, True
        try:
            result = run(work)
            commit = work.commit()
            if commit is None:
                work.kept = True
            else:
                again = self._answered(work, self._keep(commit, claim=claim), asked)
            if work.kept:
                done.append(result)
        except (Again, Unfollowed, TypeError) as error:
            if not isinstance(error, Again):
                if asked.plain:
                    raise
                asked.plain = True
        except errors.BudgetError:
            raise
        except BaseException:
            # Broken off (Ctrl-C), perhaps between the server's keeping it and our hearing of it.
            if nonce != self._nonce:
                self._recover(work)
            raise
        return again

    def _recover(self, work: RedisWork) -> None:
        """Ask whether the last commit was kept, and take note if it was."""
        with suppress(errors.StoreError, *self._wire.errors):
            self._open()
            found = self._wire.run(LAST, self._id)
            if found and found[0] == b"%d" % self._nonce:
                work.done(int(found[1]), int(found[2]))

    def _answered(self, work: RedisWork, reply: list[Any], asked: Asked) -> bool:
        """Take note of what became of a commit; return whether to try again at once."""
        status = reply[0]
        if status == b"done":
            work.done(int(reply[3]), int(reply[4]))
            return False
        if status == b"taken":
            raise errors.taken(work.new_id)
        if status == b"gone":
            raise errors.not_found(work.root_id)
        if status == b"forgotten":
            raise errors.StoreUnavailable(
                f"{self._name}: the answer to a step was lost, and the server does not know of it "
                f"any more: it may have been kept or not"
            )
        asked.plain, asked.fetch, asked.rows = False, True, None
        # Or it is claimed by another.
        return bool(status == b"stale")

    # Looking.

    def places(self) -> dict[str, tuple[int, int]]:
        """Return the keys of a root and of an account in its tree, for each ledger's id."""
        told = iter(self._alone(lambda: self._patiently(lambda: self._wire.run(PLACES))))
        found: dict[str, tuple[int, int]] = {}
        try:
            for id_, place in zip(told, told, strict=True):
                root, key = place.split(b":")
                found[json.loads(id_)] = int(root), int(key)
        except (ValueError, TypeError) as error:
            raise self.damaged() from error
        return found

    def tell(self, request: dict[str, Any]) -> Rows:
        """Return what is asked for as it stands at one instant; no rows if its tree is gone."""
        return self._alone(lambda: self._fetch(request))

    # Asking.

    def _fetch(self, request: dict[str, Any]) -> Rows:
        return self._rows(self._ask(request))

    def _rows(self, reply: list[Any]) -> Rows:
        if reply[0] == b"gone":
            # Told by what is not there.
            return Rows(0.0, 0, {}, {}, {}, {}, None)
        try:
            return read_rows(reply[3:])
        except (ValueError, TypeError) as error:
            raise self.damaged() from error

    def _keep(self, commit: Commit, *, claim: bool) -> list[Any]:
        """Return what became of a commit, though the connection may be lost in between."""
        if self._read_only:
            raise errors.StoreReadOnly(
                f"{self._name} were opened to be looked at: "
                f"spend through RedisStore(url), without read_only=True"
            )
        self._nonce += 1
        how = "c" if claim else ""

        def again() -> tuple[Arg, ...]:
            return commit.args(self._id, self._nonce, how + "a")

        return self._timed(KEEP, commit.args(self._id, self._nonce, how), again)

    def _ask(self, request: dict[str, Any]) -> list[Any]:
        """Return how things stand, of all that is asked for."""
        args = (encode({**request, "now": self._timeline.now()}),)
        return self._timed(TELL, args, lambda: args)

    def _timed(
        self, script: str, args: Sequence[Arg], again: Callable[[], Sequence[Arg]]
    ) -> list[Any]:
        """Return what a script answers: how it went, the server's time, of which note is taken, and more.

        Args:
            script: The script.
            args: What it is given.
            again: What it is given instead, where an answer may have been lost.
        """

        def lost() -> None:
            nonlocal args
            args = again()

        def ask() -> list[Any]:
            asked = time.monotonic()
            reply = self._wire.run(script, *args)
            self._clock.heard(int(reply[1]) + int(reply[2]) / 1e6, asked)
            return reply

        return self._patiently(ask, lost)

    def _patiently(self, ask: Callable[[], T], lost: Callable[[], None] | None = None) -> T:
        """Connect and ask; again while the server is away, for as long as patience lasts.

        Args:
            ask: What to do once connected.
            lost: What to do before asking again.
        """
        tries, until = 0, time.monotonic() + self._patience
        while True:
            try:
                self._open()
                return ask()
            except self._wire.errors as error:
                if not passes(error) or time.monotonic() >= until:
                    raise told(self._name, error, self._patience) from error
            if lost is not None:
                lost()
            time.sleep(pause(tries))
            tries += 1

    # The connection.

    def _open(self) -> None:
        """Connect to a server that may be used, if that is not done."""
        if self._wire.ready:
            return
        self._wire.open()
        asked = time.monotonic()
        try:
            check_server(self._name, self._wire.ask("INFO"))
            who = "" if self._read_only else self._id
            schema, seconds, micros = self._wire.run(HELLO, str(SCHEMA), who)
            check_schema(self._name, schema, SCHEMA)
        except BaseException:
            self._wire.close()
            raise
        self._wire.ready = True
        self._clock.heard(int(seconds) + int(micros) / 1e6, asked)

    def damaged(self) -> errors.StoreCorrupt:
        """Return the error for rows that make no sense."""
        return damaged(self._name)

    def open(self) -> None:
        """Connect now, so that what is wrong is said at once."""
        self._alone(lambda: self._patiently(lambda: None))

    def close(self) -> None:
        """Close the connection; the next step opens another."""
        self._wire.close()

    def after_fork(self, *, child: bool) -> None:
        """Go on, in both processes; the child by a connection and under a name of its own."""
        super().after_fork(child=child)
        if child:
            # Closed here alone: its process is another's.
            self.close()
            self._id, self._nonce = uuid.uuid4().hex, 0
            self._owner = owner.myself()

    def _alone(self, run: Callable[[], T]) -> T:
        if self._pid != os.getpid():
            # After a fork that Python does not know of.
            self.after_fork(child=True)
        return super()._alone(run)
