"""Hops: what the best passages name and do not tell is looked for in turn, without a model."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shoestring.tools.relevance.ranking import Ranking, Text, scaled
from shoestring.tools.relevance.score import Look
from shoestring.tools.words.names import linking_names
from shoestring.tools.words.stop_words import STOP_WORDS
from shoestring.tools.words.words import words

__all__ = ["followed"]

Floats = NDArray[np.float64]

_OPEN = 0.2  # of the query's words, by their rarity, that the best units must leave open
_ANSWERED = 3  # best units whose words count as found
_NAMING = 4  # best units whose names are followed,
_NAMES = 10  # and names: 4 are 9 points less on questions of several hops
_HOPS = 2  # one alone is 3 points less there
_FOLLOWED = 0.8  # of a name's own score is what a unit has by it
_MOST = 1_000  # units: of more a hop would take longer than the reading


def followed(found: Look, texts: Sequence[Text], query: str, room: float) -> Look:
    """Let units rank by the names that the best of the others hold.

    Where the best units leave much of the query open, each name they hold becomes a query of its own, together
    with the words that are open; what it finds in other texts ranks nearly as high as what named it. That
    is done again from what was found, so a chain of three texts is followed to its end.

    Args:
        found: The units' scores by the query's words.
        texts: What they stand in.
        query: What is asked.
        room: As for `look`.

    Source: iterative retrieval as in GoldEn, arXiv:1910.07000, with names in place of a model's queries.
    """
    flat = [unit for text in texts for unit in text.units]
    if len(texts) == 1 or not 0 < len(flat) <= _MOST or found.logged:
        return found
    if _open(found) <= _OPEN:
        return found
    hops = _Hops(texts, flat, query, room)
    shares = found.shares
    for _ in range(_HOPS):
        shares = hops.once(shares)
    return replace(found, shares=np.where(found.repeats, found.shares, shares))


def _open(found: Look) -> float:
    """Give the share of the query's words, by their rarity, that the best units do not hold."""
    best = _best(found.shares, _ANSWERED)
    total = sum(rarity for rarity, _ in found.said)
    left = sum(rarity for rarity, units in found.said if not np.isin(best, units).any())
    return left / total if total > 0 else 0.0


class _Hops:
    """What one hop after the other is taken over."""

    def __init__(self, texts: Sequence[Text], flat: Sequence[str], query: str, room: float) -> None:
        self._flat = flat
        self._document: NDArray[np.int64] = np.repeat(
            np.arange(len(texts)), [len(text.units) for text in texts]
        )
        self._ranking = Ranking(texts, flat, self._document)
        self._query = words(query)
        self._room = room

    def once(self, shares: Floats) -> Floats:
        """Look for each name that the best units hold and the query does not."""
        flat, best = self._flat, _best(shares, _ANSWERED)
        said = {word for unit in best for word in words(flat[unit])}
        left = [word for word in self._query if word not in STOP_WORDS and word not in said]
        reached = shares.copy()
        for name, unit in _named(shares, flat, set(self._query)):
            values, _ = self._ranking.score(" ".join([name, *left]), self._room)
            values[self._document == self._document[unit]] = 0.0  # what it tells itself is known
            reached = np.maximum(reached, _FOLLOWED * shares[unit] * scaled(values))
        return scaled(reached)


def _named(shares: Floats, flat: Sequence[str], asked: set[str]) -> list[tuple[str, int]]:
    """Give the names that the best units hold, each with the best that holds it."""
    named: dict[str, int] = {}
    for unit in _best(shares, _NAMING):
        for name in linking_names(flat[unit]):
            parts = words(name)
            if parts and not asked.issuperset(parts):
                named.setdefault(name, unit)
    return list(named.items())[:_NAMES]


def _best(shares: Floats, most: int) -> list[int]:
    best: list[int] = np.argsort(-shares, kind="stable")[:most].tolist()
    return best
