"""The trimmer's law over bad input: hostile text, hostile counters, and each sentence by itself."""

import itertools
import json
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from shoestring.models.counting.counting import counter
from shoestring.tools.trimming.render import render
from shoestring.tools.trimming.trim import Fill, Order, Trimmed, trim

O200K, CL100K = counter("o200k_base").count, counter("cl100k_base").count
QUERY = "Who built the engine?"
FILLS: tuple[Fill, ...] = ("relevant", "budget")
ORDERS: tuple[Order, ...] = ("original", "edges")

BINARY = "".join(map(chr, random.Random(1).choices(range(256), k=3_000)))
DEEP = "[" * 5_000 + "]" * 5_000
BIG_JSON = json.dumps([{"id": n, "part": f"engine {n}", "built": n % 7} for n in range(4_000)])
RAGGED = "\n".join(
    "| " + " | ".join("engine" for _ in range(1 + n * n % 7)) + " |" for n in range(80)
)
CASES = {
    "empty": [""],
    "no documents": [],
    "white space": [" \t\n\r\n \u3000\u2028 "] * 5,
    "one long line": ["engine " * 20_000],
    "one long word": ["engine" * 20_000],
    "empty passages": [""] * 2_000,
    "duplicates": ["The engine was built by Ada in the old workshop."] * 400,
    "control characters": ["\x00\x01\x02engine\x1b[31m built\x7f\x85\x9f\ufeff " * 50],
    "lone surrogates": ["engine \ud800 built \udfff\udc00. " * 80],
    "mixed scripts": ["Мотор был 発動機は engine المحرك हेलो ภาษาไทย. " * 60],
    "right to left": ["\u202eהמנוע נבנה\u202c \u2067بُني المحرك\u2069! " * 60],  # noqa: RUF001 - Hebrew
    "emoji sequences": ["👩\u200d👩\u200d👧🏽\u200d♂️🏳️\u200d🌈🇩🇪 engine " * 80],
    "combining marks": ["e" + "\u0301" * 3_000 + " engine."],
    "broken JSON": ['{"engine": [1, 2, {"built": "x' * 80, '{"a": 1,}' * 50, '["\\u12"]'],
    "deep JSON": [DEEP, '{"a":' * 3_000 + "1" + "}" * 3_000],
    "huge JSON": [BIG_JSON, json.dumps({"engine": "x" * 60_000}), "1" * 9_000],
    "ragged tables": [RAGGED, "a,b,c\n1,2\n3,4,5,6\n\n7\n" * 60, "|---|\n|-|-|\n" * 60],
    "binary": [BINARY, BINARY[::-1]],
    "stops": ["." * 9_000, "?! " * 3_000, "。" * 3_000],
    "brackets and quotes": ["\"'([{<" * 2_000, "```\n" * 2_000, "# \n" * 2_000, "@@ -1 +1 @@\n" * 500],
}  # fmt: skip


def flaky(text: str) -> int:
    """Count so that a longer text may count less."""
    return sum(map(ord, text)) % 17 + len(text) // 9


def steep(text: str) -> int:
    """Count more for a whole than for its parts."""
    return len(text) ** 2 // 400


def constant(text: str) -> int:
    """Count any text alike."""
    return 12 if text else 0


COUNTERS: tuple[Callable[[str], int], ...] = (O200K, CL100K, len, flaky, steep, constant)


