"""The trimmer's law, sentence by sentence, over hostile text and odd counters."""

# ruff: noqa: RUF001 - stops of other scripts are what is tested

import json
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from shoestring.models.counting.counting import counter
from shoestring.tools.relevance.tiers import EmbeddingTier
from shoestring.tools.trimming.render import render
from shoestring.tools.trimming.trim import Trimmed, trim

O200K = counter("o200k_base").count


def by_words(text: str) -> int:
    return len(text.split())


def by_characters(text: str) -> int:
    return len(text)


def with_constant(text: str) -> int:
    return 7 + len(text) // 3


def subadditive(text: str) -> int:
    # As if a vocabulary merged across sentences: the whole is cheaper than its parts.
    return int(len(text) ** 0.8) + text.count("\n")


def superadditive(text: str) -> int:
    return int(len(text) ** 1.2)


def not_monotone(text: str) -> int:
    return len(text) // 2 + (13 if len(text) % 5 == 0 else 0)


COUNTERS: list[Callable[[str], int]] = [
    O200K, by_words, by_characters, with_constant, subadditive, superadditive, not_monotone
]  # fmt: skip

FRAGMENTS = [
    "The engine was never built. ",
    "It rained in London all day! ",
    "Who wrote it? ",
    "Dr. A. Lee ",
    "東京タワーは高い。",
    "他说：你好！",
    "هل بُني المحرك؟ ",
    "यह इंजन कभी नहीं बना। ",
    "שלום עולם. ",
    "👩‍👩‍👧 🏳️‍🌈 ",
    "e\u0301\u0301 ",
    "\ud800",
    "\udfff",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "\t",
    "\n",
    "\r\n",
    "\n\n",
    " ",
    "a" * 700,
    "|",
    "| a | b |\n|---|---|\n| 1 | engine |\n| 2 | x |\n",
    '{"a": [1, 2]}\n',
    "[1, 2",
    "<|endoftext|>",
    "- item\n",
    "12:00:01 ERROR built\n",
    "x_y camelCase ",
    "a,b,c\n1,2,3\n4,5,6\n",
]
text_of = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=20)), max_size=12).map(
    "".join
)


def placed(text: str, title: str, start: int) -> Document:
    return Document(
        text, metadata={"source": "s", "start": start} | ({"title": title} if title else {})
    )


document_of = st.builds(
    placed,
    text_of,
    st.one_of(st.just(""), st.just("A heading"), st.text(max_size=30)),
    st.integers(0, 5000),
)
documents_of = st.lists(document_of, max_size=6)
query_of = st.sampled_from(["engine built", "الم المحرك", "塔", "?!", "the of", "engine " * 500])
fill_of = st.sampled_from(["relevant", "budget"])


def spans_are_exact(documents: Sequence[Document], trimmed: Trimmed) -> bool:
    """Say whether pieces, in order, stand in distinct places of the documents, in order."""
    at, after = 0, 0
    for piece in trimmed.documents:
        while at < len(documents):
            document = documents[at]
            start = piece.metadata["start"] - document.metadata["start"]
            end = piece.metadata["end"] - document.metadata["start"]
            if (
                start >= after
                and document.page_content[start:end] == piece.page_content
                and (end - start == len(piece.page_content))
            ):
                after = end
                break
            at, after = at + 1, 0
        else:
            return False
    return True


@settings(max_examples=300, deadline=None)
@given(documents_of, query_of, st.integers(0, 120), st.sampled_from(COUNTERS), fill_of)
def test_never_over_and_deterministic(
    documents: list[Document], query: str, tokens: int, count: Callable[[str], int], fill: str
) -> None:
    """Whatever the text and the counter, what is rendered fits, twice the same, exactly placed."""
    trimmed = trim(documents, query, tokens, count=count, fill=fill)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - drawn from both
    assert trimmed.text == (render(trimmed.documents) if trimmed.documents else "")
    assert trimmed.tokens == (count(trimmed.text) if trimmed.documents else 0)
    assert trimmed.tokens <= trimmed.limit == tokens
    assert spans_are_exact(documents, trimmed)
    assert all(0 <= piece.metadata["score"] <= 1 for piece in trimmed.documents)
    assert 0 <= trimmed.score <= 1
    again = trim(documents, query, tokens, count=count, fill=fill)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - drawn from both
    assert again == trimmed


