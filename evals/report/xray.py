"""The context X-ray: a whole context, with what was kept of it, what was not and why, and the evidence."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from shoestring.evals.looks import KEPT, Look, Reason, Stretch
from shoestring.evals.report.text import shown, utf16
from shoestring.tools.trimming.pieces import located

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from langchain_core.documents import Document

__all__ = ["xray"]

UNSEEN = "not given"
"""The reason where no trim has said anything: what was never handed to it."""

_MUCH = 2_000_000
"""Characters of context from which long stretches that were left out are shown by their two ends: a
browser lays out that many in about a second."""
_ENDS = 240  # characters that are shown of each end
_PROSE = 0.85  # share of letters and blanks from which a text is prose


_Run: TypeAlias = list[tuple[int, Reason]]
"""Stretches of a document, one after the other: where each ends, and why it was kept or left out."""


def xray(
    documents: Sequence[Document],
    looks: Sequence[Look],
    evidence: Iterable[Stretch] = (),
    *,
    called: str = "evidence",
    reasons: dict[Reason, int] | None = None,
    whole: bool = False,
) -> dict[str, Any]:
    """Return what the page draws, as plain data.

    Args:
        documents: The whole context, in the order it was given.
        looks: The trims of it, in order.
        evidence: Stretchs that hold the answer, or that the answer cites.
        called: What a reader knows them as.
        reasons: Numbers of reasons, to be shared by many X-rays; new ones are added.
        whole: Show everything, however long.

    Returns:
        `documents` with `source`, `title`, `text` and `code` (whether it is better read in a fixed
        width); `called`; `reasons`; `looks` with `name`, `note`, `rewritten` and for each document `runs`: the
        ends of its runs, each followed by the number of its reason; for each document its spans of
        `evidence`, and `gaps`: places with the number of characters that are not shown there.
        Places are counted in UTF-16, as browsers do.
    """
    placed = [located(document, place) for place, document in enumerate(documents)]
    places = _Places(placed)
    labelled = _labelled(placed, looks, places)
    marked = list(evidence)
    much = not whole and sum(len(document.page_content) for document in placed) > _MUCH
    reasons = {} if reasons is None else reasons
    reasons.setdefault(KEPT, 0)
    drawn: list[dict[str, Any]] = []
    drawn_looks: list[list[list[int]]] = [[] for _ in looks]
    for place, document in enumerate(placed):
        runs = [look[place] for look in labelled]
        held = _merged(places.of(place, marked))
        shape = _Shape(document.page_content, _common(runs, held) if much else [])
        for drawn_look, run in zip(drawn_looks, runs, strict=True):
            ends = shape.places([end for end, _ in run])
            codes = [reasons.setdefault(reason, len(reasons)) for _, reason in run]
            drawn_look.append([n for pair in zip(ends, codes, strict=True) for n in pair])
        drawn.append(_document(document, shape, held))
    return {
        "documents": drawn,
        "called": called,
        "reasons": list(reasons),
        "looks": [
            {
                "name": shown(look.name),
                "note": shown(look.note),
                "rewritten": [shown(text) for text in look.rewritten],
                "runs": runs,
            }
            for look, runs in zip(looks, drawn_looks, strict=True)
        ],
    }


def _labelled(
    placed: Sequence[Document], looks: Sequence[Look], places: _Places
) -> list[list[_Run]]:
    """Give for each look the runs of each document: on the whole context, or on what a look before left."""
    labelled: list[list[_Run]] = []
    for look in looks:
        fresh: list[_Run] = [[(len(document.page_content), UNSEEN)] for document in placed]
        before = fresh if look.after is None else labelled[look.after]
        labelled.append(
            [
                _over(document.page_content, base, places.of(place, look.spans))
                for place, (document, base) in enumerate(zip(placed, before, strict=True))
            ]
        )
    return labelled


def _document(document: Document, shape: _Shape, held: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Give a document as it is drawn, with the stretches of evidence in it."""
    starts = shape.places([start for start, _ in held])
    ends = shape.places([end for _, end in held])
    return {
        "source": shown(str(document.metadata["source"])),
        "title": shown(document.metadata["title"]),
        "text": shape.text,
        "code": _is_code(document.page_content),
        "evidence": [list(pair) for pair in zip(starts, ends, strict=True)],
        "gaps": shape.gaps,
    }


