"""Pools: what is read of an outline for a question, before it is trimmed to a call's room."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoestring.graphs.state import LeftOut, TrimRecord
from shoestring.tools import UnknownNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from langchain_core.documents import Document

    from shoestring.tools import Dropped, Outline, Tier, Trimmed

_PICKED = 0.75  # of the room, at most, for parts that were picked; the rest is read from everywhere
_SHOWN = 200_000  # characters of the parts that were read which the state keeps, to be audited


@dataclass(frozen=True, slots=True)
class Pool:
    """Pieces read from an outline, in the order of its documents.

    Args:
        kept: The pieces; none overlaps another.
        dropped: What was looked at and left out.
        room: The tokens there were, as the outline counts.
        tokens: Those that were used.
        score: The chance that the best piece holds evidence.
    """

    kept: list[Document]
    dropped: list[LeftOut]
    room: int
    tokens: int
    score: float

    def record(self, node: str, route: str) -> TrimRecord:
        """Return what was read and left out, as plain data for the state."""
        return TrimRecord(
            node=node,
            route=route,
            given="documents",
            room=self.room,
            tokens=self.tokens,
            kept=self.kept,
            dropped=self.dropped,
        )


def pooled(
    outline: Outline,
    question: str,
    parts: Sequence[str],
    tokens: int,
    tiers: Sequence[Tier] = (),
) -> Pool:
    """Read some parts of an outline, and with the room that they leave all of it.

    A part that was picked is read as far as its share of the room goes, since who picked it may see
    what words do not tell; everything else only as far as it is relevant. What room a part leaves
    goes to those behind it.

    Args:
        outline: What is read.
        question: What is asked.
        parts: Ids; those the outline does not know any more are passed over.
        tokens: Room, as the outline counts.
        tiers: As for `trim`.
    """
    found: list[Trimmed] = []
    left = tokens
    picked = int(_PICKED * tokens)
    for place, part in enumerate(parts):
        share = picked // (len(parts) - place)
        try:
            read = outline.read(question, share, part, fill="budget", tiers=tiers)
        except UnknownNode:
            continue
        found.append(read)
        picked -= read.tokens
        left -= read.tokens
    found.append(outline.read(question, max(0, left), tiers=tiers))
    return joined(
        [piece for one in found for piece in one.documents],
        [left_out for one in found for left_out in one.dropped],
        tokens,
        sum(one.tokens for one in found),
        max((one.score for one in found), default=0.0),
    )


def joined(
    pieces: Iterable[Document], dropped: Iterable[Dropped], room: int, tokens: int, score: float
) -> Pool:
    """Put pieces together in the order of their sources; of those that overlap the first stands."""
    spans = _Spans()
    kept = [piece for piece in pieces if spans.add(*_span(piece))]
    left_out = {
        (one.source, one.start, one.end): LeftOut(
            source=one.source, start=one.start, end=one.end, score=one.score, reason=one.reason
        )
        for one in dropped
        if spans.free(one.source, one.start, one.end)
    }
    order = {source: place for place, source in enumerate(dict.fromkeys(map(_source, kept)))}
    return Pool(
        kept=sorted(kept, key=lambda piece: (order[_source(piece)], _span(piece)[1])),
        dropped=list(left_out.values()),
        room=room,
        tokens=tokens,
        score=score,
    )


def with_parts(
    documents: Sequence[Document], outline: Outline, parts: Iterable[str], kept: Iterable[Document]
) -> list[Document]:
    """Return documents and, where they are missing among them, the parts that were read.

    So what was withheld of a part can be seen, and a route taken afterwards can read it. Of parts far
    too long only what was kept.
    """
    whole = list(documents)
    spans = _Spans()
    for document in whole:
        spans.add(*_span(document))
    left = _SHOWN
    for part in parts:
        try:
            if outline[part].end - outline[part].start > left:
                continue
            passages = outline.passages(part)
        except UnknownNode:
            continue
        for passage in passages:
            if spans.add(*_span(passage)):
                left -= len(passage.page_content)
                whole.append(passage)
    whole += [piece for piece in kept if spans.add(*_span(piece))]
    return whole


class _Spans:
    """Stretches of sources that do not overlap."""

    def __init__(self) -> None:
        self._of: dict[str, list[tuple[int, int]]] = {}

    def free(self, source: str, start: int, end: int) -> bool:
        """Whether no stretch overlaps this one."""
        of_source = self._of.get(source, [])
        at = bisect_right(of_source, (start, end))
        before = of_source[at - 1][1] if at else 0
        return before <= start and (at == len(of_source) or of_source[at][0] >= end)

    def add(self, source: str, start: int, end: int) -> bool:
        """Add a stretch, unless one overlaps it."""
        if not self.free(source, start, end):
            return False
        of_source = self._of.setdefault(source, [])
        of_source.insert(bisect_right(of_source, (start, end)), (start, end))
        return True


def _source(piece: Document) -> str:
    return str(piece.metadata.get("source", ""))


def _span(piece: Document) -> tuple[str, int, int]:
    start = int(piece.metadata.get("start", 0))
    end = int(piece.metadata.get("end", start + len(piece.page_content)))
    return _source(piece), start, end
