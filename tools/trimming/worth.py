"""Worth: what a choice of units tells, of which a repeat tells little."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Told", "Worth"]

REPEATED = 0.1
"""What a unit is worth beside a better one that says the same."""


@dataclass(frozen=True, slots=True)
class Worth:
    """The worth of units, alone and together: monotone and submodular.

    Each token of a unit is worth its relevance; of units that say the same only the best counts in
    full; and the words of the question are worth something once each, whoever says them:

        sum over groups of (1 - REPEATED) * max + REPEATED * sum of relevance * size
        + sum over the question's words that are said of their weight

    That tokens and not units carry the worth keeps short sentences from winning by being short
    (72.5 against 80.2 answer recall, field measurement).
    """

    relevance: Sequence[float]
    """Of each token of a unit, in [0, 1]."""
    size: Callable[[int], float]
    """A unit's own tokens, at least 1."""
    same: Callable[[int], int] = field(default=lambda unit: unit)
    """The first of the units that say the same; itself for what nothing says better."""
    said: Mapping[int, Collection[int]] = field(default_factory=dict[int, Collection[int]])
    """The words of the question that a unit says, by number; only units that say any."""
    words: Mapping[int, float] = field(default_factory=dict[int, float])
    """What each of them is worth."""
    least: Callable[[int], float] = field(default=lambda _: 1.0)
    """A size that is hardly ever too large, and takes no counting."""

    @property
    def most_words(self) -> float:
        """What all the words of the question are worth."""
        return sum(self.words.values())

    def alone(self, unit: int) -> float:
        """Give the worth of a unit's tokens."""
        return self.relevance[unit] * self.size(unit)

    def of(self, units: Iterable[int]) -> float:
        """Give the worth of units together."""
        return Told(self, units).worth


class Told:
    """What some units tell, as they are added one by one."""

    def __init__(self, worth: Worth, units: Iterable[int] = ()) -> None:
        self.worth = 0.0
        self._of = worth
        self._best: dict[int, float] = {}
        self._words: set[int] = set()
        for unit in units:
            self.add(unit)

    def gain(self, unit: int) -> float:
        """Give what a unit would add."""
        words = self._of.words
        new = sum(words[word] for word in self._of.said.get(unit, ()) if word not in self._words)
        return self.tokens_gain(unit) + new

    def most(self, unit: int) -> float:
        """Give about the most that a unit could add for each of its tokens, without counting them."""
        of = self._of
        if unit not in of.said:
            return of.relevance[unit]
        new = sum(of.words[word] for word in of.said[unit] if word not in self._words)
        return of.relevance[unit] + new / of.least(unit)

    def tokens_gain(self, unit: int) -> float:
        """Give what a unit's tokens would add, words of the question aside."""
        alone = self._of.alone(unit)
        best = self._best.get(self._of.same(unit), 0.0)
        return (1.0 - REPEATED) * max(0.0, alone - best) + REPEATED * alone

    def add(self, unit: int) -> None:
        """Add a unit."""
        self.worth += self.gain(unit)
        first = self._of.same(unit)
        self._best[first] = max(self._best.get(first, 0.0), self._of.alone(unit))
        self._words.update(self._of.said.get(unit, ()))

    @property
    def unsaid(self) -> float:
        """What the words of the question are worth that were not said yet."""
        return sum(worth for word, worth in self._of.words.items() if word not in self._words)