@settings(max_examples=150, deadline=None)
@given(documents_of, query_of, st.sampled_from(COUNTERS))
def test_what_fits_is_unchanged(
    documents: list[Document], query: str, count: Callable[[str], int]
) -> None:
    """Under fill="budget" a text that fits comes back byte for byte."""
    whole = render(documents)
    trimmed = trim(documents, query, count(whole), count=count, fill="budget")
    if count(whole):
        assert trimmed.text == whole
        assert trimmed.dropped == ()
        assert [p.page_content for p in trimmed.documents] == [d.page_content for d in documents]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(FRAGMENTS[:10]), min_size=30, max_size=60).map("".join),
    st.integers(5, 150),
    st.sampled_from([O200K, by_characters]),
    st.sampled_from(["", "On engines"]),
)
def test_budget_is_used(text: str, tokens: int, count: Callable[[str], int], title: str) -> None:
    """Under fill="budget" prose fills at least 95 % of the room, titles or not."""
    document = Document(text, metadata={"title": title})
    trimmed = trim([document], "engine built", tokens, count=count, fill="budget")
    # A character of these scripts may take three tokens: the last one may not fit.
    assert trimmed.tokens >= 0.95 * tokens - 3 or not trimmed.dropped


@settings(max_examples=100, deadline=None)
@given(documents_of, query_of, st.integers(0, 80), fill_of)
def test_kept_and_dropped_are_everything(
    documents: list[Document], query: str, tokens: int, fill: str
) -> None:
    """Every character that is no white space is in a kept piece or in a dropped stretch."""
    sources = [
        Document(d.page_content, metadata={"source": f"s{i}"}) for i, d in enumerate(documents)
    ]
    trimmed = trim(sources, query, tokens, fill=fill)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - drawn from both
    covered: dict[str, set[int]] = {str(d.metadata["source"]): set() for d in sources}
    for piece in trimmed.documents:
        covered[piece.metadata["source"]].update(
            range(piece.metadata["start"], piece.metadata["end"])
        )
    for stretch in trimmed.dropped:
        assert stretch.reason in {"not relevant", "no room", "duplicate"}
        covered[stretch.source].update(range(stretch.start, stretch.end))
    for document in sources:
        missing = set(range(len(document.page_content))) - covered[document.metadata["source"]]
        assert not "".join(document.page_content[i] for i in missing).strip()


@given(st.integers(1, 60), fill_of)
def test_no_row_without_its_header(tokens: int, fill: str) -> None:
    """A kept row of a Markdown or delimited table stands with its table's header, and is whole."""
    rows = [f"| tool {i} | built {i} |" for i in range(9)]
    text = (
        "Before.\n\n| name | state |\n|---|---|\n" + "\n".join(rows) + "\n\nThe engine was built."
    )
    trimmed = trim([Document(text)], "built tool", tokens, fill=fill)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - drawn from both
    lines = [line for line in trimmed.text.split("\n") if "|" in line]
    if lines:
        assert lines[:2] == ["| name | state |", "|---|---|"]
        assert len(lines) > 2
        assert set(lines[2:]) <= set(rows)


@given(st.integers(1, 60), fill_of)
def test_no_half_json_value(tokens: int, fill: str) -> None:
    """A JSON value is kept whole or dropped: alone, on a line, or in a fence."""
    record = {"tool": "engine", "built": [1, 2, {"by": "Ada"}]}
    pretty = json.dumps(record, indent=2)
    lines = "\n".join(json.dumps({"n": i, "built": "engine"}) for i in range(6))
    documents = [Document(pretty), Document(lines), Document(f"So:\n\n```json\n{pretty}\n```\n")]
    trimmed = trim(documents, "engine built", tokens, fill=fill)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - drawn from both
    for piece in trimmed.documents:
        decoder = json.JSONDecoder()
        at = piece.page_content.find("{")
        while at >= 0:
            _, end = decoder.raw_decode(piece.page_content, at)
            at = piece.page_content.find("{", end)
        assert piece.page_content.count("{") == piece.page_content.count("}")


