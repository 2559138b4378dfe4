"""The outline: what trees it makes, that nothing is lost, and that its rooms are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from langchain_core.documents import Document

from shoestring.tools import Node, Outline, UnknownNode


def words(text: str) -> int:
    """Count blanks-separated words: a counter of one's own."""
    return len(text.split())


def outline(text: str, source: str = "text.txt") -> Outline:
    return Outline.build([Document(text, metadata={"source": source})])


def tree(built: Outline) -> list[str]:
    """Write all nodes but passages, indented, with the number of passages directly in each."""
    lines: list[str] = []

    def write(node: Node, depth: int) -> None:
        parts = built.children(node.id)
        passages = sum(part.kind == "passage" for part in parts)
        lines.append(f"{'  ' * depth}{node.kind} {node.title!r} {passages}")
        for part in parts:
            if part.kind != "passage":
                write(part, depth + 1)

    for node in built.documents():
        write(node, 0)
    return lines


def all_text(built: Outline, text: str) -> str:
    """Join what passages say they hold of a text, without white space."""
    passages = [n for d in built.documents() for n in built.inside(d.id) if n.kind == "passage"]
    return "".join("".join(text[node.start : node.end].split()) for node in passages)


CONTRACT = """SERVICE AGREEMENT

This agreement is made between Ada Ltd and Bob Inc.

1. DEFINITIONS

1.1 "Service" means the hosting of the system.
1.2 "Fee" means the sum in Schedule A.

2. PAYMENT

2.1 Bob Inc. pays the fee each month.

3. TERM

The agreement ends in 2031.

Schedule A
The fee is 300 pounds.
"""


def test_clauses_keep_their_numbers() -> None:
    """A contract becomes a tree of numbered clauses, under its title and its schedules."""
    assert tree(outline(CONTRACT)) == snapshot(
        [
            "document '' 0",
            "  section 'SERVICE AGREEMENT' 1",
            "    clause '1 DEFINITIONS' 1",
            "      clause '1.1 \"Service\" means the hosting of the system' 1",
            "      clause '1.2 \"Fee\" means the sum in Schedule A' 1",
            "    clause '2 PAYMENT' 1",
            "      clause '2.1 Bob Inc' 1",
            "    clause '3 TERM' 1",
            "  section 'Schedule A' 1",
        ]
    )


def test_pages_stand_in_the_items_of_a_filing() -> None:
    """An item reaches over pages; a line of the table of contents is none."""
    listed = "Contents\n" + "".join(f"Item {n}. Part number {n} {n + 2}\n" for n in range(1, 7))
    texts = [
        listed,
        "Item 1. Business\nWe sell cereal.",
        "And pet food.",
        "Item 2. Properties\nMany.",
    ]
    pages = [
        Document(text, metadata={"source": "f.pdf", "title": "Filing", "page": number})
        for number, text in enumerate(texts, start=1)
    ]
    assert tree(Outline.build(pages)) == snapshot(
        [
            "document 'Filing' 0",
            "  page 'page 1' 1",
            "  section 'Item 1. Business' 0",
            "    page 'page 2' 1",
            "    page 'page 3' 1",
            "  section 'Item 2. Properties' 0",
            "    page 'page 4' 1",
        ]
    )


def test_a_chat_is_cut_at_turns_and_sessions() -> None:
    """No turn is cut in two, and dates begin sessions."""
    turns = [
        f"{'Ada' if n % 2 else 'Bob'}: This is remark number {n} of our talk." for n in range(60)
    ]
    text = "\n".join(["Session 1, 4 May 2023", *turns[:30], "Session 2, 9 June 2023", *turns[30:]])
    built = outline(text, "talk.txt")
    assert [line for line in tree(built) if "session" in line] == snapshot(
        ["  session 'Session 1, 4 May 2023' 2", "  session 'Session 2, 9 June 2023' 2"]
    )
    for node in built.inside(built.documents()[0].id):
        if node.kind == "passage":
            for line in text[node.start : node.end].splitlines():
                assert line.startswith(("Ada: ", "Bob: ", "Session")), line


def test_a_log_is_divided_into_phases() -> None:
    """Groups, steps and banners of a build log are its parts."""
    lines = [f"2024-03-01T10:00:{n % 60:02} INFO fetched {n} of 90" for n in range(90)]
    text = "\n".join(["##[group]Install", *lines[:50], "##[group]Test", *lines[50:]])
    assert [line for line in tree(outline(text, "build.log")) if "phase" in line] == snapshot(
        ["  phase 'Install' 5", "  phase 'Test' 4"]
    )


def test_what_has_no_headings_is_divided_by_topic() -> None:
    """A long text is divided where its words change."""
    cats = "The cat purred on the warm sofa while kittens chased their tails around the basket. "
    taxes = "The revenue office levied income duties and audited every corporate return filed. "
    text = "\n\n".join([cats * 12] * 16 + [taxes * 12] * 16)
    built = outline(text)
    topics = built.children(built.documents()[0].id)
    assert {node.kind for node in topics} == {"topic"}
    assert any(abs(node.start - text.index("The revenue")) < 1_500 for node in topics)
    assert all(("cat" in node.gist) != ("revenue" in node.gist) for node in topics[::3])