def whole_law(documents: Sequence[Document], kept: Trimmed, count: Callable[[str], int]) -> None:
    """Check what holds of any result."""
    assert kept.tokens <= kept.limit
    assert kept.text == (render(kept.documents) if kept.documents else "")
    assert kept.tokens == (count(kept.text) if kept.documents else 0)
    assert kept.certificate is None or 0.0 <= kept.certificate <= 1.0
    assert 0.0 <= kept.score <= 1.0
    sources = [str(piece.metadata["source"]) for piece in kept.documents]
    places = [int(source.removeprefix("document ")) for source in sources]
    assert places == sorted(places)
    for one, two in itertools.pairwise(kept.documents):
        same = one.metadata["source"] == two.metadata["source"]
        assert not same or one.metadata["end"] <= two.metadata["start"]
    for place, piece in zip(places, kept.documents, strict=True):
        if "spans" not in piece.metadata and "shortened" not in piece.metadata:
            span = slice(piece.metadata["start"], piece.metadata["end"])
            assert documents[place - 1].page_content[span] == piece.page_content


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("tokens", [1, 23, 400])
def test_bad_input_is_trimmed_like_any(name: str, fill: Fill, tokens: int) -> None:
    """Whatever the text, nothing raises, the law holds, and twice is the same."""
    documents = [Document(text) for text in CASES[name]]
    kept = trim(documents, QUERY, tokens, fill=fill)
    whole_law(documents, kept, O200K)
    assert trim(documents, QUERY, tokens, fill=fill) == kept


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([text[:700] for texts in CASES.values() for text in texts]), max_size=7
    ),
    st.integers(0, 150),
    st.sampled_from(COUNTERS),
    st.sampled_from([(fill, order) for fill in FILLS for order in ORDERS]),
    st.sampled_from([QUERY, "\ud800", "\x00", "المحرك", "engine " * 3_000, "." * 5_000]),
)
def test_the_law_holds_for_any_mixture(
    texts: list[str],
    tokens: int,
    count: Callable[[str], int],
    ways: tuple[Fill, Order],
    query: str,
) -> None:
    """Never over and deterministic: for all of it together, any counter, order and query."""
    fill, order = ways
    documents = [Document(text) for text in texts]
    kept = trim(documents, query, tokens, count=count, fill=fill, order=order)
    if order == "original":
        whole_law(documents, kept, count)
    assert kept.tokens <= tokens
    assert kept.tokens == (count(render(kept.documents)) if kept.documents else 0)
    assert trim(documents, query, tokens, count=count, fill=fill, order=order) == kept


def test_a_query_longer_than_the_budget() -> None:
    """Only the text is counted: a query of thousands of words trims to a few tokens."""
    documents = [Document("The engine was built by Ada."), Document("Cats purr all day long.")]
    kept = trim(documents, "Please tell me who built the engine. " * 2_000, 9)
    assert kept.text == "The engine was built by Ada."


@pytest.mark.parametrize("after", [0, 1, 5])
def test_a_tokenizer_that_raises(after: int) -> None:
    """Its own error is what is raised, at whichever count it comes."""
    calls = itertools.count()

    def count(text: str) -> int:
        if next(calls) >= after:
            raise LookupError("no vocabulary")
        return len(text)

    documents = [Document(f"The engine number {n} was built in {1800 + n}.") for n in range(60)]
    with pytest.raises(LookupError, match="no vocabulary"):
        trim(documents, QUERY, 900, count=count)


@pytest.mark.parametrize("metadata", [
    {"source": None, "title": 7, "start": "x"},
    {"source": "", "title": "\x00\ud800" * 90, "start": -4},
    {"start": True, "version": object(), "date": "9999-99-99", "kind": ""},
    {"title": ["a"], "updated": float("inf"), "version": "9" * 500},
])  # fmt: skip
def test_metadata_of_any_kind(metadata: dict[str, object]) -> None:
    """Metadata that is not what it is called is left aside."""
    documents = [Document("The engine was built by Ada. Dogs bark.", metadata=metadata)] * 2
    kept = trim(documents, QUERY, 40)
    assert "built by Ada" in kept.text
    assert kept.tokens <= 40


# The trimmer's law, sentence by sentence.


@pytest.mark.parametrize(
    "count", COUNTERS, ids=("o200k", "cl100k", "len", "flaky", "steep", "constant")
)
def test_separators_and_headers_are_included(count: Callable[[str], int]) -> None:
    """What is counted is the rendering itself: titles, blank lines, a caller's own marks."""

    def cards(documents: Sequence[Document]) -> str:
        return "<all>" + "".join(
            f"<d t='{d.metadata['title']}'>{d.page_content}</d>\n" for d in documents
        )

    documents = [
        Document(f"The engine number {n} was built.", metadata={"title": f"Part {n // 3}"})
        for n in range(40)
    ]
    for tokens in (5, 31, 120):
        kept = trim(documents, QUERY, tokens, count=count, render=cards, fill="budget")
        assert kept.tokens == (count(cards(kept.documents)) if kept.documents else 0) <= tokens


def test_original_order_is_kept() -> None:
    """The best passage comes where it stood, whatever its rank; "edges" puts the best at the ends."""
    ranked = ["Dogs bark at night.", "The engine hums.", "Ada built it.", "Ada built the engine."]
    documents = [Document(text, metadata={"source": text}) for text in ranked]
    assert [d.page_content for d in trim(documents, QUERY, 400, fill="budget").documents] == ranked
    edges = trim(documents, QUERY, 400, fill="budget", order="edges")
    assert edges.documents[0].page_content == "Ada built the engine."
    assert edges.documents[1].page_content == "Dogs bark at night." or (
        edges.documents[2].page_content == "Dogs bark at night."
    )
    scores = [piece.metadata["score"] for piece in edges.documents]
    assert scores.index(min(scores)) in (1, 2)
    assert edges.tokens == O200K(edges.text) <= 400


