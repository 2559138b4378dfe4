"""A ruler along a text: estimated tokens of any span, and where the text may be cut."""

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise

__all__ = ["Ruler", "estimate_tokens"]

# One match is about one o200k token: a short word or a piece of a long one, three digits, two
# punctuation marks, three letters of an alphabet beyond ASCII, any other character, a line break.
_TOKEN = re.compile(
    r"[A-Za-z]{1,9}|[0-9]{1,3}|[!-/:-@\[-`{-~]{1,2}|[\u00a1-\u0dff]{1,3}|[\r\n]\s*+|\S"
)
# Possessive, so that runs of whitespace are visited once.
_SENTENCE_END = re.compile(
    r"[.!?…][\"'”’)\]]{0,3}\s++(?![a-z])|[。！？．][」』”’）]{0,3}|\n\s*\n\s*+"  # noqa: RUF001 - CJK
)
_LINE_END = re.compile(r"\r\n|[\r\n]")


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text, quickly and without a vocabulary.

    >>> estimate_tokens("Cats purr; dogs bark.")
    6
    """
    return len(_TOKEN.findall(text))


class Ruler:
    """Measures and cuts spans of one text. Built in one pass; memory is about that of the text."""

    def __init__(self, text: str) -> None:
        """Mark where each estimated token of `text` begins."""
        self._text = text
        self._marks = array("Q", (found.start() for found in _TOKEN.finditer(text)))

    def measure(self, start: int, end: int) -> int:
        """Return the estimated tokens that begin in a span; adjacent spans add up."""
        return bisect_left(self._marks, end) - bisect_left(self._marks, start)

    def trimmed(self, start: int, end: int) -> tuple[int, int]:
        """Return the span without whitespace at its ends; an empty one if nothing is left."""
        piece = self._text[start:end]
        end = start + len(piece.rstrip())
        return min(end, start + len(piece) - len(piece.lstrip())), end

    def sentences(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Cut a span after sentences."""
        return self._after(_SENTENCE_END, start, end)

    def lines(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Cut a span after lines."""
        return self._after(_LINE_END, start, end)

    def _after(self, pattern: re.Pattern[str], start: int, end: int) -> Iterator[tuple[int, int]]:
        cuts = [found.end() for found in pattern.finditer(self._text, start, end)]
        return (span for span in pairwise([start, *cuts, end]) if span[0] < span[1])

    def slices(self, start: int, end: int, room: int) -> Iterator[tuple[int, int]]:
        """Cut a span into slices of at most `room` tokens, between words where there are any."""
        first = bisect_left(self._marks, start)
        last = bisect_left(self._marks, end)
        while last - first > room:
            limit = self._marks[first + room]
            cut = self._gap(start, limit)
            yield start, cut
            start = cut
            first = bisect_left(self._marks, cut)
        yield start, end

    def _gap(self, start: int, limit: int) -> int:
        """Return the last place between words in the second half of a span, else its end."""
        if limit > start and self._text[limit - 1].isspace():
            return limit
        half = (start + limit) // 2
        window = self._text[half:limit]
        words = window.rsplit(None, 1)
        if len(words) == 2 or (words and window[0].isspace()):  # noqa: PLR2004 - rest and last word
            return limit - len(words[-1])
        return limit
