"""Splitting: exact spans, nothing lost, never over the size, structure kept."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document

from shoestring.tools.splitting.ruler import estimate_tokens
from shoestring.tools.splitting.split import split

FRAGMENTS = st.sampled_from(
    [
        *["#", "##", "-", "*", "1.", "|", "|---|", "```", "~~~", "====", "----", "****"],
        *["..", ".", "!", "?", "。", "、", "…"],
        *["\n", "\r\n", "\r", "\t", "\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\u2028", "\u3000"],
        *["\x00", "\ufeff"],
        *["word", "Wörter", "слово", "東京は", "👩\u200d👧", "e\u0301", "ﷺ", "don't", "a_b"],
        *["camelCase", "12345", "\ud800", "x,y"],
        "    indented\n",
        "a" * 50,
        "\n\n",
        "---\ntitle: x\n---\n",
        "| a | b |\n|---|---|\n| 1 | 2 |\n",
    ]
)
HOSTILE = st.one_of(
    st.text(max_size=300),
    st.lists(FRAGMENTS, max_size=60).map("".join),
    st.lists(FRAGMENTS, max_size=60).map(" ".join),
    st.lists(FRAGMENTS, max_size=60).map("\n".join),
)
COUNTERS: list[Callable[[str], int] | None] = [
    None,
    len,
    lambda text: len(text.encode("utf-8", "surrogatepass")),
    lambda text: len(text.split()),
    lambda text: 0,
    lambda text: (hash(text) & 15) + len(text) // 3,  # neither additive nor monotonic
]


def document(text: str, source: str = "a.md", title: str = "A") -> Document:
    return Document(page_content=text, metadata={"source": source, "title": title})


def texts(text: str, source: str = "a.md", tokens: int = 200) -> list[str]:
    return [passage.page_content for passage in split([document(text, source)], tokens=tokens)]


@given(
    HOSTILE,
    st.integers(1, 60),
    st.sampled_from(COUNTERS),
    st.sampled_from(["a.md", "a.txt", "a.py", ""]),
    st.integers(0, 10**6),
)
def test_spans_are_exact_nothing_is_lost_and_no_passage_is_over_the_size(
    text: str, tokens: int, count: Callable[[str], int] | None, source: str, start: int
) -> None:
    """For any text, size and counter, passages partition what is not whitespace."""
    parent = Document(page_content=text, metadata={"source": source, "start": start})
    passages = list(split([parent], tokens=tokens, count=count))
    counted = count or estimate_tokens
    spans = [(p.metadata["start"] - start, p.metadata["end"] - start) for p in passages]
    for passage, (left, right) in zip(passages, spans, strict=True):
        assert passage.page_content == text[left:right]
        assert passage.page_content.strip() == passage.page_content != ""
        assert counted(passage.page_content) <= tokens or len(passage.page_content) == 1
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    outside = zip(edges[::2], edges[1::2], strict=True)
    assert all(left <= right for left, right in pairwise(edges))
    assert not "".join(text[left:right] for left, right in outside).strip()


def test_a_passage_stays_under_one_heading_and_its_title_is_the_path() -> None:
    """Titles name the file and the headings above; a heading is never cut from its text."""
    text = "intro\n\n# One\n\ntext\n\n## Two\n### Three\nmore\n\n# Four\nend"
    found = [(p.metadata["title"], p.page_content) for p in split([document(text)])]
    assert found == [
        ("A", "intro"),
        ("A > One", "# One\n\ntext"),
        ("A > One > Two > Three", "## Two\n### Three\nmore"),
        ("A > Four", "# Four\nend"),
    ]


def test_the_file_title_is_not_repeated() -> None:
    """A Markdown file's own first heading gives its title once."""
    found = list(split([document("# A\n\ntext\n\n## B\n\nmore")]))
    assert [p.metadata["title"] for p in found] == ["A", "A > B"]


