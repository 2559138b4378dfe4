"""The fastest exact counting that is installed: quicktok where it agrees with tiktoken, else tiktoken.

quicktok (the `fast` extra) splits and merges as tiktoken does, several times faster. The two were
compared for every character below, in contexts that show what kind of character a vocabulary takes
it for (`tests/models/counting/test_fast_tokens.py`). They differ where their Unicode tables are of different
years, and after a long s, which one of them takes for the s of a contraction. So a text with any
other character is left to tiktoken, and a release of quicktok that was not compared is not used.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from shoestring.models.counting.vocabularies import encoding

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compared", "exact_count"]

_PACKAGE, _COMPARED = "quicktok-v1", "0.4.0"
_VOCABULARIES = ("o200k_base", "cl100k_base")
_CASE_OF_ASCII = "\u017f\u212a"  # long s and the Kelvin sign: ASCII letters but for their case
_HIGHER = 0x10000  # the first character beyond the basic plane
_EMOJI = range(0x1F000, 0x1FB00)  # symbols, or not assigned yet, in all versions
_CHINESE = range(0x20000, 0x2A6D7)  # of Unicode 3.1


@cache
def exact_count(name: str) -> Callable[[str], int]:
    """Give the function that counts a text's tokens exactly, in one of tiktoken's encodings.

    Raises:
        ValueError: If tiktoken knows no encoding of that name.
        VocabularyUnavailable: If the vocabulary is not installed and cannot be downloaded.
    """
    slow = encoding(name).encode_ordinary
    fast = _quicktok(name)
    if fast is None:
        return lambda text: len(slow(text))

    def count(text: str) -> int:
        if text.isascii() or _other().search(text) is None:
            return fast(text)
        return len(slow(text))

    return count


@cache
def compared() -> tuple[range, ...]:
    """The characters that quicktok and tiktoken were compared on: those of Unicode 3.2, and emoji.

    Python keeps the tables of Unicode 3.2 (2002) for good, and none since has taken a character
    back. Of the higher planes only emoji and one block of Chinese characters are in it.
    """
    category = unicodedata.ucd_3_2_0.category
    starts: list[int] = []
    ends: list[int] = []
    inside = False
    for point in range(_HIGHER):
        one = chr(point)
        known = category(one) not in ("Cn", "Cs") and one not in _CASE_OF_ASCII
        if known != inside:
            (starts if known else ends).append(point)
            inside = known
    return (*map(range, starts, [*ends, _HIGHER]), _EMOJI, _CHINESE)


@cache
def _other() -> re.Pattern[str]:
    """Compile the pattern of a character that the two were not compared on."""
    spans = (f"\\U{span.start:08x}-\\U{span.stop - 1:08x}" for span in compared())
    return re.compile(f"[^{''.join(spans)}]")


def _quicktok(name: str) -> Callable[[str], int] | None:
    if name not in _VOCABULARIES:
        return None
    try:
        if metadata.version(_PACKAGE) != _COMPARED:
            return None
        import quicktok

        count: Callable[[str], int] = quicktok.get_encoding(name).count
    except (metadata.PackageNotFoundError, ImportError, OSError, RuntimeError):
        return None
    return count
