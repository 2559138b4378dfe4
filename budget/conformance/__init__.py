"""The tests that every store passes, ours or yours. Needs pytest, pytest-asyncio and hypothesis.

Subclass the contract in a test module, and say how to make an empty store on a given clock:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self, clock: Clock, tmp_path: Path) -> Store:
            return MyStore(tmp_path / "ledgers", clock=clock)

    TestMyLaw = law_machine(lambda clock: MyStore(fresh_path(), clock=clock)).TestCase

`law_machine` compares a store with an independent model over random trees and lives of holds. A
store that outlives its object passes `DurableContract`, too.
"""

from shoestring.budget.conformance.base import Clock
from shoestring.budget.conformance.contract import StoreContract
from shoestring.budget.conformance.durable import DurableContract
from shoestring.budget.conformance.machine import law_machine

__all__ = ["Clock", "DurableContract", "StoreContract", "law_machine"]
