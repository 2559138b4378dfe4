"""The X-ray: every character of a context has its place, and a reason."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from langchain_core.documents import Document

from shoestring.evals.looks import KEPT, Look, Stretch, looked
from shoestring.evals.report import xray as xraying
from shoestring.evals.report.text import shown, utf16
from shoestring.evals.report.xray import xray
from shoestring.tools import trim

if TYPE_CHECKING:
    import pytest

TEXT = "It rained \N{OWL} all day in old London. Charles Babbage designed the engine there. Cats sleep."
Runs = list[tuple[str, str]]


def words(text: str) -> int:
    return len(text.split())


def look_at(documents: list[Document], query: str, tokens: int) -> Look:
    """Trim, and look at it."""
    trimmed = trim(documents, query, tokens, count=words)
    return looked("trim", "", trimmed.documents, map(asdict, trimmed.dropped))


def read(data: dict[str, Any], look: int = 0) -> list[Runs]:
    """The runs of all documents as a browser reads them: reason and text."""
    found: list[Runs] = []
    for document, runs in zip(data["documents"], data["looks"][look]["runs"], strict=True):
        units = document["text"].encode("utf-16-le")
        ends = [0, *runs[::2]]
        texts = [units[2 * a : 2 * b].decode("utf-16-le") for a, b in pairwise(ends)]
        found.append(list(zip([data["reasons"][r] for r in runs[1::2]], texts, strict=True)))
    return found


def test_kept_and_left_out() -> None:
    """What was kept and what was not stand side by side; places are a browser's, beyond an owl too."""
    documents = [Document(TEXT, metadata={"source": "a"}), Document("Nothing here.")]
    evidence = [Stretch("a", TEXT.index("Babbage"), TEXT.index(" designed"), "")]
    data = xray(documents, [look_at(documents, "Who designed the engine?", 6)], evidence)
    assert read(data) == snapshot(
        [
            [
                ("no room", "It rained 🦉 all day in old London. "),
                ("kept", "Charles Babbage designed the engine there. "),
                ("no room", "Cats sleep."),
            ],
            [("not relevant", "Nothing here.")],
        ]
    )
    ((start, end),) = data["documents"][0]["evidence"]
    assert data["documents"][0]["text"].encode("utf-16-le")[2 * start : 2 * end].decode(
        "utf-16-le"
    ) == ("Babbage")
    assert [one["source"] for one in data["documents"]] == ["a", "document 2"]


def test_a_second_trim_of_what_the_first_kept() -> None:
    """What the first look left out keeps its reason; a look at the whole starts afresh."""
    documents = [Document(TEXT, metadata={"source": "a"})]
    first = look_at(documents, "Who designed the engine? Do cats sleep?", 9)
    trimmed = trim(documents, "Who designed the engine? Do cats sleep?", 9, count=words)
    second = trim(list(trimmed.documents), "Do cats sleep?", 2, count=words)
    again = looked("again", "", second.documents, map(asdict, second.dropped), after=0)
    fresh = looked("fresh", "", second.documents, map(asdict, second.dropped))
    data = xray(documents, [first, again, fresh])
    assert read(data, 1) == snapshot(
        [
            [
                (
                    "not relevant",
                    "It rained 🦉 all day in old London. Charles Babbage designed the engine there. ",
                ),
                ("kept", "Cats sleep."),
            ]
        ]
    )
    assert read(data, 2)[0][0][0] == "not given"


def test_values_of_json_and_lines_of_logs() -> None:
    """Brackets around kept values are no gap, and what was written in a shorter form is told."""
    rows = ", ".join(f'{{"id": {n}, "name": "bird {n}"}}' for n in range(30))
    documents = [Document(f"[{rows}]", metadata={"source": "j"})]
    data = xray(documents, [look_at(documents, "bird 17", 8)])
    kept = [text for reason, text in read(data)[0] if reason == KEPT]
    assert '{"id": 17, "name": "bird 17"}' in "".join(kept)
    assert data["looks"][0]["rewritten"] == ['[{"id": 17, "name": "bird 17"}]']


def test_a_signature_stands_for_a_tool() -> None:
    """A tool of which only the signature was sent is not shown as kept."""
    piece = Document(
        "f(x)", metadata={"source": "t", "start": 0, "end": 40, "title": "", "shortened": True}
    )
    data = xray([Document("x" * 40, metadata={"source": "t"})], [looked("", "", [piece], [])])
    assert read(data) == [[("shortened", "x" * 40)]]
    assert data["looks"][0]["rewritten"] == ["f(x)"]


@settings(max_examples=60)
@given(
    st.lists(st.text(st.sampled_from("ab .\n\U0001f989é"), max_size=60), min_size=1, max_size=4),
    st.integers(0, 12),
)
def test_no_character_is_lost(texts: list[str], tokens: int) -> None:
    """For any texts and any room the runs hold each text, and what was kept is among the kept."""
    documents = [
        Document(text, metadata={"source": f"s{place % 2}", "start": 100 * place})
        for place, text in enumerate(texts)
    ]
    trimmed = trim(documents, "ab é", tokens, count=words)
    data = xray(documents, [looked("", "", trimmed.documents, map(asdict, trimmed.dropped))])
    found = read(data)
    assert ["".join(text for _, text in runs) for runs in found] == texts
    kept = "".join(text for runs in found for reason, text in runs if reason == KEPT)
    for piece in trimmed.documents:
        assert piece.page_content.strip() in kept
    for stretch in trimmed.dropped:
        assert stretch.reason in {reason for runs in found for reason, _ in runs}


def test_of_a_huge_context_the_middles_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past a size, long stretches that nothing kept show their two ends and say how much is not shown."""
    monkeypatch.setattr(xraying, "_MUCH", 10_000)
    noise = "\N{OWL} worker is idle. " * 1_000
    text = f"{noise}Babbage designed the engine. {noise}"
    documents = [Document(text, metadata={"source": "log"})]
    place = text.index("Babbage")
    spans = (
        Stretch("log", 0, place, "no room"),
        Stretch("log", place, place + 28, KEPT),
        Stretch("log", place + 28, len(text), "no room"),
    )
    data = xray(documents, [Look("", "", spans)], [Stretch("log", place, place + 7, "")])
    (document,) = data["documents"]
    ((start, end),) = document["evidence"]
    units = document["text"].encode("utf-16-le")
    assert units[2 * start : 2 * end].decode("utf-16-le") == "Babbage"
    assert (KEPT, "Babbage designed the engine.") in read(data)[0]
    assert len(document["text"]) < 2_000
    assert len(document["text"]) + sum(size for _, size in document["gaps"]) == len(text)
    assert len(document["gaps"]) == 2


@given(st.text(max_size=80))
def test_what_is_shown_keeps_its_places(text: str) -> None:
    """What would act in a browser is replaced one for one, and nothing else is touched."""
    safe = shown(text)
    assert len(safe) == len(text)
    assert shown(safe) == safe
    safe.encode()
    assert utf16(safe, list(range(len(safe) + 1)))[-1] == len(safe.encode("utf-16-le")) // 2