class _Places:
    """Where the spans of sources stand in the documents."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents
        self._known: tuple[Sequence[Stretch], dict[str, list[Stretch]]] = ((), {})

    def of(self, place: int, spans: Sequence[Stretch]) -> list[tuple[int, int, Reason]]:
        """Give the spans within a document, by their characters in it, as far as they stand there."""
        if self._known[0] is not spans:
            by_source: dict[str, list[Stretch]] = {}
            for span in sorted(spans, key=lambda span: span.start):
                by_source.setdefault(span.source, []).append(span)
            self._known = (spans, by_source)
        metadata = self._documents[place].metadata
        first, last = metadata["start"], metadata["end"]
        return [
            (max(span.start, first) - first, min(span.end, last) - first, span.reason)
            for span in self._known[1].get(str(metadata["source"]), ())
            if span.start < last and span.end > first and span.start < span.end
        ]


def _over(
    text: str, base: Sequence[tuple[int, Reason]], spans: Sequence[tuple[int, int, Reason]]
) -> _Run:
    """Lay spans over the runs of an earlier look; what was kept wins over what was left out.

    Returns:
        The ends of runs with their reasons, covering the text; blanks go with what stands before.
    """
    ends = [end for end, _ in base]
    cuts = sorted({0, *ends, *(place for span in spans for place in span[:2])})
    told = _told(cuts, spans)
    before = list(accumulate(told, _latest))
    after = list(accumulate(reversed(told), _latest))[::-1]
    runs: _Run = []
    for number, (start, end) in enumerate(pairwise(cuts)):
        reason = base[bisect_right(ends, start)][1]
        if reason in {KEPT, UNSEEN}:
            reason = told[number] or ""
        if not reason:
            # Nothing is said of it: blanks between pieces, or the brackets around values.
            sides = before[number], after[number]
            if not text[start:end].strip():
                reason = (runs[-1][1] if runs else "") or sides[1] or UNSEEN
            else:
                reason = KEPT if sides == (KEPT, KEPT) else UNSEEN
        if runs and runs[-1][1] == reason:
            runs[-1] = (end, reason)
        else:
            runs.append((end, reason))
    return runs


def _latest(seen: Reason, reason: Reason) -> Reason:
    return reason or seen


def _told(cuts: Sequence[int], spans: Sequence[tuple[int, int, Reason]]) -> list[Reason]:
    """Say for each stretch between two cuts what the spans say of it; "" for nothing."""
    index = {cut: number for number, cut in enumerate(cuts)}
    told: list[Reason] = [""] * max(0, len(cuts) - 1)
    # Kept last, so that it stands.
    for start, end, reason in sorted(spans, key=lambda span: span[2] == KEPT):
        for number in range(index[start], index[end]):
            told[number] = reason
    return told


def _merged(spans: Iterable[tuple[int, int, Reason]]) -> list[tuple[int, int]]:
    """Join spans that touch or overlap."""
    merged: list[tuple[int, int]] = []
    for start, end, _ in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _common(
    looks: Sequence[Sequence[tuple[int, Reason]]], evidence: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Give the long stretches that every look left out, and that hold no evidence."""
    marks = (place for span in evidence for place in span)
    cuts = sorted({0, *(end for runs in looks for end, _ in runs), *marks})
    ends = [[end for end, _ in runs] for runs in looks]
    found: list[tuple[int, int]] = []
    for start, end in pairwise(cuts):
        kept = any(
            runs[bisect_right(at, start)][1] == KEPT for runs, at in zip(looks, ends, strict=True)
        )
        if not kept and not any(s < end and e > start for s, e in evidence):
            found.append((start, end))
    return [(s + _ENDS, e - _ENDS) for s, e in found if e - s > 3 * _ENDS]


class _Shape:
    """The text of a document as it is shown, without the middles of what is far too long."""

    def __init__(self, text: str, gaps: Sequence[tuple[int, int]]) -> None:
        self._gaps = gaps
        parts = [text[a:b] for a, b in self._shown(len(text))]
        self._text = shown("".join(parts))
        ends = utf16(self._text, list(accumulate(map(len, parts))))
        self.gaps = [[at, b - a] for at, (a, b) in zip(ends, gaps, strict=False)]

    @property
    def text(self) -> str:
        """What is shown."""
        return self._text

    def _shown(self, length: int) -> list[tuple[int, int]]:
        edges = [0, *(edge for gap in self._gaps for edge in gap), length]
        return list(zip(edges[::2], edges[1::2], strict=True))

    def places(self, places: Sequence[int]) -> list[int]:
        """Give where places of the text stand in what is shown of it, in UTF-16."""
        moved: list[int] = []
        gone = number = 0
        for place in places:
            while number < len(self._gaps) and self._gaps[number][1] <= place:
                gone += self._gaps[number][1] - self._gaps[number][0]
                number += 1
            moved.append(place - gone)
        return utf16(self._text, moved)


def _is_code(text: str) -> bool:
    """Say whether a text is better read in a fixed width: a log, a table, code."""
    sample = text[:4_000]
    return sum(c.isalpha() or c.isspace() for c in sample) < _PROSE * len(sample)
