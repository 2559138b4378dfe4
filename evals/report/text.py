"""Text of unknown origin on its way into a page: every character in its place, none that acts."""

from __future__ import annotations

import re

__all__ = ["shown", "utf16"]

# Control characters; marks that show a text in another order than it stands in; halves of characters.
_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LAST_OF_PLANE = "\uffff"


def shown(text: str) -> str:
    r"""Return a text of the same length in which nothing is left that a browser would obey.

    Places in the text stay true, which is why a line break of two characters stays two.

    >>> shown("a\r\nb\x00\u202ec")
    'a \nb��c'
    """
    return _UNFIT.sub(_replaced, text)


def _replaced(found: re.Match[str]) -> str:
    if found[0] in "\x0b\x0c":
        return "\n"
    if found[0] != "\r":
        return "\N{REPLACEMENT CHARACTER}"
    return " " if found.string[found.end() : found.end() + 1] == "\n" else "\n"


def utf16(text: str, places: list[int]) -> list[int]:
    r"""Return places in a text as a browser counts them, where an emoji is two.

    Args:
        text: Any.
        places: In ascending order, in characters; one past the end is the most.

    >>> utf16("a\N{OWL}b", [0, 1, 2, 3])
    [0, 1, 3, 4]
    """
    if max(text, default="") <= _LAST_OF_PLANE:
        return places
    found: list[int] = []
    at = more = 0
    for place in places:
        more += sum(character > _LAST_OF_PLANE for character in text[at:place])
        at = place
        found.append(place + more)
    return found
