"""A coarse pass over enormous logs: the stretches that are worth splitting into lines.

A hundred megabytes of log hold more than a million lines; ranking each of them takes minutes and
gigabytes. But a log says the same again and again. So a log above `ENORMOUS` characters is read in
windows of a few thousand characters first, and only the windows that tell most are split, ranked
and packed like any other text: those that hold the query's rarer words, those with a line that
tells of a failure, by how rare the line is once its digits are left out, and the end and the
beginning of the log.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shoestring.tools.relevance.loglines import asks_for_failure, is_log, tells_of_failure
from shoestring.tools.words.stems import stem
from shoestring.tools.words.stop_words import STOP_WORDS
from shoestring.tools.words.words import words

__all__ = ["ENORMOUS", "sieve"]

Floats = NDArray[np.float64]
Span = tuple[int, int]

ENORMOUS = 2_000_000
"""Characters of a log from which on it is sieved."""

_KEPT = 600_000  # characters that are looked at closely, at least,
_PER_ROOM = 16  # and at least so many times what there is room for
_WINDOW = 4_000  # characters, about fifty lines
_SPOTS, _SPOT = 40, 8_000  # where a text is looked at to see that it is a log; characters each
_LONGEST_LINE = 100_000  # characters; beyond this a text is no log
_END, _BEGINNING = 0.15, 0.05  # of what is kept, in any case
_FAILED = 2.0  # worth of a failure told once, in words of the query of mean rarity,
_FAILED_ELSE = 0.3  # and where the query does not ask what failed
_TEMPLATES = 300_000  # different lines, digits aside, up to which rarity is told
# A line that begins like this goes on with the one before: a trace, a value over several lines.
_GOES_ON = re.compile(r"[\s}\])\",]|at |Caused by")
_DIGITS = dict.fromkeys(map(ord, "0123456789"))


def sieve(text: str, query: str, room: int) -> list[Span] | None:
    """Say which stretches of an enormous log to look at closely.

    Args:
        text: Any text.
        query: What is asked; not empty.
        room: The room in characters, roughly.

    Returns:
        Spans in order, of whole lines, and together of at most about the larger of `room` times 16
        and 600,000 characters; None for a text that is not enormous, or no log. Time is linear.
    """
    if len(text) <= max(ENORMOUS, 2 * _PER_ROOM * room) or not _is_log(text):
        return None
    windows = [span for span in pairwise([*_cuts(text), len(text)]) if span[0] < span[1]]
    worth = _asked(text, windows, query) + _failures(text, windows, query)
    sizes = np.array([end - start for start, end in windows], np.int64)
    most = max(_KEPT, _PER_ROOM * room)
    kept = np.cumsum(sizes) <= _BEGINNING * most
    kept |= np.cumsum(sizes[::-1])[::-1] <= _END * most
    left = most - int(sizes[kept].sum())
    for window in np.argsort(-worth, kind="stable").tolist():
        if left <= 0 or worth[window] <= 0:
            break
        # What led up to a failure stands above it, what followed below.
        around = slice(max(0, window - 1), window + 2)
        left -= int(sizes[around][~kept[around]].sum())
        kept[around] = True
    return _joined([windows[place] for place in np.flatnonzero(kept).tolist()])


def _is_log(text: str) -> bool:
    """Look at spots all over a text."""
    lines: list[str] = []
    for place in range(_SPOTS):
        start = place * (len(text) - _SPOT) // _SPOTS
        # The first and the last line of a spot may be cut.
        lines += [line for line in text[start : start + _SPOT].split("\n")[1:-1] if line.strip()]
    return is_log(lines)


def _cuts(text: str) -> Iterator[int]:
    """Yield where windows begin: at lines that do not go on with the one before."""
    at = 0
    while at < len(text):
        yield at
        most = at + _LONGEST_LINE
        at = text.find("\n", at + _WINDOW) + 1 or len(text)
        while at < most and _GOES_ON.match(text, at):
            at = text.find("\n", at) + 1 or len(text)


def _asked(text: str, windows: Sequence[Span], query: str) -> Floats:
    """Weigh windows by the words of the query they hold, each by its rarity, to a mean of 1."""
    terms = sorted({stem(word) for word in words(query)}.difference(STOP_WORDS))
    held = np.zeros((len(terms), len(windows)), np.bool_)
    for place, (start, end) in enumerate(windows):
        said = text[start:end].lower()
        for row, term in enumerate(terms):
            held[row, place] = term in said
    found = held.sum(axis=1)
    rarity = np.log1p((len(windows) - found + 0.5) / (found + 0.5))
    worth: Floats = rarity @ held
    return worth / max(1.0, float(rarity.mean())) if terms else worth


def _failures(text: str, windows: Sequence[Span], query: str) -> Floats:
    """Weigh windows by their rarest line that tells of a failure."""
    seen: Counter[str] = Counter()
    for start, end in windows:
        seen.update(_templates(text, start, end))
        if len(seen) > _TEMPLATES:
            break
    told: dict[str, float] = {}
    worth = np.zeros(len(windows))
    for place, (start, end) in enumerate(windows):
        lines = _templates(text, start, end)
        for line in set(lines).difference(told):
            failed = tells_of_failure(line)
            told[line] = 1.0 / (1.0 + float(np.log(max(1, seen[line])))) if failed else 0.0
        worth[place] = max(map(told.__getitem__, lines), default=0.0)
        if len(told) > _TEMPLATES:
            told.clear()
    return worth * (_FAILED if asks_for_failure(query) else _FAILED_ELSE)


def _templates(text: str, start: int, end: int) -> list[str]:
    return text[start:end].translate(_DIGITS).split("\n")


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Join spans that touch."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
