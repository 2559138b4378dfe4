"""Our stores pass the tests that every store passes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from shoestring.budget import MemoryStore, SQLiteStore
from shoestring.budget.conformance import Clock, DurableContract, StoreContract, law_machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoestring.budget import Store


class ProcessClock(Clock):
    """A clock that a pickled store finds again, as long as it is in the same process."""

    found: Clock

    def __reduce__(self) -> tuple[object, ...]:
        ProcessClock.found = self
        return _found, ()


def _found() -> Clock:
    return ProcessClock.found


class TestMemory(StoreContract):
    @pytest.fixture
    def store(self, clock: Clock) -> Store:
        return MemoryStore(clock=clock)


class TestSQLite(StoreContract, DurableContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return ProcessClock()

    @pytest.fixture
    def store(self, clock: Clock, tmp_path: Path) -> Store:
        return SQLiteStore(tmp_path / "ledgers.db", clock=clock)

    @pytest.fixture
    def reopen(self, clock: Clock, tmp_path: Path) -> Callable[[], Store]:
        return lambda: SQLiteStore(tmp_path / "ledgers.db", clock=clock)


TestMemoryLaw = law_machine(lambda clock: MemoryStore(clock=clock)).TestCase
TestMemoryLaw.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def fresh(clock: Callable[[], float]) -> SQLiteStore:
    """Return a store in a file of its own; the folder is not shared between examples."""
    return SQLiteStore(Path(tempfile.mkdtemp(dir=FOLDER.name)) / "ledgers.db", clock=clock)


FOLDER = tempfile.TemporaryDirectory()
TestSQLiteLaw = law_machine(fresh).TestCase
TestSQLiteLaw.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # every look is a transaction
)
