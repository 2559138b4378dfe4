"""Reading by an outline: what is found, where it is said to stand, and the trimmer's law."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from langchain_core.documents import Document

from shoestring.tools import Outline, UnknownNode


def words(text: str) -> int:
    return len(text.split())


FILLER = "The committee met again and talked about the season."
REPORT = f"""# Annual report

{FILLER}

## Business

The company sells cereal in forty countries. {FILLER}

## Notes

### Note 7. Leases

The leases of the plants end in 2031. {FILLER}

Table 4: Lease costs (in millions)

| Year | Operating | Finance |
|---|---|---|
{chr(10).join(f"| {year} | {year % 89} | {year % 71} |" for year in range(1950, 2025))}

### Note 8. Pensions

Nothing is owed. {FILLER}
"""


def test_a_piece_shows_where_it_stands() -> None:
    """Headings above each piece once, and spans that are true."""
    built = Outline.build([Document(REPORT, metadata={"source": "report.md", "title": "Report"})])
    kept = built.read("When do the leases of the plants end?", 40)
    assert kept.text == snapshot("""\
Annual report > Notes > Note 7. Leases
The leases of the plants end in 2031. The committee met again and talked about the season.\
""")
    for piece in kept.documents:
        start, end = piece.metadata["start"], piece.metadata["end"]
        assert REPORT[start:end] == piece.page_content


def test_a_row_far_down_a_table_keeps_its_header() -> None:
    """The caption and the names of the columns stand above a row, wherever it was cut."""
    built = Outline.build([Document(REPORT, metadata={"source": "report.md"})], tokens=60)
    kept = built.read("operating lease costs in 2019", 120)
    assert "| 2019 | 61 | 31 |" in kept.text
    above = kept.text[: kept.text.index("| 2019")]
    assert "Operating" in above
    assert "millions" in above


def test_clauses_and_turns() -> None:
    """A clause keeps its number; a turn of a chat its speaker, under the date of its session."""
    clauses = "\n\n".join(
        f"{n}. CLAUSE {chr(64 + n) * 3}\n\n{n}.1 The party of part {n} shall do its duty. {FILLER}"
        for n in range(1, 9)
    )
    contract = clauses.replace("do its duty", "pay royalties of nine percent", 5).replace(
        "pay royalties of nine percent", "do its duty", 4
    )
    kept = Outline.build([Document(contract)]).read("Who pays royalties?", 60)
    assert "5.1 The party of part 5 shall pay royalties" in kept.text
    talk = [
        "Ada: Hello Bob, how was the trip?",
        "Bob: Long.",
        "Ada: And the sea?",
        "Bob: Calm.",
    ] * 9
    talk[17] = "Bob: I bought a red kayak in Whitby."
    chat = "\n".join(["Session 3, 4 May 2023", *talk])
    kept = Outline.build([Document(chat)]).read("What did Bob buy in Whitby?", 40)
    assert "4 May 2023" in kept.text
    assert "Bob: I bought a red kayak in Whitby." in kept.text


def test_names_lead_on() -> None:
    """What a first passage names and does not tell is found, also among thousands of passages."""
    many = [
        Document(f"{FILLER} Item {n} was noted by clerk {n}.", metadata={"source": f"{n}"})
        for n in range(900)
    ]
    many[700] = Document(
        f"The opera Silver Tide was composed by Mira Velasko. {FILLER}", metadata={"source": "700"}
    )
    many[20] = Document(f"Mira Velasko grew up in Tromso. {FILLER}", metadata={"source": "20"})
    built = Outline.build(many)
    kept = built.read("Where did the composer of the opera Silver Tide grow up?", 60, fill="budget")
    assert {"20", "700"} <= {piece.metadata["source"] for piece in kept.documents}


def test_a_page_that_answers_is_read_on() -> None:
    """Units inherit from their page: figures beside the answer come along before chance hits elsewhere."""
    figures = "\n".join(f"Segment {n} revenue {n * 11} costs {n * 7}" for n in range(12))
    pages = [f"{FILLER}\nrevenue of the pier\n{FILLER}" for _ in range(8)]
    pages[5] = f"Statement of segment revenue\n{figures}"
    built = Outline.build(
        [
            Document(text, metadata={"source": "f", "title": "F", "page": n})
            for n, text in enumerate(pages)
        ]
    )
    kept = built.read("segment revenue statement", 120, fill="budget")
    on_page = sum(words(p.page_content) for p in kept.documents if "Segment" in p.page_content)
    assert on_page >= 0.8 * words(kept.text)


def test_lines_are_read_with_their_page_and_sentences_without() -> None:
    """A page of lines is read as a whole, repeated lines too; of a page of prose the sentences that tell."""
    lines = "\n".join(f"Pier {n} dues {n * 37}\nof which abroad" for n in range(14))
    prose = " ".join(f"Pier {n} was paved with stones from quarry {n * 37}." for n in range(14))
    texts = [f"{FILLER}\n\nNobody asked about the ferry in year {n}. {FILLER}" for n in range(9)]
    texts[3] = f"Harbour dues by pier, and their total\n{lines}"
    texts[6] = f"The harbour dues of the ferry were waived. {prose}"
    pages = [
        Document(text, metadata={"source": "f", "title": "F", "page": n})
        for n, text in enumerate(texts)
    ]
    kept = Outline.build(pages).read("harbour dues by pier and total", 200, fill="budget")
    assert kept.text.count("of which abroad") >= 12
    assert kept.text.count("paved") < 7


def test_the_pages_of_the_best_passages_are_whole_in_a_large_document() -> None:
    """Of thousands of passages not all are looked at, but all of a page that tells most is."""
    lines = "\n".join(f"{n} {n * 37}" for n in range(100, 150))
    texts = [f"{FILLER} Item {n} was noted. " + f"{FILLER} " * 8 for n in range(120)]
    texts[90] = f"Dues of the harbour of Tromso\n{lines}"
    pages = [
        Document(text, metadata={"source": "f", "title": "F", "page": n})
        for n, text in enumerate(texts)
    ]
    built = Outline.build(pages, tokens=24)
    assert sum(node.kind == "passage" for node in built.inside(built.documents()[0].id)) > 400
    kept = built.read("dues of the harbour of Tromso", 400, fill="budget")
    assert all(f"{n} {n * 37}" in kept.text for n in range(100, 150))


def test_reading_within_a_part() -> None:
    """With `under`, only that part is read."""
    built = Outline.build([Document(REPORT, metadata={"source": "report.md"})])
    nodes = {n.title: n for n in built.inside(built.documents()[0].id)}
    kept = built.read("leases of the plants", 60, nodes["Business"].id, fill="budget")
    assert "cereal" in kept.text
    assert "leases" not in kept.text


texts = st.lists(
    st.sampled_from(
        [
            *("# Heron eggs", "## Two", "The heron lays eggs.", "1. First", "1.1 Second heron"),
            *("| heron | b |", "|---|---|", "Ada: a heron!", "第一章 総則", "Item 2. Things"),
            *("", "", "x" * 900, '{"heron": 3}', "ERROR heron failed", "```"),
        ]
    ),
    max_size=40,
).map("\n".join)


@given(
    bodies=st.lists(texts, max_size=4),
    tokens=st.integers(0, 80),
    fill=st.sampled_from(["relevant", "budget"]),
)
def test_the_law(bodies: list[str], tokens: int, fill: str) -> None:
    """Every excerpt fits by the caller's own count, in order, and its pieces are the text's own."""
    documents = [
        Document(body, metadata={"source": f"s{n}", "title": "T > U"})
        for n, body in enumerate(bodies)
    ]
    built = Outline.build(documents, tokens=20, count=words)
    kept = built.read("heron eggs", tokens, fill=fill)  # type: ignore[arg-type] # of the two
    assert kept.tokens == words(kept.text) <= tokens
    assert kept == built.read("heron eggs", tokens, fill=fill)  # type: ignore[arg-type]
    places = [(p.metadata["source"], p.metadata["start"]) for p in kept.documents]
    assert places == sorted(places)
    for piece in kept.documents:
        body = bodies[int(piece.metadata["source"][1:])]
        if not {"spans", "shortened", "more_like_this"} & piece.metadata.keys():
            assert body[piece.metadata["start"] : piece.metadata["end"]] == piece.page_content


def test_bad_questions() -> None:
    """Nothing asked, no room below zero, ids from elsewhere: named errors. No words: no error."""
    built = Outline.build([Document("The heron lays eggs.")])
    with pytest.raises(ValueError, match="the query is empty"):
        built.read("  ", 10)
    with pytest.raises(ValueError, match="0 or more"):
        built.read("heron", -1)
    with pytest.raises(ValueError, match="fill"):
        built.read("heron", 1, fill="all")  # type: ignore[arg-type]
    with pytest.raises(UnknownNode):
        built.read("heron", 10, "nowhere")
    assert built.read("heron", 0).text == ""
    assert built.read('"); DROP TABLE nodes; -- * NEAR(', 10).tokens <= 10
    assert Outline.build([]).read("heron", 10).text == ""