@pytest.mark.parametrize(
    ("text", "source", "titles"),
    [
        ("Top\n===\n\na\n\nSub\n---\n\nb", "x.md", ["A > Top", "A > Top > Sub"]),
        ("Sub\n***\na\n\nDeep\n...\nb\n\nSub2\n****\nc", "x.rst", ["Sub", "Sub > Deep", "Sub2"]),
        ("****\nOver\n****\n\na\n\nSub\n****\n\nb", "x.rst", ["Over", "Over > Sub"]),
        ("SYNOPSIS\n\na\n\nSEE ALSO\n\nb", "x.txt", ["SYNOPSIS", "SEE ALSO"]),
    ],
)
def test_underlined_and_capital_titles_are_headings(
    text: str, source: str, titles: list[str]
) -> None:
    """Markdown, reStructuredText and plain-text titles part a text."""
    found = [p.metadata["title"] for p in split([document(text, source)])]
    assert found == [title if title.startswith("A") else f"A > {title}" for title in titles]


def test_comments_in_code_are_no_headings() -> None:
    """In source code a line with # is a comment, and so it is inside a fence."""
    assert [p.metadata["title"] for p in split([document("# no\nx = 1", "a.py")])] == ["A"]
    assert [p.metadata["title"] for p in split([document("```\n# no\n```\n")])] == ["A"]


def test_blocks_stay_whole_where_they_fit() -> None:
    """A table or a fence is cut only if it is larger than a passage; then between lines."""
    table = "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 4
    fence = "```python\nx = 1\n\n# y\ny = 2\n```"
    words = "Some words stand here. " * 4
    assert texts(f"{words}\n\n{table}\n{fence}\n", tokens=40) == [
        words.strip(),
        table.strip(),
        fence,
    ]
    rows = texts(table * 5, tokens=20)
    assert all(row.startswith("|") and row.endswith("|") for row in rows)


def test_large_paragraphs_are_cut_at_sentences_then_words() -> None:
    """A cut falls at the end of a sentence where it can, else between words, else anywhere."""
    sentences = "The cat sat down. The dog ran off. " * 3
    assert texts(sentences, tokens=10) == ["The cat sat down. The dog ran off."] * 3
    assert all(len(piece.split()[0]) == 4 for piece in texts("word " * 50, tokens=7))
    assert "".join(texts("x" * 500, tokens=7)) == "x" * 500


def test_small_paragraphs_are_merged_and_code_parts_at_blank_lines() -> None:
    """Paragraphs fill a passage; in code, what a blank line does not part stays together."""
    assert texts("one\n\ntwo\n\nthree") == ["one\n\ntwo\n\nthree"]
    function = "def f():\n    a = 1\n\n    return a\n"
    assert texts(f"{function}\n\n{function}", "a.py", tokens=20) == [function.strip()] * 2


def test_metadata_travels_along() -> None:
    """What the document knows (a PDF page) its passages know."""
    page = Document(page_content="text", metadata={"source": "a.pdf", "start": 10, "page": 3})
    (passage,) = split([page])
    assert passage.metadata == {"source": "a.pdf", "start": 10, "end": 14, "page": 3, "title": ""}


def test_the_counter_is_called_about_once_a_passage() -> None:
    """A slow counter is asked to verify passages, not to measure their pieces."""
    calls = 0

    def count(text: str) -> int:
        nonlocal calls
        calls += 1
        return len(text)

    text = "\n\n".join("A sentence of some words, and more. " * 5 for _ in range(200))
    passages = list(split([document(text)], tokens=600, count=count))
    assert calls <= 2 * len(passages)
    assert len(text) / len(passages) > 400


@pytest.mark.parametrize("tokens", [0, -1])
def test_a_size_must_be_positive(tokens: int) -> None:
    """No room is a mistake of the caller."""
    with pytest.raises(ValueError, match="tokens must be positive"):
        split([], tokens=tokens)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000,
        "\n" * 300_000,
        " " * 300_000 + "x",
        "\n\na" * 50_000,
        "." * 300_000,
        "# " * 100_000,
        "- a\n\n" * 50_000,
        "|" * 300_000,
        "(((" * 100_000,
        "\r" * 300_000 + "```",
    ],
    ids=lambda text: repr(text[:5]),
)
@pytest.mark.timeout(60)
def test_hostile_texts_take_linear_time(text: str) -> None:
    """Long runs of one thing do not make a pattern backtrack: quadratic work would time out."""
    assert "".join("".join(texts(text)).split()) == "".join(text.split())
