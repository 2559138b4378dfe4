"""Trimming measured: fairly, within the budget, and without looking at the marks."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from langchain_core.documents import Document

from shoestring.evals.baseline import best_passages
from shoestring.evals.cases import Case, Passage, choose, read_cases
from shoestring.evals.intervals import interval
from shoestring.evals.trimming import Room, measure, methods
from shoestring.models.counting.counting import counter

COUNT = counter("cl100k_base").count
DATA = Path(os.environ.get("SHOESTRING_DATA") or Path(__file__).parents[3] / "shared" / "data")

CASE = Case(
    "secret-id",
    "Who designed the analytical engine?",
    (
        Passage(
            "gold-1",
            "Engines",
            "It rained. Charles Babbage designed the analytical engine.",
            gold=True,
        ),
        Passage("p2", "Cats", "Cats sleep all day long, and dogs bark at night."),
        Passage("p3", "Trains", "The engine of the train was loud. Nobody knew who drove it."),
    ),
    ("Charles Babbage",),
    {"extractive": True, "history": ["Tell me of engines."]},
)


def everything(
    documents: Sequence[Document], query: str, tokens: int, count: Callable[[str], int]
) -> Sequence[Document]:
    return documents


def test_marks_stay_hidden() -> None:
    """A method sees titles, texts and the question with its history: no ids, marks or answers."""
    seen: list[object] = []

    def spy(
        documents: Sequence[Document], query: str, tokens: int, count: Callable[[str], int]
    ) -> Sequence[Document]:
        seen.extend([[(d.page_content, d.metadata) for d in documents], query, tokens])
        return documents[:1]

    (row,) = measure("set", [CASE], [Room.parse("20")], {"spy": spy})
    assert seen == [
        [
            (p.text, {"source": f"passage {i}", "title": p.title})
            for i, p in enumerate(CASE.passages)
        ],
        "Tell me of engines.\nWho designed the analytical engine?",
        20,
    ]
    assert (row.answer_recall, row.gold_recall, row.oracle) == (1.0, 1.0, 1.0)
    assert (row.items, row.over_budget) == (1, 0)
    assert row.tokens_used == COUNT(
        "Engines\nIt rained. Charles Babbage designed the analytical engine."
    )


def test_each_recall_has_its_oracle() -> None:
    """Where a set has both figures, the best possible answer and gold recall are told apart."""
    (row,) = measure("set", [CASE], [Room.parse("5")], {"all": everything})
    assert (row.oracle, row.gold_oracle) == (1.0, 5 / 12)


def test_over_budget_is_counted() -> None:
    """A method that keeps too much is caught on the rendered text."""
    (row,) = measure("set", [CASE], [Room.parse("10%")], {"all": everything})
    assert row.over_budget == 1
    assert row.tokens_limit == row.tokens_used // 10


def test_trim_and_baseline_stay_within() -> None:
    """Both methods keep to the room; the trimmer finds the answer where a passage is too long."""
    rows = {r.method: r for r in measure("set", [CASE], [Room.parse("16")], methods("budget"))}
    assert {r.over_budget for r in rows.values()} == {0}
    assert rows["trim"].answer_recall == 1.0
    assert rows["trim"].interval == interval([1.0])


def test_cases_without_passages_are_left_out() -> None:
    """A case that has nothing to trim gives no item and no figures."""
    (row,) = measure("set", [Case("1", "q", ())], [Room.parse("9")], {"all": everything})
    assert (row.items, row.answer_recall, row.gold_recall, row.interval) == (0, None, None, None)


def test_rooms() -> None:
    """A budget is a number of tokens or a share of the whole; anything else is refused."""
    assert Room.parse("10%").tokens(995) == 99
    assert Room.parse(" 256 ").tokens(10) == 256
    assert str(Room.parse("25%")) == "25%"
    for wrong in ("", "-5", "1.5", "110%", "ten"):
        with pytest.raises(ValueError, match="is no budget"):
            Room.parse(wrong)


def test_baseline_keeps_whole_passages_in_order() -> None:
    """Best first, whole, skipping what does not fit, in the original order."""
    documents = [
        Document("A word about cats.", metadata={"title": ""}),
        Document("The engine was built. " * 20, metadata={"title": ""}),
        Document("The engine hums.", metadata={"title": ""}),
        Document("An engine and an engine.", metadata={"title": ""}),
    ]
    kept = best_passages(documents, "engine", 12, COUNT)
    assert kept == [documents[2], documents[3]]


@pytest.mark.skipif(not (DATA / "hotpotqa").is_dir(), reason="no cases: set SHOESTRING_DATA")
@pytest.mark.parametrize("name", ["hotpotqa", "tau_airline", "logchunks"])
def test_real_cases_stay_within_and_beat_the_baseline(name: str) -> None:
    """On real cases nothing is over budget, the room is used, and more evidence survives."""
    cases = choose(read_cases(DATA / name), 20)
    rows = {r.method: r for r in measure(name, cases, [Room.parse("512")], methods("budget"))}
    assert {r.over_budget for r in rows.values()} == {0}
    assert rows["trim"].tokens_used >= 0.95 * rows["trim"].tokens_limit
    trimmed, baseline = rows["trim"].answer_recall, rows["bm25"].answer_recall
    assert trimmed is not None
    assert baseline is not None
    assert trimmed > baseline


def test_items_are_the_cases_of_the_figure() -> None:
    """What the interval is about says how many cases; the others count for tokens only."""
    other = Case("2", "Who?", (Passage("p", "", "A word."),), ("x",), {})
    (row,) = measure("set", [CASE, other], [Room.parse("99")], {"all": everything})
    assert row.items == 1
    assert row.tokens_limit == 99
    (row,) = measure("set", [other, other], [Room.parse("99")], {"all": everything})
    assert (row.items, row.answer_recall, row.gold_recall, row.interval) == (2, None, None, None)
