"""Topics: where a long text without headings turns from one subject to the next.

Source: TextTiling, Hearst, Computational Linguistics 23(1), 1997: the words on both sides of each gap
between passages are compared, and the text is divided at the deepest valleys.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from shoestring.tools.outline.gists import Rarity

__all__ = ["LONG", "Turning", "shifts"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

LONG = 24
"""Passages that may follow each other under one heading without being divided."""

_SIDE = 3  # passages on either side of a gap
_FEWEST = 4  # passages of a topic
_MOST = 20
_FAR = 0.6  # of the mean nearness of pages to those before them; what is further off is new
_DEEP = 0.5  # standard deviations above the mean depth, from which a gap divides


def shifts(told: Sequence[Sequence[str]], rarity: Rarity) -> list[int]:
    """Say before which passages a new topic begins.

    Args:
        told: The telling words of passages that follow each other.
        rarity: The weight of a word.

    Returns:
        Places in order, the first of them 0; topics hold 4 to 20 passages, or all if there are fewer.
    """
    if len(told) < 2 * _FEWEST:
        return [0] if told else []
    near = _nearness(told, rarity)
    depths = [_depth(near, place) for place in range(len(near))]
    mean = sum(depths) / len(depths)
    spread = sqrt(sum((depth - mean) ** 2 for depth in depths) / len(depths))
    found = [0]
    while len(told) - found[-1] >= 2 * _FEWEST:
        gap = _next(depths, found[-1], mean + _DEEP * spread)
        if gap is None:
            break
        found.append(gap)
    return found


def _nearness(told: Sequence[Sequence[str]], rarity: Rarity) -> list[float]:
    """Say for each gap how near the passages on its two sides are: the cosine of their words.

    The products of sums are sums of products, so passages are compared two by two, those that are
    near enough to stand at one gap.
    """
    keys, weights, place = _bags(told, rarity)
    number = len(told)
    words = int(keys.max(initial=0)) + 1
    keyed = place * words + keys
    products: list[Floats] = []
    for apart in range(2 * _SIDE):
        # The passages' words as they would be numbered this much further on.
        moved = keyed + apart * words
        at = np.minimum(np.searchsorted(keyed, moved), max(0, len(keyed) - 1))
        same = keyed[at] == moved
        both = weights[same] * weights[at[same]]
        # With the one `apart` behind.
        products.append(np.bincount(place[same], both, number).astype(np.float64))
    gaps = np.arange(1, number)
    left = [gaps - 1 - step for step in range(_SIDE)]
    right = [gaps + step for step in range(_SIDE)]
    shared = _products(products, left, right)
    size = _products(products, left, left) * _products(products, right, right)
    near: list[float] = np.where(
        size > 0, shared / np.sqrt(np.where(size > 0, size, 1)), 0
    ).tolist()
    return near


def _bags(told: Sequence[Sequence[str]], rarity: Rarity) -> tuple[Ints, Floats, Ints]:
    """Give each passage's different words by number, their weights, and the passages' numbers."""
    numbers: dict[str, int] = {}
    keys = [numbers.setdefault(word, len(numbers)) for words in told for word in words]
    place = np.repeat(np.arange(len(told)), [len(words) for words in told])
    most = len(numbers) + 1
    both, times = np.unique(place * most + np.array(keys, np.int64), return_counts=True)
    rare = np.array([rarity[word] for word in numbers] or [0.0], np.float64)
    keys_of = both % most
    weights: Floats = times.astype(np.float64) * rare[keys_of]
    return keys_of, weights, both // most


def _products(products: Sequence[Floats], ones: Sequence[Ints], others: Sequence[Ints]) -> Floats:
    """Sum the products of passages on one side of each gap with those on another."""
    number = len(products[0])
    total = np.zeros(len(ones[0]))
    for one in ones:
        for other in others:
            inside = (one >= 0) & (one < number) & (other >= 0) & (other < number)
            apart = int(abs(one[0] - other[0]))
            first = np.minimum(one, other)
            total += np.where(inside, products[apart][np.clip(first, 0, number - 1)], 0.0)
    return total


class Turning:
    """Says where pages that come one by one turn to another subject."""

    def __init__(self, rarity: Rarity) -> None:
        self._rarity = rarity
        self._group: dict[str, float] = {}
        self._pages = 0
        self._near = [0.0, 0]  # the sum of how near pages were to their groups, and their number

    def turns(self, text: str) -> bool:
        """Say whether a page begins a new group; the first one always does."""
        bag = _bag(self._rarity.telling(text), self._rarity)
        near = _cosine(self._group, bag)
        total, seen = self._near
        far = seen and near < _FAR * total / seen
        new = not self._pages or self._pages >= _MOST or (self._pages >= _FEWEST and bool(far))
        if self._pages:
            self._near = [total + near, seen + 1]
        if new:
            self._group, self._pages = {}, 0
        self._group = _sum([self._group, bag])
        self._pages += 1
        return new


def _next(depths: Sequence[float], begin: int, deep: float) -> int | None:
    """Give the first deep gap that leaves topics of the least size; else, in a long rest, the deepest."""
    gaps = range(begin + _FEWEST, min(begin + _MOST, len(depths) + 1 - _FEWEST) + 1)
    for gap in gaps:
        if depths[gap - 1] > deep and depths[gap - 1] >= max(depths[gap - 1 : gap + 1]):
            return gap
    rest = len(depths) + 1 - begin
    return max(gaps, key=lambda gap: depths[gap - 1]) if rest > _MOST else None


def _bag(told: Sequence[str], rarity: Rarity) -> dict[str, float]:
    bag: dict[str, float] = {}
    for word in told:
        bag[word] = bag.get(word, 0.0) + rarity[word]
    return bag


def _sum(bags: Sequence[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for bag in bags:
        for word, told in bag.items():
            total[word] = total.get(word, 0.0) + told
    return total


def _cosine(one: dict[str, float], other: dict[str, float]) -> float:
    if not one or not other:
        return 0.0
    shared = sum(value * other[word] for word, value in one.items() if word in other)
    size = sqrt(sum(v * v for v in one.values()) * sum(v * v for v in other.values()))
    return shared / size if size else 0.0


def _depth(near: Sequence[float], place: int) -> float:
    """Say how deep the valley at a gap is: how far it lies below the peaks on both sides."""
    return sum(_peak(near, place, step) - near[place] for step in (-1, 1))


def _peak(near: Sequence[float], place: int, step: int) -> float:
    """Climb from a gap to the nearest peak on one side."""
    peak = near[place]
    for at in range(place + step, place + step * (_MOST + 1), step):
        if not 0 <= at < len(near) or near[at] < peak:
            break
        peak = near[at]
    return peak
