"""A scheduler that decides, at every lock, wait and await of the ledger, who goes on next."""

from __future__ import annotations

import asyncio
import pickle
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import pytest

from shoestring.budget import MemoryStore, RedisStore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from shoestring.budget import Ledger

T = TypeVar("T")

# What is told to wait longer than this waits until it is woken; what is not may also time out.
PATIENT = 10.0
# No schedule of these tests takes so many turns: one that does goes in circles.
TURNS = 5_000


class Abandoned(BaseException):
    """Ends an actor whose schedule has failed."""


class Actor(threading.Thread):
    """A thread that runs only while it has the baton."""

    def __init__(self, scheduler: Scheduler, name: str, script: Callable[[], object]) -> None:
        super().__init__(name=name, daemon=True)
        self.baton = threading.Semaphore(0)
        self.ready: Callable[[], object] = lambda: True
        self.at = "start"
        self.over = False
        self.error: BaseException | None = None
        self._scheduler = scheduler
        self._script = script

    def run(self) -> None:
        try:
            self.baton.acquire()
            self._script()
        except Abandoned:
            pass
        except BaseException as error:  # noqa: BLE001  told by the scheduler
            self.error = error
        self.over = True
        self._scheduler.back.release()


class Scheduler:
    """Runs actors one at a time; at every point of theirs, `choose(n)` says which of n goes on.

    A schedule is the list of these choices, so that it can be run again.
    """

    def __init__(self, choose: Callable[[int], int]) -> None:
        self.back = threading.Semaphore(0)
        self.turns = 0
        self.told: list[str] = []
        self._choose = choose
        self._actors: list[Actor] = []
        self._given_up = False

    def choose(self, options: int) -> int:
        """Choose one of so many."""
        return self._choose(options) if options > 1 else 0

    def spawn(self, name: str, script: Callable[[], object]) -> None:
        """Add an actor; it starts when it is chosen."""
        actor = Actor(self, name, script)
        self._actors.append(actor)
        actor.start()

    def point(self, at: str, ready: Callable[[], object] = lambda: True) -> None:
        """Let others go on, and come back when `ready` and chosen; nothing for who is no actor."""
        actor = threading.current_thread()
        if not isinstance(actor, Actor):
            return
        if self._given_up:
            raise Abandoned
        actor.at, actor.ready = at, ready
        self.back.release()
        actor.baton.acquire()
        if self._given_up:
            raise Abandoned

    def run(self, law: Callable[[], object]) -> None:
        """Run all actors to their ends, and check the law after every step.

        Raises:
            AssertionError: If none can go on, or a law is broken, with the schedule.
        """
        try:
            while living := [actor for actor in self._actors if not actor.over]:
                able = [actor for actor in living if actor.ready()]
                # Who tries again in a while does so at the latest when nobody else can go on.
                able = able or [actor for actor in living if actor.at == "pause"]
                where = ", ".join(f"{actor.name} at {actor.at}" for actor in living)
                assert able, f"deadlock: {where}"
                assert self.turns < TURNS, f"in circles: {where}"
                actor = able[self.choose(len(able))]
                self.told.append(f"{actor.name}: {actor.at}")
                self.turns += 1
                actor.baton.release()
                self.back.acquire()
                if actor.error is not None:
                    raise actor.error  # noqa: TRY301  an actor's failure is the schedule's
                law()
        except BaseException as error:
            error.add_note("the schedule: " + "; ".join(self.told))
            raise
        finally:
            self._given_up = True
            for actor in self._actors:
                actor.baton.release()
            for actor in self._actors:
                actor.join()


