"""Certain tokens: how many a piece of text adds to any rendering, whatever stands beside it.

Token counts do not add up, so an upper bound on what fits needs a lower bound on what each unit
costs. OpenAI's two vocabularies cut a text by a pattern that never looks back, and no match of it
goes from any other character on to a blank, or from a letter on to a mark such as a comma. At such
a place a token begins in every text that holds it. So what lies between the first and the last of
them is counted the same everywhere, and the rest of the unit adds at least one more token.
"""

import re
from collections.abc import Callable

__all__ = ["certain_tokens", "has_certain_tokens"]

_LETTER = "A-Za-z\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3"
_BEGINS = re.compile(rf'(?<=\S)(?= )|(?<=[{_LETTER}])(?=[,.;:!?()"，。、；：！？])')  # noqa: RUF001 - CJK marks


def has_certain_tokens(text: str, start: int, end: int) -> bool:
    """Say whether a span of a text has a place where a token begins in any case."""
    return _BEGINS.search(text, start + 1, end) is not None


def certain_tokens(text: str, count: Callable[[str], int]) -> int:
    """Count the tokens that a text adds to any rendering, at the least.

    Args:
        text: A unit's text, with no blank at its ends.
        count: Counts by o200k_base or cl100k_base.

    >>> from shoestring.models.counting.counting import counter
    >>> certain_tokens("A heron, at last.", counter("o200k_base").count)
    6
    """
    places = [match.start() for match in _BEGINS.finditer(text) if match.start() > 0]
    if not places:
        return 0
    return count(text) - count(text[: places[0]]) - count(text[places[-1] :]) + 1