def test_relevance_decides_what_is_kept() -> None:
    """The sentence that answers is kept before its neighbours, which are listed as dropped."""
    text = (
        "London is wet. The analytical engine was designed by Charles Babbage. Trains are late."
        " Cats sleep most of the day."
    )
    trimmed = trim([Document(text, metadata={"source": "a.txt"})], "Who designed the engine?", 16)
    assert trimmed.text == "London is wet. The analytical engine was designed by Charles Babbage."
    assert trimmed.documents[0].metadata["reason"] == "relevant"
    assert {(d.source, d.reason) for d in trimmed.dropped} == {("a.txt", "not relevant")}


def test_relevant_stops_where_relevance_ends() -> None:
    """With room to spare, what does not bear on the query is left out all the same."""
    documents = [
        Document("Charles Babbage designed the analytical engine in 1837."),
        Document("Cats sleep most of the day, and dogs bark at the moon at night."),
    ]
    trimmed = trim(documents, "Who designed the analytical engine?", 500)
    assert trimmed.text == documents[0].page_content
    assert [d.reason for d in trimmed.dropped] == ["not relevant"]
    assert trim(documents, "zygomorphic quokka", 500).documents == ()


def test_repeats_come_last() -> None:
    """The same sentence is not kept twice while anything else fits."""
    repeated = "The engine was built by Charles Babbage in a long workshop in London."
    other = "Ada Lovelace wrote about engines in a series of notes that she signed."
    documents = [Document(repeated), Document(repeated), Document(other)]
    trimmed = trim(documents, "Who built the engine?", 34, fill="budget")
    assert trimmed.text.count(repeated) == 1
    assert "Ada Lovelace" in trimmed.text
    assert "duplicate" in {d.reason for d in trimmed.dropped}


def test_titles_are_paid_and_can_yield() -> None:
    """A title counts, and makes way where it would leave no room for any text."""
    document = Document("Engines hum.", metadata={"title": "A very long heading of many words"})
    wide = trim([document], "engines", 40, fill="budget")
    assert wide.text == "A very long heading of many words\nEngines hum."
    narrow = trim([document], "engines", 5, fill="budget")
    assert narrow.text == "Engines hum."
    assert narrow.documents[0].metadata["title"] == ""


def test_spans_count_from_the_source() -> None:
    """A passage that starts inside its source gives spans in that source."""
    passage = Document("Cats sleep. The engine was built.", metadata={"source": "b", "start": 100})
    trimmed = trim([passage], "engine built", 9)
    (piece,) = trimmed.documents
    assert piece.metadata["source"] == "b"
    assert (piece.metadata["start"], piece.metadata["end"]) == (100, 133)


def test_a_custom_rendering_is_what_is_counted() -> None:
    """The caller's own rendering, headers and all, stays within the tokens."""

    def cards(documents: Sequence[Document]) -> str:
        return "".join(f"<doc id={d.metadata['source']}>{d.page_content}</doc>" for d in documents)

    documents = [Document(f"The engine number {i} was built.") for i in range(30)]
    trimmed = trim(documents, "engine 7 built", 100, render=cards, fill="budget")
    assert trimmed.text == cards(trimmed.documents)
    assert 90 <= O200K(trimmed.text) <= 100
    assert "number 7 " in trimmed.text


@pytest.mark.parametrize(
    ("tokens", "query", "fill", "message"),
    [
        (-1, "q", "relevant", "tokens must be 0 or more"),
        (9, "  ", "relevant", "query is empty"),
        (9, "q", "other", "fill must be"),
    ],
)
def test_bad_arguments_are_named(tokens: int, query: str, fill: str, message: str) -> None:
    """A wrong argument is refused with what is wrong."""
    with pytest.raises(ValueError, match=message):
        trim([Document("x")], query, tokens, fill=fill)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - wrong on purpose


def test_budget_zero_keeps_nothing() -> None:
    """No tokens, no text; everything is listed as dropped."""
    trimmed = trim([Document("The engine was built.")], "engine", 0)
    assert (trimmed.text, trimmed.documents, trimmed.tokens) == ("", (), 0)
    assert len(trimmed.dropped) == 1


def test_errors_of_the_counter_pass_through() -> None:
    """A counter's own error is what the caller sees."""

    def broken(text: str) -> int:
        raise LookupError("no vocabulary")

    with pytest.raises(LookupError, match="no vocabulary"):
        trim([Document("The engine was built.")], "engine", 5, count=broken)


