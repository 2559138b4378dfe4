"""Near-repeats and versions: what yields, and what only looks alike."""

from datetime import UTC, date, datetime

import pytest
from langchain_core.documents import Document

from shoestring.tools.trimming.alike import Alike
from shoestring.tools.trimming.trim import trim
from shoestring.tools.trimming.versions import outdated

SENTENCE = "The night ferry to Turku leaves from the west quay at 21:30 on most working days."


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("The night ferry to Turku leaves from the west quay at 21:30 on most of the days.", True),
        ("The night ferry to Turku leaves, from the west quay, at 21:30 on most working days!", True),
        ("The night ferry to Turku leaves from the west quay at 21:45 on most working days.", False),
        ("The night ferry to Visby leaves from the west quay at 21:30 on most working days.", False),
        ("The night ferry to Turku never leaves from the west quay at 21:30 on working days.", False),
        ("The crew of the ferry to Turku cooks soup before it leaves at 21:30 every evening.", False),
    ],
)  # fmt: skip
def test_a_changed_fact_is_no_repeat(other: str, same: bool) -> None:  # noqa: FBT001 - of a table
    """Other numbers, names and negations make another sentence; other small words do not."""
    texts = [SENTENCE, other]
    alike = Alike(texts.__getitem__)
    assert [alike(0), alike(1), alike(1)] == ([0, 0, 0] if same else [0, 1, 1])


def test_short_sentences_are_no_repeats() -> None:
    """A sentence of few words differs in any of them."""
    texts = ["Herons nest in tall trees.", "Herons nest in dead trees."]
    alike = Alike(texts.__getitem__)
    assert [alike(0), alike(1)] == [0, 1]


def test_near_repeats_make_room() -> None:
    """Of two sentences that say the same one is kept, and what is new beside it."""
    documents = [
        Document(SENTENCE),
        Document(
            "The night ferry to Turku leaves from the west quay at 21:30 on most of the days."
        ),
        Document("Night ferry passengers should board half an hour before."),
    ]
    kept = trim(documents, "When does the night ferry to Turku leave?", 34, fill="budget")
    assert "board half an hour" in kept.text
    assert kept.text.count("west quay") == 1


def pass_cost(euros: int, more: str, **metadata: object) -> Document:
    return Document(
        f"The swim pass costs {euros} euros a month for all adults. {more}",
        metadata={"title": "Pool rules", **metadata},
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"version": "1.2"}, {"version": "v1.10"}),
        ({"version": 1}, {"version": 2.0}),
        ({"updated": "2023-05-01"}, {"updated": "2024-01-01T09:00:00+02:00"}),
        ({"date": date(2023, 5, 1)}, {"date": datetime(2023, 5, 2, tzinfo=UTC)}),
        ({"version": "x", "date": "2023-05-01"}, {"date": "2023-05-02"}),
    ],
)
@pytest.mark.parametrize("newer_first", [True, False])
def test_an_older_version_yields(
    old: dict[str, object],
    new: dict[str, object],
    newer_first: bool,  # noqa: FBT001 - of a table
) -> None:
    """What a newer version says anew is kept of it alone; what only the older says stays."""
    documents = [
        pass_cost(12, "Dogs may not enter the hall.", **old),
        pass_cost(14, "Towels are lent for free.", **new),
    ]
    if newer_first:
        documents.reverse()
    kept = trim(documents, "How much does the swim pass cost a month, and may dogs enter?", 200)
    assert "14 euros" in kept.text
    assert "12 euros" not in kept.text
    assert "Dogs may not enter" in kept.text
    assert [gone.reason for gone in kept.dropped].count("older version") == 1


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({}, {}),
        ({"version": "1"}, {}),
        ({"version": "1"}, {"date": "2024-01-01"}),
        ({"version": "one"}, {"version": "two"}),
        ({"version": True}, {"version": False}),
        ({"version": float("nan")}, {"version": 2}),
        ({"date": "last May"}, {"date": "2024-01-01"}),
        ({"version": "2"}, {"version": "2"}),
        ({"version": "1"}, {"version": "2", "title": "Sauna rules"}),
    ],
)
def test_nothing_yields_unless_it_is_stated(one: dict[str, object], two: dict[str, object]) -> None:
    """Without metadata that compares, under one title, both statements stand."""
    documents = [pass_cost(12, "", **one), pass_cost(14, "", **two)]
    kept = trim(documents, "How much does the swim pass cost a month?", 200)
    assert "12 euros" in kept.text
    assert "14 euros" in kept.text


def test_versions_of_common_words_stay_linear() -> None:
    """Thousands of units with the same few words are compared in no time worth the name."""
    units = ["the engine was built here again"] * 3_000
    found = outdated([({"source": "a", "version": n}, units) for n in range(3)])
    assert len(found) <= 6_000
