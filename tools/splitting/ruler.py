"""A ruler along a text: estimated tokens of any span, and where the text may be cut."""

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from string import ascii_letters, digits, punctuation

import numpy as np
from numpy.typing import NDArray

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
_BLANK, _LETTER, _DIGIT, _PUNCTUATION, _ALPHABET, _OTHER, _BREAK = range(7)
_EVERY = np.array([1, 9, 3, 2, 3, 1, 1])  # characters of one token, by their kind, as in `_TOKEN`
_ALPHABETS = range(0xA1, 0xE00)
_LAST_BLANK = 0x3000  # the code of the last character that is white space
_FEW = 2_000  # characters, of which the pattern is as fast
_CHUNK = 2**20  # characters that are marked together, so that memory stays bounded
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
        self._marks = array("q", _marks(text).tobytes())

    def measure(self, start: int, end: int) -> int:
        """Return the estimated tokens that begin in a span; adjacent spans add up."""
        return self._before(end) - self._before(start)

    def _before(self, place: int) -> int:
        """Return how many estimated tokens begin before a place."""
        return bisect_left(self._marks, place)

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
        first = self._before(start)
        last = self._before(end)
        while last - first > room:
            limit = self._marks[first + room]
            cut = self._gap(start, limit)
            yield start, cut
            start = cut
            first = self._before(cut)
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


def _marks(text: str) -> NDArray[np.int64]:
    """Return where the matches of `_TOKEN` begin; several times as fast as the pattern."""
    if len(text) < _FEW:
        return np.array([found.start() for found in _TOKEN.finditer(text)], np.int64)
    found: list[NDArray[np.int64]] = []
    at, size = 0, _CHUNK
    while at < len(text):
        kinds = _kinds(text[at : at + size])
        runs = np.flatnonzero(np.diff(kinds, prepend=np.uint8(_BREAK + 1)))
        last = at + len(kinds) >= len(text)
        # Where a run begins that is no white space, whatever stood before has no say.
        safe = len(runs) if last else _last_word(kinds[runs])
        if not safe:
            size *= 2
            continue
        ends = np.append(runs[1:], len(kinds))
        found.append(at + _starts(runs[:safe], ends[:safe], kinds[runs[:safe]]))
        at += int(ends[safe - 1])
        size = _CHUNK
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _last_word(kinds: NDArray[np.uint8]) -> int:
    """Return the number of runs before the last one that is no white space, 0 for none."""
    words = np.flatnonzero((kinds != _BLANK) & (kinds != _BREAK))
    return int(words[-1]) if len(words) else 0


def _starts(
    runs: NDArray[np.int64], ends: NDArray[np.int64], kinds: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Return where tokens begin in runs of characters of one kind."""
    every = _EVERY[kinds]
    tokens = -((runs - ends) // every)
    breaks = kinds == _BREAK
    white = breaks | (kinds == _BLANK)
    tokens[white] = 0
    # White space is one token from its first line break on, and none before it.
    stretch = np.cumsum(white & ~np.concatenate([[False], white[:-1]]))
    broken = np.flatnonzero(breaks)
    tokens[broken[np.unique(stretch[broken], return_index=True)[1]]] = 1
    first = np.cumsum(tokens) - tokens
    within = np.arange(int(tokens.sum())) - np.repeat(first, tokens)
    begins: NDArray[np.int64] = np.repeat(runs, tokens) + within * np.repeat(every, tokens)
    return begins


def _kinds(text: str) -> NDArray[np.uint8]:
    """Return the kind of each character."""
    if text.isascii():
        return _table()[np.frombuffer(text.encode("ascii"), np.uint8)]
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return _table()[np.minimum(codes, _LAST_BLANK + 1)]


@cache
def _table() -> NDArray[np.uint8]:
    """Make the kinds of characters by their code; the last entry is that of all beyond."""
    table = np.full(_LAST_BLANK + 2, _OTHER, np.uint8)
    table[_ALPHABETS.start : _ALPHABETS.stop] = _ALPHABET
    table[[code for code in range(_LAST_BLANK + 1) if chr(code).isspace()]] = _BLANK
    for kind, characters in (
        (_LETTER, ascii_letters),
        (_DIGIT, digits),
        (_PUNCTUATION, punctuation),
        (_BREAK, "\r\n"),
    ):
        table[list(map(ord, characters))] = kind
    return table
