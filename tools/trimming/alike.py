"""Near-repeats: sentences that say the same in almost the same words."""

import re
from collections.abc import Callable

__all__ = ["Alike"]

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_NEGATIONS = frozenset({"no", "not", "never", "none", "nor", "without", "cannot"})
_FEWEST = 8  # words; shorter sentences differ in what little they say
_ALIKE = 0.8  # of all different words of two sentences are words of both, at least
_COMPARED = 50  # sentences with the same numbers and names, at most: hostile text must stay linear


class Alike:
    """Gives each sentence the first one, of those it was asked for before, that says the same.

    Two sentences say the same if they have the same numbers, names and negations, in the same
    order, and four in five of their other words in common. A price, a date or a person changed is
    another fact, however alike the sentence.

    >>> said = ["Ada Lovelace wrote her long notes about the engine in the year 1843, they say.",
    ...         "Ada Lovelace wrote her long notes about the engine in the year 1843, so they say.",
    ...         "Ada Lovelace wrote her long notes about the engine in the year 1844, they say."]
    >>> alike = Alike(said.__getitem__)
    >>> [alike(unit) for unit in range(3)]
    [0, 0, 2]
    """

    def __init__(self, content: Callable[[int], str]) -> None:
        """Take what gives the text of a unit."""
        self._content = content
        self._first: dict[int, int] = {}
        self._telling: dict[tuple[str, ...], list[tuple[int, frozenset[str]]]] = {}

    def __call__(self, unit: int) -> int:
        """Give the first unit that says the same; the unit itself if none was asked for before."""
        if unit not in self._first:
            self._first[unit] = self._look(unit)
        return self._first[unit]

    def _look(self, unit: int) -> int:
        found = _WORD.findall(self._content(unit))
        if len(found) < _FEWEST:
            return unit
        telling = tuple(
            word.casefold()
            for place, word in enumerate(found)
            # The first word has a capital whatever it is.
            if (place and not word.islower()) or _negates(word) or word[0].isdigit()
        )
        said = frozenset(word.casefold() for word in found)
        firsts = self._telling.setdefault(telling, [])
        for first, other in firsts:
            if len(said & other) >= _ALIKE * len(said | other):
                return first
        if len(firsts) < _COMPARED:
            firsts.append((unit, said))
        return unit


def _negates(word: str) -> bool:
    plain = word.casefold()
    return plain in _NEGATIONS or plain.endswith(("n't", "n’t"))
