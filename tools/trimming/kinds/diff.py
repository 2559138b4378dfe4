"""Diffs: hunks, each under its file's lines."""

import re

from shoestring.tools.trimming.units import LONGEST, Shape, Unit

__all__ = ["Diff"]

_SHOWS = re.compile(r"^(?:diff --git |--- [^\n]+\n\+\+\+ )", re.MULTILINE)
_HUNK = re.compile(r"^@@ -\d", re.MULTILINE)
_PART = re.compile(r"^(?:diff --git |--- (?=[^\n]+\n\+\+\+ )|@@ -\d)", re.MULTILINE)
_LINE = re.compile(r"[^\n]+")


class Diff:
    """A unified diff: a hunk comes with the lines that name its file."""

    name = "diff"

    def units(self, text: str, source: str) -> list[Unit] | None:
        """Split a diff into hunks, and long hunks into lines; see `Kind`."""
        del source
        if "@@ -" not in text:  # far cheaper to look for than a line's beginning
            return None
        if _SHOWS.search(text) is None or _HUNK.search(text) is None:
            return None
        starts = [match.start() for match in _PART.finditer(text)]
        found: list[Unit] = []
        if text[: starts[0]].strip():
            found.append(_unit(text, 0, starts[0], "line"))
        file = -1
        for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
            if text.startswith("@@ ", start):
                self._add_hunk(text, _unit(text, start, end, "block", file), found)
            elif file >= 0 and found[-1].kind == "header" and not text.startswith("diff", start):
                whole = _unit(text, found[-1].start, end, "header")  # "diff --git", then "---"
                found[-1] = whole
            else:
                file = len(found)
                found.append(_unit(text, start, end, "header"))
        return found

    def _add_hunk(self, text: str, hunk: Unit, found: list[Unit]) -> None:
        if hunk.end - hunk.start <= LONGEST:
            found.append(hunk)
            return
        lines = [m.span() for m in _LINE.finditer(text, hunk.start, hunk.end) if m[0].strip()]
        head = len(found)
        found.append(Unit(*lines[0], "header", hunk.header))
        found += [Unit(start, end, "line", head) for start, end in lines[1:]]


def _unit(text: str, start: int, end: int, shape: Shape, header: int = -1) -> Unit:
    return Unit(start, start + len(text[start:end].rstrip()), shape, header)
