"""Looks at a context: what a trim kept of it, what it left out, and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from shoestring.tools.trimming.pieces import located

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from langchain_core.documents import Document

__all__ = ["KEPT", "Look", "Stretch", "looked", "looks_of"]

KEPT = "kept"

Reason: TypeAlias = str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Characters `start` to `end` of a source, and why they were kept (`KEPT`) or left out."""

    source: str
    start: int
    end: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Look:
    """One trim of a context.

    Attributes:
        name: What it was for.
        note: Its figures in words.
        spans: What was kept and left out.
        rewritten: Texts that were sent in another form than they stand in the source.
        after: The number of the look whose kept pieces this one looked at; None for the whole context.
    """

    name: str
    note: str
    spans: tuple[Stretch, ...]
    rewritten: tuple[str, ...] = ()
    after: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON."""
        spans = [[span.source, span.start, span.end, span.reason] for span in self.spans]
        return {**asdict(self), "spans": spans}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Look:
        """Return the look that `as_dict` made plain data of."""
        spans = tuple(Stretch(*span) for span in row["spans"])
        return cls(row["name"], row["note"], spans, tuple(row["rewritten"]), row["after"])


def looked(
    name: str,
    note: str,
    kept: Sequence[Document],
    dropped: Iterable[Mapping[str, Any]],
    *,
    after: int | None = None,
) -> Look:
    """Return a trim as a look.

    Args:
        name: What it was for.
        note: Its figures in words.
        kept: Pieces, as `Trimmed.documents`.
        dropped: Stretches with `source`, `start`, `end` and `reason`, as `Trimmed.dropped`.
        after: As of `Look`.
    """
    spans: list[Stretch] = []
    rewritten: list[str] = []
    for place, document in enumerate(kept):
        piece = located(document, place)
        source = str(piece.metadata["source"])
        start, end = piece.metadata["start"], piece.metadata["end"]
        if document.metadata.get("shortened"):
            # The signature of a tool stands for the whole, which was not sent.
            end = max(end, document.metadata.get("end", end))
            spans.append(Stretch(source, start, end, "shortened"))
            rewritten.append(document.page_content)
            continue
        held = document.metadata.get("spans")
        if held or "more_like_this" in document.metadata:
            end = document.metadata.get("end", end)
            rewritten.append(document.page_content)
        spans += [Stretch(source, s, e, KEPT) for s, e in held or [(start, end)]]
    spans += [Stretch(str(d["source"]), d["start"], d["end"], str(d["reason"])) for d in dropped]
    return Look(name, note, tuple(spans), tuple(rewritten), after)


def looks_of(trims: Iterable[Mapping[str, Any]]) -> tuple[Look, ...]:
    """Return the trims that the assistant's state tells of (`TrimRecord`) as looks."""
    looks: list[Look] = []
    first = 0
    for number, trim in enumerate(trims):
        first = number if trim["given"] == "documents" else first
        looks.append(
            looked(
                f"{trim['route']}: {trim['node']}",
                f"{trim['tokens']:,} of {trim['room']:,} tokens of room used",
                trim["kept"],
                trim["dropped"],
                after=None if first == number else first,
            )
        )
    return tuple(looks)
