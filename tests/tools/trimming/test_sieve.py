"""Enormous logs: what a coarse pass leaves to look at."""

import random
from itertools import pairwise

import pytest
from langchain_core.documents import Document

from shoestring.tools.trimming.sieve import ENORMOUS, sieve
from shoestring.tools.trimming.trim import trim

FAILURE = "10:30:00 ERROR linker: undefined reference to `shoe_tie'"


def log(characters: int, *, failure: float | None = None, line: str = "") -> str:
    """Write a log of that many characters, with one line somewhere in it."""
    chance = random.Random(3)
    lines: list[str] = []
    size = 0
    while size < characters:
        at = f"10:{chance.randrange(60):02}:{chance.randrange(60):02}"
        lines.append(f"{at} INFO worker {chance.randrange(99)} took job {chance.randrange(10**6)}")
        if failure is not None and size >= failure * characters:
            lines.append(line or FAILURE)
            failure = None
        size += len(lines[-1]) + 1
    return "\n".join(lines)


def test_only_enormous_logs_are_sieved() -> None:
    """A smaller log, prose, JSON and one long line are looked at whole."""
    assert sieve(log(ENORMOUS // 4), "why did it fail", 8_000) is None
    prose = "The ferry leaves at noon. It comes back at night, if the wind allows it.\n" * 30_000
    assert len(prose) > ENORMOUS
    assert sieve(prose, "why did it fail", 8_000) is None
    assert sieve("engine " * ENORMOUS, "engine", 8_000) is None
    assert sieve("[" + "1, " * ENORMOUS + "1]", "engine", 8_000) is None


def test_spans_are_whole_lines_in_order() -> None:
    """What is looked at begins and ends between lines, and the end of the log is in it."""
    text = log(3 * ENORMOUS // 2, failure=0.4)
    spans = sieve(text, "why did the build fail", 8_000)
    assert spans is not None
    assert all(one[1] < two[0] for one, two in pairwise(spans))
    for start, end in spans:
        assert start == 0 or text[start - 1] == "\n"
        assert end == len(text) or text[end - 1] == "\n"
    assert spans[-1][1] == len(text)
    assert any(FAILURE in text[start:end] for start, end in spans)
    assert sum(end - start for start, end in spans) < ENORMOUS / 2


@pytest.mark.parametrize("where", [0.2, 0.7])
@pytest.mark.parametrize("fill", ["relevant", "budget"])
def test_the_failure_is_found(where: float, fill: str) -> None:
    """The one line that tells what failed survives, and everything else is listed as dropped."""
    text = log(3 * ENORMOUS // 2, failure=where)
    document = Document(text, metadata={"source": "build.log", "start": 7})
    kept = trim([document], "why did the build fail", 300, fill=fill)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - drawn from both
    assert FAILURE in kept.text
    assert kept.tokens <= 300
    covered = sorted(
        [(d.metadata["start"], d.metadata["end"]) for d in kept.documents]
        + [(d.start, d.end) for d in kept.dropped]
    )
    assert covered[0][0] == 7
    assert covered[-1][1] == 7 + len(text)
    assert all(not text[one[1] - 7 : two[0] - 7].strip() for one, two in pairwise(covered))
    for piece in kept.documents:
        start, end = piece.metadata["start"] - 7, piece.metadata["end"] - 7
        above, below = piece.metadata.get("more_like_this", (0, 0))
        marks = [f"[{left} more like this]" for left in (above, below) if left]
        verbatim = [line for line in piece.page_content.split("\n") if line not in marks]
        assert text[start:end].split("\n") == verbatim
        assert piece.metadata["source"] == "build.log"
    assert [d.start for d in kept.dropped] == sorted(d.start for d in kept.dropped)


def test_the_querys_rare_words_are_found() -> None:
    """A question for one of a million lines finds it by its words."""
    text = log(3 * ENORMOUS // 2, failure=0.5, line="10:12:13 INFO Zebedee joined the channel")
    kept = trim([Document(text)], "when did Zebedee join?", 120)
    assert "Zebedee joined" in kept.text


def test_what_goes_on_is_not_cut() -> None:
    """A stack trace and a value over several lines stay with the line that opens them."""
    trace = "10:30:00 ERROR job failed\n" + "\n".join(
        f"    at step_{n} (x.js:{n})" for n in range(300)
    )
    value = "10:31:00 ERROR bad answer {\n" + ",\n".join(f'"k{n}": {n}' for n in range(900)) + "\n}"
    text = log(ENORMOUS) + "\n" + trace + "\n" + value + "\n" + log(ENORMOUS)
    spans = sieve(text, "why did the job fail", 8_000)
    assert spans is not None
    for whole in (trace, value):
        at = text.index(whole)
        assert any(start <= at and at + len(whole) <= end for start, end in spans)
