"""Loop detection: the same tool call with the same arguments, so many times and no more."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from shoestring.budget import Amount, Budget, Ledger, LoopDetected
from shoestring.budget.conformance.base import Conformance
from shoestring.budget.tree.loops import REMEMBERED

if TYPE_CHECKING:
    from shoestring.budget import Store
    from shoestring.budget.conformance.base import Clock

CATS = {"q": "cats", "page": [1, {"a": None}]}


class Broken:
    """Something that cannot even show itself."""

    def __repr__(self) -> str:
        raise OSError("gone")


class LoopContract(Conformance):
    """`Budget(repeats=N)` lets the same call be made N times."""

    def test_the_same_call_is_made_so_often_and_no_more(self, store: Store) -> None:
        """repeats=3 allows three; others are counted by themselves, whatever the order of keys."""
        ledger = Ledger(Budget(repeats=3), store=store)
        ledger.calling("search", CATS)
        ledger.calling("search", {"page": [1, {"a": None}], "q": "cats"})
        ledger.calling("search", {"q": "cats"})
        ledger.calling("read", CATS)
        ledger.calling("search", CATS)
        for _ in range(2):
            with pytest.raises(LoopDetected):
                ledger.calling("search", CATS)
        ledger.calling("search", {"q": "dogs"})

    def test_the_message_says_which_call_how_often_and_the_cure(self, store: Store) -> None:
        """With the tool, its arguments, the ledger that refuses, and what to do."""
        run = Ledger(Budget(repeats=2), name="thread", store=store).child().at(node="research")
        run.calling("search", {"q": "cats"})
        run.calling("search", {"q": "cats"})
        with pytest.raises(LoopDetected) as caught:
            run.calling("search", {"q": "cats"})
        assert str(caught.value) == (
            "node 'research' repeats itself: tool 'search' was called with '{\"q\": \"cats\"}' 2 times "
            "already in ledger 'thread'. Use what it returned, change the arguments, call another "
            "tool, or raise Budget(repeats=2)."
        )
        for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
            assert (error.tool, error.limit, error.ledger, error.node) == (
                "search",
                2,
                "thread",
                "research",
            )
            assert str(error) == str(caught.value)

    def test_every_ledger_above_counts(self, store: Store) -> None:
        """All that cap repeats count in one step; a refused call is counted by none."""
        root = Ledger(Budget(repeats=3), name="thread", store=store)
        one, two = root.child(Budget(repeats=1)), root.child(Budget(tokens=5))
        one.calling("t", 1)
        for _ in range(3):
            with pytest.raises(LoopDetected, match="once already"):
                one.calling("t", 1)
        two.calling("t", 1)
        two.calling("t", 1)
        with pytest.raises(LoopDetected, match="3 times already in ledger 'thread'"):
            two.calling("t", 1)
        Ledger(Budget(tokens=5), store=store).calling("t", 1)

    def test_the_receipt_says_so_once(self, store: Store) -> None:
        """One line for a loop, where it was met, however often it goes on."""
        root = Ledger(Budget(repeats=1), store=store)
        handle = root.child().at(node="n", route="r")
        handle.calling("t", 1)
        for _ in range(3):
            with pytest.raises(LoopDetected):
                handle.calling("t", 1)
        (line,) = root.receipt.lines
        assert (line.node, line.route, line.what, line.spent) == ("n", "r", "loop", Amount())
        assert "tool 't' was called with '1' once already" in line.detail

    def test_a_renewal_counts_anew(self, store: Store, clock: Clock) -> None:
        """In the next window the call may be made again; the refusal said when."""
        ledger = Ledger(Budget(repeats=1, per="day"), store=store)
        ledger.calling("t", 1)
        with pytest.raises(LoopDetected, match="It renews at 1970-01-02 00:00 UTC"):
            ledger.calling("t", 1)
        clock.now = 86_400
        ledger.calling("t", 1)
        with pytest.raises(LoopDetected):
            ledger.calling("t", 1)

    def test_threads_count_together(self, store: Store) -> None:
        """Exactly as many calls pass as may."""
        ledger = Ledger(Budget(repeats=10), store=store)

        def work(_: int) -> int:
            passed = 0
            for _ in range(4):
                try:
                    ledger.calling("t", CATS)
                except LoopDetected:
                    continue
                passed += 1
            return passed

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(work, range(8))) == 10

    def test_the_calls_made_last_are_remembered(self, store: Store) -> None:
        """Of so many different calls the one made longest ago is forgotten; one made again is not."""
        ledger = Ledger(Budget(repeats=2), store=store)
        ledger.calling("t", "again")
        ledger.calling("t", "forgotten")
        ledger.calling("t", "again")
        for index in range(REMEMBERED - 1):
            ledger.calling("t", index)
        with pytest.raises(LoopDetected):
            ledger.calling("t", "again")
        for _ in range(2):
            ledger.calling("t", "forgotten")

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
            ([1, 2], (1, 2), True),
            ([1, 2], [2, 1], False),
            (1, "1", False),
            (1, True, False),
            ({}, None, False),
            ({"a": {"b": float("nan")}}, {"a": {"b": float("nan")}}, True),
            ({"x", "y", "z"}, {"z", "y", "x"}, True),
            (date(2026, 1, 1), date(2026, 1, 1), True),
            (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC), False),
            ({"a": Broken()}, {"a": Broken()}, True),
            ({1: "a", "b": 2}, {1: "a", "c": 3}, True),
            ({(1, 2): "a"}, [], False),
            ([10**5_000], [-(10**5_000)], True),
            ("é\ud800\x00", "é\ud800\x00", True),
        ],
    )
    def test_which_calls_are_the_same(
        self,
        store: Store,
        one: object,
        other: object,
        same: bool,  # noqa: FBT001  pytest passes it by name
    ) -> None:
        """By JSON; else by repr; what cannot be written at all, by its type alone."""
        ledger = Ledger(Budget(repeats=1), store=store)
        ledger.calling("t", one)
        if same:
            with pytest.raises(LoopDetected):
                ledger.calling("t", other)
        else:
            ledger.calling("t", other)

    def test_hostile_arguments_are_bounded(self, store: Store) -> None:
        """Circular, bottomless or huge: counted like any, and shown short and escaped."""
        circle: list[Any] = []
        circle.append(circle)
        deep: Any = {}
        for _ in range(100_000):
            deep = [deep]
        huge = "\x1b[31m" + "x" * 3_000_000
        ledger = Ledger(Budget(repeats=1), store=store)
        for arguments in (circle, (deep,), {"q": huge}):
            ledger.calling("\x1b[2J" + "t" * 1_000, arguments)
            with pytest.raises(LoopDetected) as caught:
                ledger.calling("\x1b[2J" + "t" * 1_000, arguments)
            assert len(str(caught.value)) < 1_000
            assert "\x1b" not in str(caught.value)
        ledger.calling("\x1b[2J" + "t" * 1_000, {"q": huge + "y"})

    @pytest.mark.parametrize("bad", [0, -1, 2**63, True, 1.5, "3"])
    def test_bad_limits_are_refused(self, bad: Any) -> None:  # noqa: ANN401  of any kind
        """`repeats` is a whole number from 1."""
        with pytest.raises((TypeError, ValueError), match="repeats must"):
            Budget(repeats=bad)

    def test_a_tool_has_a_name(self, store: Store) -> None:
        """Anything else is a TypeError."""
        nothing: Any = None
        with pytest.raises(TypeError, match="a tool's name must be of type str, not NoneType"):
            Ledger(Budget(repeats=1), store=store).calling(nothing, {})
