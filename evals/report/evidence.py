"""Where the evidence of a case stands in its passages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shoestring.evals.documents import documents_of
from shoestring.evals.looks import Stretch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shoestring.evals.cases import Case

__all__ = ["evidence_of"]

_MOST = 50  # places of one string; a "yes" stands everywhere


def evidence_of(case: Case) -> list[Stretch]:
    """Return the stretches that hold a case's evidence.

    Gold lines of a log; else the strings that must survive, or the answers, where they stand in gold
    passages (in any passage where none is marked), without regard to case and white space; a gold passage
    in which none stands counts as a whole.
    """
    sources = [str(document.metadata["source"]) for document in documents_of(case)]
    lines = list(_lines(case, sources))
    if lines:
        return lines
    listed = case.meta.get("evidence_strings")
    wanted = [text for text in listed if isinstance(text, str)] if isinstance(listed, list) else []
    patterns = [_pattern(text) for text in wanted or case.answers if text.strip()]
    gold = any(passage.gold for passage in case.passages)
    found: list[Stretch] = []
    for source, passage in zip(sources, case.passages, strict=True):
        if gold and not passage.gold:
            continue
        spans = [span for pattern in patterns for span in _places(pattern, passage.text)]
        if not spans and passage.gold:
            spans = [(0, len(passage.text))]
        found += [Stretch(source, start, end, "evidence") for start, end in spans]
    return found


def _pattern(text: str) -> re.Pattern[str]:
    words = r"\s+".join(map(re.escape, text.split()))
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def _places(pattern: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    return [match.span() for match, _ in zip(pattern.finditer(text), range(_MOST), strict=False)]


def _lines(case: Case, sources: Sequence[str]) -> Iterator[Stretch]:
    marks = case.meta.get("gold_lines")
    if not isinstance(marks, list) or not case.passages:
        return
    pairs = marks if all(isinstance(mark, list) for mark in marks) else [marks]
    # A log may be cut into passages; its lines are counted through them.
    starts: list[tuple[str, int, int]] = []
    for source, passage in zip(sources, case.passages, strict=True):
        at = 0
        for line in passage.text.split("\n"):
            starts.append((source, at, at + len(line.rstrip())))
            at += len(line) + 1
    for pair in pairs:
        if len(pair) == 2 and all(isinstance(end, int) for end in pair):  # noqa: PLR2004 - first, last
            for source, start, end in starts[max(0, pair[0] - 1) : pair[1]]:
                if end > start:
                    yield Stretch(source, start, end, "evidence")
