"""The Redis store passes the tests that every store passes."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from shoestring.budget import RedisStore
from shoestring.budget.conformance import Clock, DurableContract, StoreContract, law_machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoestring.budget import Store


pytestmark = pytest.mark.redis


class ProcessClock(Clock):
    """A clock that a pickled store finds again, as long as it is in the same process."""

    found: Clock

    def __reduce__(self) -> tuple[object, ...]:
        ProcessClock.found = self
        return _found, ()


def _found() -> Clock:
    return ProcessClock.found


class TestRedis(StoreContract, DurableContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return ProcessClock()

    @pytest.fixture
    def store(self, clock: Clock, redis_server: Any) -> Store:
        return RedisStore(redis_server.url, clock=clock)

    @pytest.fixture
    def reopen(self, clock: Clock, redis_server: Any) -> Callable[[], Store]:
        return lambda: RedisStore(redis_server.url, clock=clock)


class Place:
    """Where the law's examples find the server; hypothesis makes them without fixtures."""

    url = ""


@pytest.fixture(autouse=True)
def _place(shared_redis: Any) -> None:
    Place.url = shared_redis.url


def fresh(clock: Callable[[], float]) -> RedisStore:
    """Return a store under a prefix of its own."""
    return RedisStore(Place.url, prefix=uuid.uuid4().hex, clock=clock)


TestRedisLaw = law_machine(fresh).TestCase
TestRedisLaw.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # every look is a round trip
)
