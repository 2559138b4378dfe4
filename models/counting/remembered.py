"""Counting again and again as a text is put together, without counting any part of it twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shoestring.models.counting.counting import TiktokenCounter, has_blank_run

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["cuts_by_pattern", "remembered"]

# Where both vocabularies begin a token whatever stands before and behind: their patterns look back
# at nothing, white space before a line break and the break itself end one match, and a run of
# punctuation that goes on over line breaks does so with a slash only.
_LINE_START = re.compile(r"(?<=[\r\n])(?=[^\s/])")
_KNOWN = ("o200k_base", "cl100k_base")
_LONGEST = 1_000_000  # characters of a text that is remembered


def cuts_by_pattern(count: Callable[[str], int]) -> bool:
    """Say whether a counter is known to be one of OpenAI's two vocabularies'."""
    owner: object = getattr(count, "__self__", None)
    return type(owner) is TiktokenCounter and owner.count == count and owner.name in _KNOWN


def remembered(count: Callable[[str], int]) -> Callable[[str], int]:
    r"""Give a counter with the same results that counts no text twice; for one piece of work.

    A text is remembered as a whole; for OpenAI's vocabularies line by line, so that of a text that
    differs from one before in a line, that line is counted.

    Args:
        count: Any function from texts to tokens. `TiktokenCounter.count` is known by its looks.

    >>> counted = []
    >>> count = remembered(lambda text: counted.append(text) or len(text))
    >>> count("one"), count("two"), count("one"), counted
    (3, 3, 3, ['one', 'two'])
    """
    known: dict[str, int] = {}

    def whole(text: str) -> int:
        if len(text) > _LONGEST:
            return count(text)
        found = known.get(text)
        if found is None:
            found = known[text] = count(text)
        return found

    if not cuts_by_pattern(count):
        return whole

    def by_line(text: str) -> int:
        if len(text) > _LONGEST or has_blank_run(text):
            return count(text)
        return sum(map(whole, _LINE_START.split(text)))

    return by_line
