"""What the contracts share: a store to test, and a clock that the test moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shoestring.budget.amount import Amount

if TYPE_CHECKING:
    from shoestring.budget.stores.store import Store


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Conformance:
    """The fixtures of every contract."""

    @pytest.fixture
    def clock(self) -> Clock:
        """The store's clock; a test moves it by setting `now`."""
        return Clock()

    @pytest.fixture
    def store(self, clock: Clock) -> Store:
        """The store to test, empty, and with that clock."""
        raise NotImplementedError("give your class a fixture `store(self, clock)`")


def tokens(count: int) -> Amount:
    """Return so many input tokens."""
    return Amount(input_tokens=count)