def test_an_unknown_order_is_refused() -> None:
    """A wrong order is a ValueError that names the right ones."""
    with pytest.raises(ValueError, match="order must be"):
        trim([Document("x")], "q", 9, order="best")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - wrong on purpose


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 260), st.sampled_from(FILLS), st.sampled_from(COUNTERS))
def test_never_half_a_value_or_a_row_without_its_header(
    tokens: int, fill: Fill, count: Callable[[str], int]
) -> None:
    """What is kept of JSON parses, and a row stands with its header, at any size and counter."""
    value = json.dumps(
        [{"part": f"engine {n}", "by": ["Ada", {"in": 1800 + n}]} for n in range(40)]
    )
    table = "| part | by |\n|---|---|\n" + "\n".join(f"| engine {n} | Ada |" for n in range(40))
    kept = trim([Document(value), Document(table)], "engine 7", tokens, count=count, fill=fill)
    for piece in kept.documents:
        if piece.metadata["source"] == "document 1":
            assert isinstance(json.loads(piece.page_content), list)
        elif "| engine" in piece.page_content:
            assert "| part | by |\n|---|---|" in kept.text


@pytest.mark.parametrize("fill", FILLS)
def test_no_tokens_keep_nothing_and_fewer_are_refused(fill: Fill) -> None:
    """A budget of 0 keeps nothing; a negative one is a ValueError."""
    documents = [Document(text) for texts in CASES.values() for text in texts[:1]]
    kept = trim(documents, QUERY, 0, fill=fill)
    assert (kept.documents, kept.text, kept.tokens) == ((), "", 0)
    with pytest.raises(ValueError, match="0 or more"):
        trim(documents, QUERY, -1, fill=fill)


def test_o200k_counts_by_default() -> None:
    """Without a counter the tokens are those of o200k_base."""
    documents = [Document("発動機はエイダが作った。" * 30)]
    kept = trim(documents, "発動機", 50, fill="budget")
    assert kept == trim(documents, "発動機", 50, count=O200K, fill="budget")
    assert kept.tokens == O200K(kept.text) <= 50


def test_what_is_irrelevant_is_left_out_although_it_fits() -> None:
    """The default stops where relevance ends; "budget" uses the room."""
    documents = [Document("Ada built the engine."), Document("Dogs bark at night.")]
    assert trim(documents, QUERY, 100).text == "Ada built the engine."
    assert "Dogs" in trim(documents, QUERY, 100, fill="budget").text


@pytest.mark.parametrize("name", CASES)
def test_what_fits_is_unchanged_byte_for_byte(name: str) -> None:
    """Under fill="budget" any text that fits comes back as it was."""
    documents = [Document(text[:4_000]) for text in CASES[name][:20]]
    whole = render(documents)
    kept = trim(documents, QUERY, O200K(whole), fill="budget")
    if O200K(whole):
        assert kept.text == whole
        assert [d.page_content for d in kept.documents] == [d.page_content for d in documents]


N = 60_000
SLOW = {
    "words": ["engine " * N],
    "sentences": ["engine. " * N],
    "lines": ["engine7 built\n" * N],
    "rows": ["| engine | built |\n" * N],
    "brackets": ["{" * N, "[1, " * N, '{"engine": 1} [' * N],
    "stops": ["." * N, "a." * N],
    "line breaks": ["\n" * N, "a\n\n" * N],
    "headings": ["# engine\n\n" * N],
    "turns": ["Ada: engine\nBob: built\n" * N],
    "repeats": ["the engine was built here by Ada and her friends"] * (N // 10),
    "near-repeats": [f"engine {n} was built by Ada and by nobody else" for n in range(N // 10)],
}


@pytest.mark.parametrize("name", SLOW)
def test_text_made_to_be_slow_is_trimmed(name: str) -> None:
    """Long runs of what opens, repeats or separates end in time: nothing is quadratic in them."""
    documents = [Document(text) for text in SLOW[name]]
    assert trim(documents, QUERY, 60, fill="budget").tokens <= 60
