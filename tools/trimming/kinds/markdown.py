"""Markdown: what stands under a heading comes with it."""

import re
from bisect import bisect

from shoestring.tools.trimming.units import Unit, units

__all__ = ["Markdown"]

_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+\S[^\n]*", re.MULTILINE)
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
_SUFFIXES = (".md", ".markdown", ".mdx")
_FEWEST = 2  # headings of a text whose name does not say that it is Markdown
_LONGEST_HEADING = 200  # characters


class Markdown:
    """Text with `#` headings: each unit brings the heading right above it."""

    name = "markdown"

    def units(self, text: str, source: str) -> list[Unit] | None:
        """Split as plain text and hang the units under their headings; see `Kind`."""
        if "#" not in text:
            return None
        headings = [m.span() for m in _HEADING.finditer(text) if _stands_alone(text, *m.span())]
        fewest = 1 if source.lower().endswith(_SUFFIXES) else _FEWEST
        if len(headings) < fewest:
            return None
        fences = [m.start() for m in _FENCE.finditer(text)]
        headings = [span for span in headings if bisect(fences, span[0]) % 2 == 0]
        found = _under(text, 0, 0, headings[0][0] if headings else len(text), [])
        for place, (start, end) in enumerate(headings):
            after = headings[place + 1][0] if place + 1 < len(headings) else len(text)
            found.append(Unit(start, end, "header"))
            _under(text, end, len(found) - 1, after, found)
        return found


def _under(text: str, start: int, heading: int, end: int, found: list[Unit]) -> list[Unit]:
    """Add the units of a section's text below its heading."""
    first = len(found)
    above = heading if first else -1
    for unit in units(text[start:end]):
        header = unit.header + first if unit.header >= 0 else above
        found.append(Unit(unit.start + start, unit.end + start, unit.kind, header))
    return found


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Say whether a line is a heading and no comment: short, with a blank line on one side."""
    before = text[max(0, start - 2) : start]
    return end - start <= _LONGEST_HEADING and (
        start == 0 or before.endswith("\n\n") or text[end : end + 2] == "\n\n" or end == len(text)
    )
