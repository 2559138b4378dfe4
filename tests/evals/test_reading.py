"""Reading measured: passages are put together, and pieces are found again where they stood."""

from langchain_core.documents import Document

from shoestring.evals.cases import Case, Passage
from shoestring.evals.reading import Reader, as_documents
from shoestring.evals.trimming import Room, measure, methods
from shoestring.models.counting.counting import counter

COUNT = counter("cl100k_base").count


def passages(*titled: tuple[str, str]) -> list[Document]:
    return [
        Document(text, metadata={"source": f"passage {n}", "title": title})
        for n, (title, text) in enumerate(titled)
    ]


def test_what_belongs_together() -> None:
    """Pages of one report, and passages under one title, are one document; others are not."""
    parts, places = as_documents(
        passages(
            ("R page 1", "a"), ("R page 2", "bb"), ("", "c"), ("", "d"), ("S", "e"), ("R", "f")
        )
    )
    assert [part.metadata["source"][-1] for part in parts] == ["1", "1", "2", "2", "3", "4"]
    assert [part.metadata.get("page") for part in parts] == [1, 2, None, None, None, None]
    assert places["document 1"] == [(0, 0), (2, 1)]


def test_pieces_say_where_they_stand() -> None:
    """Each piece is the text of its passage, at its place."""
    texts = [
        (f"R page {n}", f"Heron {n} nests here. Terns {n} dive for fish at noon.") for n in range(9)
    ]
    given = passages(*texts)
    kept = Reader()(given, "Where does heron 7 nest?", 40, COUNT)
    assert any("Heron 7" in piece.page_content for piece in kept)
    for piece in kept:
        passage = texts[piece.metadata["passage"]][1]
        at = piece.metadata["start"]
        assert passage[at : at + len(piece.page_content)] == piece.page_content


def test_reading_is_scored_like_the_others() -> None:
    """Gold and answers are counted for it, within the room."""
    case = Case(
        "c",
        "Where does the heron nest?",
        (
            Passage("a", "Book page 1", "It rained all day on the pier. " * 9),
            Passage("b", "Book page 2", "The heron nests in Whitby.", gold=True),
        ),
        ("Whitby",),
        {"extractive": True},
    )
    (row,) = measure("set", [case], [Room.parse("24")], {"read": methods("budget")["read"]})
    assert (row.answer_recall, row.gold_recall, row.over_budget) == (1.0, 1.0, 0)
