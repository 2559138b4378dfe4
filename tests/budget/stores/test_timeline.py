"""Time never runs backwards, and does not run away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from shoestring.budget.stores.timeline import ServerClock, Timeline

if TYPE_CHECKING:
    import pytest


@given(lags=st.lists(st.tuples(st.floats(0, 0.9), st.floats(0, 0.9)), max_size=60))
def test_clocks_that_lag_do_not_drive_each_other_on(lags: list[tuple[float, float]]) -> None:
    """Two hosts that see each other's time, each now and then late, stay behind the true time."""
    true = 1_000.0
    late = [0.0, 0.0]
    hosts = [Timeline(lambda: true - late[0]), Timeline(lambda: true - late[1])]
    seen = last = 0.0
    for lag in lags:
        true += 0.01
        late[:] = lag
        for host in hosts:
            seen = host.now(seen)
            assert last <= seen <= true
            last = seen


def test_a_clock_that_was_set_back_goes_on_from_where_it_was() -> None:
    """An hour back is no lag: time goes on at the old pace, for the one and for who comes later."""
    clock = 10_000.0
    timeline, later = Timeline(lambda: clock), Timeline(lambda: clock)
    seen = timeline.now()
    clock = 6_400.0
    assert (timeline.now(), later.now(seen)) == (10_000, 10_000)
    clock = 6_407.0
    assert (timeline.now(), later.now()) == (10_007, 10_007)


def test_an_answer_bounds_the_time_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow answer moves nothing that agrees with it; a server set back is believed."""
    here = 50.0
    monkeypatch.setattr("time.monotonic", lambda: here)
    clock = ServerClock()
    clock.heard(1_000.0, 49.0)
    assert clock() == 1_000
    here = 60.0
    clock.heard(1_003.0, 53.0)  # told any time in these seven seconds
    assert clock() == 1_010
    clock.heard(1_010.5, 60.0)
    assert clock() == 1_010.5
    here = 61.0
    clock.heard(5.0, 60.75)
    assert clock() == 5.25