@pytest.mark.parametrize(
    ("text", "source", "titles"),
    [
        ("# A\n\nx\n\n###### Deep\n\ny\n\n# A\n\nz", "a.md", ["A", "Deep", "A"]),
        ("Title\n=====\n\ntext\n\nPart\n----\n\nmore", "a.rst", ["Title", "Part"]),
        ("=====\nTitle\n=====\n\ntext", "a.rst", ["Title"]),
        ("```\n# no heading\n```\n# Yes\ntext", "a.md", ["Yes"]),
        ("<h1>Soup</h1><p>a<h2 class='x'>Two <b>bold</b></h2>\n<p>b", "a.txt", ["Soup"]),
        ("第一章 総則\nこの法律は。\n第二章 罰則\n罰金。", "a.txt", ["第一章 総則", "第二章 罰則"]),
        ("def f():\n    pass\n\nclass A:\n    pass\n", "a.py", ["def f():", "class A:"]),
        (
            "Table 1: Income (in millions)\n| a | b |\n|---|---|\n| 1 | 2 |",
            "a.txt",
            ["Table 1: Income (in millions)"],
        ),
        ("1. Buy milk\n2. Buy eggs\n3. Go home\n", "a.txt", []),
    ],
)
def test_headings(text: str, source: str, titles: list[str]) -> None:
    """Headings of many kinds begin parts; what only looks like one does not."""
    built = outline(text, source)
    inside = built.inside(built.documents()[0].id)
    assert [node.title for node in inside if node.kind != "passage"] == titles