class Concepts(Embeddings):
    """Embeds by two concepts, for whoever has no words in common."""

    def _embed(self, text: str) -> list[float]:
        vehicle = float(any(word in text for word in ("car", "automobile")))
        animal = float(any(word in text for word in ("cat", "feline")))
        return [vehicle, animal, 0.1]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self._embed(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._embed(text)


def test_a_tier_finds_other_words() -> None:
    """With a tier of embeddings a sentence is found that shares no word with the query."""
    documents = [Document("A feline sat there quietly."), Document("One automobile was red.")]
    assert trim(documents, "car colour", 8).documents == ()
    trimmed = trim(documents, "car colour", 8, tiers=[EmbeddingTier(Concepts())])
    assert trimmed.text == "One automobile was red."
    assert 0.5 < trimmed.score < 1.0


def test_huge_texts() -> None:
    """A 10 MB line, 100,000 empty passages and deep brackets are trimmed like any text."""
    line = Document("engine " * 1_500_000)
    assert 0 < trim([line], "engine", 50, fill="budget").tokens <= 50
    empty = [Document("")] * 100_000
    assert trim(empty, "engine", 50).documents == ()
    assert trim([Document("[" * 200_000)], "engine", 50, fill="budget").tokens <= 50
    titled = Document("The engine was built. " * 2000, metadata={"title": "t " * 5_000_000})
    assert 0 < trim([titled], "engine", 120, fill="budget").tokens <= 120


@pytest.mark.parametrize("gap", [3, 30, 80])
@pytest.mark.parametrize("tokens", range(20, 200, 3))
def test_a_unit_that_joins_its_neighbour_stays_within(gap: int, tokens: int) -> None:
    """The space that a last unit brings along by joining the next one is measured as well."""
    text = (
        "Nobody ever found the long engine afterwards."
        + " " * gap
        + "The engine was built by a man from London.\n\nCats sleep all day and dogs bark at the moon."
    )
    trimmed = trim([Document(text)], "Who built the engine?", tokens, count=len, fill="budget")
    assert trimmed.tokens <= tokens
    kept = {piece.page_content for piece in trimmed.documents}
    assert all(text[stretch.start : stretch.end] not in kept | {""} for stretch in trimmed.dropped)


@pytest.mark.parametrize(
    "text",
    [
        'Result: {\n  "a": 1,\n  "b": "engine built",\n  "c": [1,\n 2]\n}\n',
        'Result: {"a": 1, "b": "engine built", "c": [1, 2, 3, 4, 5, 6]}',
        '10:01 [INFO] got {"b": "engine. Built. ' + "x" * 700 + '"} from the tool',
    ],
)
@pytest.mark.parametrize("fill", ["relevant", "budget"])
def test_no_half_of_a_json_value_in_other_text(text: str, fill: str) -> None:
    """A value with a few words beside it is kept whole or dropped, like one on its own."""
    for tokens in (4, 8, 12, 16):
        trimmed = trim([Document(text)], "engine built", tokens, fill=fill)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - drawn from both
        assert trimmed.text == ""
    assert trim([Document(text)], "engine built", 500, fill="budget").text == text


def test_rows_between_pipes_keep_their_header() -> None:
    """The rows of a table of an HTML page, which has no rule line, come with the first row."""
    text = "| tool | state |\n| pump | built |\n| engine | broken |\n| car | red |"
    trimmed = trim([Document(text)], "engine", 20)
    assert trimmed.text == "| tool | state |\n| engine | broken |"
    assert trim([Document(text)], "engine", 7).text == ""


def test_trimming_loads_no_retrieval() -> None:
    """Importing the trimmer leaves the parts of an index, which take long to load, unloaded."""
    code = (
        "import sys, shoestring.tools.trimming.trim;"
        "print({'bm25s', 'scipy', 'chromadb', 'torch', 'pypdf'} & sys.modules.keys())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


@pytest.mark.parametrize("lines", [60, 600])
def test_a_monotonous_log_tells_what_failed(lines: int) -> None:
    """A log that says the same again and again, but once, is a log still."""
    said = [f"10:{n % 60:02}:{n % 59:02} INFO worker {n % 7} took job {n}" for n in range(lines)]
    said.insert(lines // 2, "10:30:00 ERROR linker: undefined reference to `shoe_tie'")
    kept = trim([Document("\n".join(said))], "why did the build fail", 200)
    assert "shoe_tie" in kept.text
