"""Common words: which words of a question every text holds, and which tell texts apart."""

import math
from functools import cache, lru_cache
from pathlib import Path

from shoestring.tools.words.stems import stem

__all__ = ["weight"]

_LIST = Path(__file__).with_name("common_words.txt")  # made by benchmarks/common_words.py
# By Zipf's law the n-th commonest word is about one in a n + b of all words; a and b are fitted to
# the places of the listed words in the vocabulary they come from.
_ZIPF = (3.2, 40.0)
_RARE = 12.0  # -log of the share of a word that counts in full: one in 160,000
_KNOWN = 2**15  # words whose weight is kept


@lru_cache(_KNOWN)
def weight(word: str) -> float:
    """Say how much a word of a question counts, in (0, 1]: the less, the commoner it is.

    A few passages cannot tell that "describe" is a common word and "radiographic" a rare one: each
    may stand in one of them. The language can, so BM25's weight by rarity in the texts is
    multiplied by this one (dev, 15 sets of 100 cases: +0.9 points of recall; its square +0.4).

    Args:
        word: A term as `words` gives it, in any language and form.

    >>> [round(weight(word), 2) for word in ("the", "state", "describes", "radiographic")]
    [0.31, 0.48, 0.67, 1.0]
    """
    return _weights().get(stem(word), 1.0)


@cache
def _weights() -> dict[str, float]:
    """Read the list; the forms of a word are counted together."""
    shares: dict[str, float] = {}
    for place, word in enumerate(_LIST.read_text(encoding="utf-8").split()):
        key = stem(word)
        shares[key] = shares.get(key, 0.0) + 1 / (_ZIPF[0] * place + _ZIPF[1])
    return {key: min(1.0, -math.log(share) / _RARE) for key, share in shares.items()}