HOSTILE = {
    "empty": "",
    "blank": " \n\t\n ",
    "one word": "word",
    "one line": "x" * 700_000,
    "one long sentence": "word " * 60_000,
    "headings in a row": "".join(f"# Heading {n}\n" for n in range(3_000)),
    "the same heading": "# Same\n\ntext\n\n" * 500,
    "rules": "===\n---\n***\n" * 2_000,
    "deep": "".join(f"{'#' * (n % 6 + 1)} H{n}\n\ntext {n}\n\n" for n in range(400)),
    "numbers": "\n\n".join(f"{n}.{n % 7}.{n % 3} Clause with a text" for n in range(1_500)),
    "right to left": "# عنوان\n\nهذا نص عربي طويل.\n\n## כותרת\n\nטקסט בעברית.",  # noqa: RUF001 - it is Arabic and Hebrew
    "mixed": "# 東京\n\n東京タワーは高い。\n\n# Über\n\nGrüße aus Köln.\n\n# नमस्ते\n\nयह पाठ है।",
    "table": "| n | value |\n|---|---|\n" + "".join(f"| {n} | v{n} |\n" for n in range(10_000)),
    "html soup": "<div><h2>One</h3><p>text<table><tr><td>1" * 300,
    "surrogates": "# \ud800 heading\n\nhalf \udfff a pair",
    "nul": "# a\0b\n\ntext \0 more",
    "capitals": "ALL CAPITALS HERE\n\n" * 500,
    "contents": "".join(f"Item {n}. Business {n}\n" for n in range(300)),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_give_sensible_trees(text: str) -> None:
    """Nothing but white space is lost, spans are true, and the law of the room holds."""
    built = outline(text)
    (root,) = built.documents()
    passages = [node for node in built.inside(root.id) if node.kind == "passage"]
    at = 0
    for node in passages:
        assert not text[at : node.start].strip()
        at = node.end
    assert not text[at:].strip()
    assert root.tokens == sum(node.tokens for node in passages)
    for tokens in (0, 7, 60, 300):
        found = built.contents(tokens)
        assert found.tokens <= tokens
        assert found.hidden + len(found.nodes) == len(built)
        opened = built.open(root.id, tokens)
        assert opened.tokens <= tokens


texts = st.lists(
    st.sampled_from(
        [
            *("# One", "## Two", "plain words here", "1. First", "1.1 Second", "CAPITALS", "====="),
            *("| a | b |", "|---|---|", "Ada: hello", "第一章 総則", "Item 2. Things", "```", ""),
            "x" * 900,
        ]
    ),
    max_size=40,
).map("\n".join)


@given(text=texts, tokens=st.integers(0, 120))
def test_the_law_of_the_room(text: str, tokens: int) -> None:
    """Whatever the text: contents and openings fit by the caller's own count, and nothing is lost."""
    built = Outline.build([Document(text)], tokens=30, count=words)
    assert all_text(built, text) == "".join(text.split())
    contents = built.contents(tokens)
    assert contents.tokens == words(contents.text) <= tokens
    for root in built.documents():
        for node in built.inside(root.id)[:20]:
            opened = built.open(node.id, tokens)
            assert opened.tokens == words(opened.text) <= tokens
            assert node.start <= opened.start <= opened.end <= node.end
            assert (opened.rest is None) == (not opened.left)


@given(text=texts)
def test_reading_on_reads_everything(text: str) -> None:
    """Opening what is left, again and again, gives each part of the text once."""
    built = Outline.build([Document(text)], tokens=30, count=words)
    for root in built.documents():
        read: list[str] = []
        rest: Node | None = root
        while rest is not None:
            opened = built.open(rest.id, 10**6)
            read.append(opened.text)
            rest = opened.rest
        heads = [line for part in read for line in part.splitlines()[1:]]
        assert "".join("".join(heads).split()) == "".join(text.split())


def test_ids_stay_where_the_text_stays() -> None:
    """A rebuild gives the same ids; an edit changes those of the passages it touches."""
    before = outline(CONTRACT)
    again = outline(CONTRACT)
    edited = outline(CONTRACT.replace("each month", "each year"))

    def ids(built: Outline) -> dict[str, str]:
        return {node.id: node.kind for node in built.inside(built.documents()[0].id)}

    assert ids(before) == ids(again)
    changed = ids(before).keys() ^ ids(edited).keys()
    assert len(changed) == 2
    assert {
        kind for one in (before, edited) for name, kind in ids(one).items() if name in changed
    } == {"passage"}


def test_the_table_of_contents() -> None:
    """Lines name a part, its id, its tokens and what it is about; the room decides how many."""
    built = outline(CONTRACT)
    names = {n.id: n for n in built.inside(built.documents()[0].id)}
    found = built.contents(400)
    assert all(f"[{node.id}]" in found.text for node in found.nodes)
    clause = next(node for node in names.values() if node.title == "2 PAYMENT")
    assert [node.title for node in built.contents(60, clause.id).nodes] == ["", "2.1 Bob Inc"]
    many = [Document(f"Tale number {n} of herons.", metadata={"source": f"{n}"}) for n in range(90)]
    short = Outline.build(many).contents(100)
    assert short.text.endswith(f"… and {90 - len(short.nodes)} more")


def test_opening_shows_where_it_stands() -> None:
    """A breadcrumb of headings, the text, and where to read on."""
    built = outline(CONTRACT)
    clause = next(n for n in built.inside(built.documents()[0].id) if n.title.startswith("1.2"))
    assert built.open(clause.id, 100).text == snapshot(
        """\
text.txt > SERVICE AGREEMENT > 1 DEFINITIONS > 1.2 "Fee" means the sum in Schedule A
1.2 "Fee" means the sum in Schedule A.\
"""
    )
    cut = built.open(clause.id, 6)
    assert (cut.text, cut.rest is None, cut.left) == snapshot(('1.2 "Fee"', False, 13))


@pytest.mark.parametrize("name", ["", "nonsense", "aaaaaaaaaa", "[x]", "'; DROP TABLE nodes"])
def test_ids_from_elsewhere(name: str) -> None:
    """An id that this outline does not have is a named error that says what to do."""
    built = outline("text")
    for ask in (
        lambda: built[name],
        lambda: built.open(name, 10),
        lambda: built.contents(10, name),
    ):
        with pytest.raises(UnknownNode, match="contents"):
            ask()


def test_bad_arguments() -> None:
    """Negative rooms and passages of no size are refused."""
    built = outline("text")
    root = built.documents()[0].id
    for ask in (lambda: built.contents(-1), lambda: built.open(root, -1)):
        with pytest.raises(ValueError, match="0 or more"):
            ask()
    with pytest.raises(ValueError, match="positive"):
        Outline.build([], tokens=0)


def test_gists_name_what_is_covered() -> None:
    """A gist has the part's own terms and one of its sentences, none of the words every part has."""
    herons = "The heron nests in colonies near shallow lakes. Herons lay three to five pale eggs."
    ferries = (
        "The ferry leaves the island pier at dawn. Its captain sells tickets aboard the ferry."
    )
    built = outline(f"# Birds\n\n{herons}\n\n# Boats\n\n{ferries}", "a.md")
    birds, boats = built.children(built.documents()[0].id)
    assert "heron" in birds.gist.split(" — ")[0]
    assert "ferry" in boats.gist.split(" — ")[0]
    assert birds.gist.split(" — ")[1] in herons


def test_parts_of_a_document_stand_in_one_tree() -> None:
    """Passages of one source make one document, whose titles are its sections."""
    parts = [
        Document("One.", metadata={"source": "s", "title": "Book > Ants", "start": 0, "end": 4}),
        Document("Two.", metadata={"source": "s", "title": "Book > Ants", "start": 9, "end": 13}),
        Document("Three.", metadata={"source": "s", "title": "Book > Bees", "start": 20}),
    ]
    built = Outline.build(parts)
    assert tree(built) == snapshot(
        ["document 'Book' 0", "  section 'Ants' 2", "  section 'Bees' 1"]
    )
    ants, bees = built.children(built.documents()[0].id)
    assert (ants.start, ants.end, bees.start, bees.end) == (0, 13, 20, 26)