class SteppedLock:
    """A reentrant lock whose every acquisition is a point. Nobody is switched while it is held."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._owner: threading.Thread | None = None
        self._depth = 0

    def acquire(self) -> None:
        me = threading.current_thread()
        if self._owner is not me:
            self._scheduler.point("lock", lambda: self._owner is None)
            assert self._owner is None
            self._owner = me
        self._depth += 1

    def release(self) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class SteppedGate:
    """Where an actor waits to be woken. A short wait may end before that, at any moment."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._woken = False

    def wait(self, seconds: float) -> bool:
        self._scheduler.point("gate", lambda: self._woken or seconds < PATIENT)
        return self._woken

    def wake(self) -> bool:
        self._scheduler.point("wake")
        self._woken = True
        return True


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop that runs one callback a turn, any of those that are ready."""

    _ready: Any

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self.scheduler = scheduler

    def call_later(  # type: ignore[override]  # asyncio's own names no variadic types
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> Any:
        """What is soon may be at any moment from now on."""
        if delay < PATIENT:
            return self.call_soon(callback, *args, context=context)
        return super().call_later(delay, callback, *args, context=context)

    def _run_once(self) -> None:
        self.scheduler.point("await", lambda: self._ready)
        first = self.scheduler.choose(len(self._ready))
        self._ready.rotate(-first)
        rest = [self._ready.pop() for _ in range(len(self._ready) - 1)]
        super()._run_once()  # type: ignore[misc]  # asyncio's own step  # pyright: ignore[reportAttributeAccessIssue]
        self._ready.extendleft(rest)


class Interleaving:
    """Puts ledgers, waits and event loops under a scheduler, and runs schedules."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def under(self, choose: Callable[[int], int]) -> Scheduler:
        """Return a new scheduler that all gates and pauses made from now on obey."""
        scheduler = Scheduler(choose)

        def pause(_seconds: float) -> None:
            turn = scheduler.turns
            scheduler.point("pause", lambda: scheduler.turns > turn)

        async def to_thread(call: Callable[..., T], *args: object) -> T:
            loop = asyncio.get_running_loop()
            future: asyncio.Future[T] = loop.create_future()

            def tell(result: T | None, error: BaseException | None) -> None:
                if future.done():
                    return
                if error is None:
                    future.set_result(cast("T", result))
                else:
                    future.set_exception(error)

            def work() -> None:
                found: T | None = None
                failure: BaseException | None = None
                try:
                    found = call(*args)
                except Exception as error:  # noqa: BLE001  it is the caller's
                    failure = error
                if not loop.is_closed():
                    loop.call_soon_threadsafe(tell, found, failure)

            scheduler.spawn("worker", work)
            return await future

        self._patch.setattr(
            "shoestring.budget.tree.tree.ThreadGate", lambda: SteppedGate(scheduler)
        )
        self._patch.setattr(time, "sleep", pause)
        self._patch.setattr(asyncio, "to_thread", to_thread)
        return scheduler

    @staticmethod
    def watch(scheduler: Scheduler, ledger: Ledger) -> Callable[[], bool]:
        """Make each step of the ledger a point, and what comes between its parts.

        That is the middle of a transaction, or what others do before a server is asked.

        Returns:
            Whether a transaction is open just now, so that nobody else can look.
        """
        store = ledger.store
        if isinstance(store, MemoryStore):
            # A stand-in that does all that the tree asks of its lock.
            ledger._tree._lock = cast("Any", SteppedLock(scheduler))
            return lambda: False
        session: Any = cast("Any", store).session
        session._lock = SteppedLock(scheduler)
        if isinstance(store, RedisStore):
            keep, ask = session._keep, session._ask

            def stepped_keep(*args: Any, **options: Any) -> Any:
                scheduler.point("commit")
                return keep(*args, **options)

            def stepped_ask(*args: Any) -> Any:
                scheduler.point("fetch")
                return ask(*args)

            vars(session).update(_keep=stepped_keep, _ask=stepped_ask)
            return lambda: False
        begin, finish = session._begin, session._finish
        opened = 0

        def stepped_begin(*, last: bool) -> bool:
            nonlocal opened
            begun = bool(begin(last=last))
            if begun:
                opened += 1
                scheduler.point("transaction")
            return begun

        def stepped_finish(*args: Any) -> Any:
            nonlocal opened
            try:
                return finish(*args)
            finally:
                opened -= 1

        vars(session).update(_begin=stepped_begin, _finish=stepped_finish)
        return lambda: opened > 0

    @staticmethod
    def onlooker(ledger: Ledger) -> Ledger:
        """Return the ledger as the law is checked at: a server may be asked also within a step."""
        return (
            pickle.loads(pickle.dumps(ledger)) if isinstance(ledger.store, RedisStore) else ledger
        )

    @staticmethod
    def loop(scheduler: Scheduler, main: Coroutine[Any, Any, object]) -> Callable[[], None]:
        """Return a script that runs `main` in an event loop under the scheduler."""

        def script() -> None:
            loop = SteppedLoop(scheduler)
            try:
                loop.run_until_complete(main)
            finally:
                main.close()
                loop.close()

        return script

    def every(self, play: Callable[[Scheduler], None], most: int = 20_000) -> int:
        """Play all schedules there are, and return how many.

        Raises:
            AssertionError: If there are more than `most`.
        """
        path: list[int] = []
        for played in range(1, most):
            # How many there were to choose from, beyond the path: the first of them each time.
            seen: list[int] = []

            def choose(options: int, path: list[int] = path, seen: list[int] = seen) -> int:
                seen.append(options)
                return path[len(seen) - 1] if len(seen) <= len(path) else 0

            play(self.under(choose))
            path += [0] * (len(seen) - len(path))
            while path and path[-1] + 1 == seen[len(path) - 1]:
                path.pop()
            if not path:
                return played
            path[-1] += 1
        raise AssertionError(f"more than {most} schedules")

    def some(self, play: Callable[[Scheduler], None], count: int, seed: int = 0) -> None:
        """Play so many schedules at random; one that fails names its seed."""
        for number in range(seed, seed + count):
            try:
                play(self.under(random.Random(number).randrange))
            except BaseException as error:
                error.add_note(f"seed {number}")
                raise


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.redis)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where ledgers live that processes share: a file, or a server."""
    if request.param == "sqlite":
        return str(tmp_path / "ledgers.db")
    server: Any = request.getfixturevalue("redis_server")
    return str(server.url)


@pytest.fixture
def interleaving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Interleaving]:
    """Runs actors under every schedule, or under many."""
    with monkeypatch.context() as patch:
        yield Interleaving(patch)
