"""The state mirrors the ledger, and counts a replayed node once."""

from hypothesis import given
from hypothesis import strategies as st

from shoestring.graphs import merge_spend
from shoestring.graphs.state import Spend

ENTRIES = st.dictionaries(
    st.integers(1, 5).map(lambda n: f"q:{n}"),
    st.fixed_dictionaries({"calls": st.integers(0, 1), "input_tokens": st.integers(0, 99)}),
    max_size=5,
).map(lambda entries: {"q": dict[str, int](), **entries})


@given(ENTRIES)
def test_a_replayed_node_is_counted_once(spend: Spend) -> None:
    """Merging the same mirror again changes nothing."""
    assert merge_spend(spend, spend) == merge_spend({}, spend)


@given(ENTRIES, ENTRIES, ENTRIES)
def test_parallel_branches_may_arrive_in_any_order(a: Spend, b: Spend, c: Spend) -> None:
    """The union of mirrors does not depend on their order or grouping."""
    assert merge_spend(merge_spend(a, b), c) == merge_spend(a, merge_spend(c, b))


def test_a_new_question_starts_afresh() -> None:
    """Opening another account leaves the last question's spending behind."""
    assert merge_spend({"q": {}, "q:1": {"calls": 1}}, {"r": {}}) == {"r": {}}


def test_entries_of_other_ledgers_are_ignored() -> None:
    """A straggler of an earlier question does not charge this one."""
    merged = merge_spend(
        {"r": {}}, {"q:1": {"calls": 1}, "r:1": {"calls": 1}, "r2:1": {"calls": 1}}
    )
    assert merged == {"r": {}, "r:1": {"calls": 1}}


def test_a_settled_hold_replaces_its_reservation() -> None:
    """For one hold the larger figure stands, whichever arrives first."""
    settled: Spend = {"q:1": {"calls": 1, "input_tokens": 90}}
    opened: Spend = {"q": {}, "q:1": {"calls": 1, "input_tokens": 0}}
    assert merge_spend(opened, settled)["q:1"] == {"calls": 1, "input_tokens": 90}
