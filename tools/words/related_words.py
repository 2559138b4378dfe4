"""Related words: what else a text may call the thing that a question names."""

from functools import cache
from pathlib import Path

from shoestring.tools.words.stems import stem

__all__ = ["related"]

_LIST = Path(__file__).with_name("related_words.txt")  # made by benchmarks/related_words.py


def related(word: str) -> tuple[tuple[str, float], ...]:
    """Give the words that are near a common word in meaning, whatever its form, the nearest first.

    A list made once of static vectors takes the place of the vectors: no model is needed, and a
    word costs one look-up. Names and rare words have none.

    Args:
        word: A term as `words` gives it.

    Returns:
        Words, each with the cosine of the vectors, in [0.5, 1]; at most five.

    >>> related("films")[:1]
    (('movie', 0.84),)
    >>> related("lamina")
    ()
    """
    return _related().get(stem(word), ())


@cache
def _related() -> dict[str, tuple[tuple[str, float], ...]]:
    found: dict[str, tuple[tuple[str, float], ...]] = {}
    for line in _LIST.read_text(encoding="utf-8").splitlines():
        word, *near = line.split()
        pairs = (one.split(":") for one in near)
        found[stem(word)] = tuple((other, int(cosine) / 100) for other, cosine in pairs)
    return found
