"""What was left out: stretches of text, each with its reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from shoestring.tools.trimming.pieces import Choice, Pieces

__all__ = ["Dropped", "left_out"]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A stretch of text that was left out."""

    source: str
    """The document it stood in."""
    start: int
    """Its first character in the source."""
    end: int
    """One past its last character."""
    score: float
    """The relevance of its best unit, in [0, 1]."""
    reason: str
    """"not relevant", "no room", "duplicate" or "older version"."""


def left_out(
    pieces: Pieces,
    choice: Choice,
    values: Sequence[float],
    reason: Callable[[int], str],
    *,
    passed_over: str,
) -> tuple[Dropped, ...]:
    """List what was not kept: one stretch for each run of units with one reason.

    Args:
        pieces: All units.
        choice: What is kept.
        values: The relevance of each unit.
        reason: Says why a unit was left out.
        passed_over: The reason for what was never looked at closely.

    Returns:
        The stretches in order; with what was kept they hold every character but white space.
    """
    kept = set(pieces.kept(choice)).difference(
        unit for unit, length in choice.cuts.items() if length < len(pieces.content(unit))
    )
    found = [
        (place, Dropped(source, start, end, 0.0, passed_over))
        for place, source, start, end in pieces.passed_over
    ]
    key: tuple[int, str] | None = None
    first = last = 0

    def close() -> None:
        if key is not None:
            owner, why = key
            metadata = pieces.documents[owner].metadata
            start = metadata["start"] + pieces.units[first].start + choice.cuts.get(first, 0)
            end = metadata["start"] + pieces.units[last].end
            height = max(values[first : last + 1])
            found.append((owner, Dropped(str(metadata["source"]), start, end, height, why)))

    for unit, owner in enumerate(pieces.owner):
        if unit in kept:
            close()
            key = None
            continue
        why = reason(unit)
        if key != (owner, why) or unit in choice.cuts:
            close()
            key, first = (owner, why), unit
        last = unit
    close()
    # What was passed over before a document stands first in the list, and sorting keeps it there.
    return tuple(stretch for _, stretch in sorted(found, key=itemgetter(0)))
