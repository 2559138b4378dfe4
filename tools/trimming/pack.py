"""Packing: the units worth most that fit, by measuring what is really sent."""

import heapq
import math
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from functools import partial

from shoestring.tools.trimming.worth import Told, Worth

__all__ = ["Packing", "longest_prefix", "pack"]

_MISSES = 64  # candidates in a row that do not fit, after which a pass ends
_ROUNDS = 12  # times the room that a measurement leaves is filled again
_ENOUGH = 0.99  # of the limit: not worth another round
_PROMISED = 0.405  # of the best possible worth: what the greedy or one unit reaches


@dataclass(frozen=True, slots=True)
class Packing:
    """What was chosen, and how near the best possible choice it is."""

    units: tuple[int, ...]
    """In the order of the candidates."""
    value: float
    """Their worth together."""
    cost: int
    """The tokens of their rendering."""
    bound: float | None
    """More than any choice of whole units that fits can be worth; None where that is not proven.
    So `value / bound` certifies the packing, not the answer."""

    @property
    def certificate(self) -> float | None:
        """At least this share of the best possible value was reached; None without a bound."""
        if self.bound is None:
            return None
        return min(1.0, self.value / self.bound) if self.bound > 0 else 1.0


def pack(
    order: Sequence[int],
    limit: int,
    *,
    worth: Worth,
    cost: Callable[[int, float], float],
    shared: Callable[[int], Sequence[tuple[Hashable, float]]],
    measure: Callable[[Sequence[int]], int],
    proven: bool = False,
    free: Collection[int] = (),
) -> Packing:
    """Choose the units worth most to the query that fit.

    A lazy greedy takes what adds most for each token of its own, by estimated costs; token counts
    do not add up, so what was chosen is measured; while it is over, what added least goes; the room
    left is filled again. One unit that is worth more than all of that takes its place.

    Args:
        order: Candidates, most relevant first.
        limit: Room, in model tokens. 0 keeps nothing.
        worth: What units are worth.
        cost: `cost(unit, room)` estimates the tokens a unit adds; `math.inf` where it clearly does
            not fit in `room`, so that it need not be counted.
        shared: What a unit brings along and shares with others (a title, a header), each with its
            estimated tokens; paid by the first that brings it.
        measure: Counts the tokens of the rendering of these units, exactly.
        proven: Whether any rendering of units has at least the sum of their `worth.size` in tokens,
            those in `free` left aside.
        free: Candidates that may add no token to a rendering.

    Returns:
        The packing; its cost is at most `limit`.

    Raises:
        ValueError: If `limit` is negative.

    Source: budgeted submodular maximisation, Tang et al., arXiv:2008.05391 (the greedy, the single
    unit, and the bound for the instance).
    """
    if limit < 0:
        raise ValueError(f"there must be room for 0 tokens or more, not {limit}")
    packing = partial(_Packer, order, limit, worth=worth, cost=cost, shared=shared, measure=measure)
    bounded = partial(_bound, order, limit=limit, worth=worth, free=free)
    packer = packing()
    if limit:
        packer.fill()
    bound = bounded(packer.chosen) if proven else None
    if limit and (bound is None or worth.of(packer.chosen) < _PROMISED * bound):
        single = packer.better_single(least=packer.mean_relevance() if bound is None else 0.0)
        if single is not None:
            packer = packing()
            packer.take(single)
            packer.fill()
            bound = bounded(packer.chosen) if proven else None
    rank = {unit: place for place, unit in enumerate(order)}
    return Packing(
        tuple(sorted(packer.chosen, key=rank.__getitem__)),
        worth.of(packer.chosen),
        packer.used,
        bound,
    )


class _Packer:
    """Units chosen so far, and the others in line."""

    def __init__(
        self,
        order: Sequence[int],
        limit: int,
        *,
        worth: Worth,
        cost: Callable[[int, float], float],
        shared: Callable[[int], Sequence[tuple[Hashable, float]]],
        measure: Callable[[Sequence[int]], int],
    ) -> None:
        self._order = order
        self._limit = limit
        self._worth = worth
        self._cost = cost
        self._shared = shared
        self._measure = measure
        self.chosen: list[int] = []
        self.used = 0
        self._told = Told(worth)
        # Rates with their signs changed, so that the best is least; and how many had been added
        # when the rate was right. What has its turn before nothing was added waits by its most.
        self._line = [(-self._told.most(unit), at, unit, -1) for at, unit in enumerate(order)]
        heapq.heapify(self._line)

    def take(self, unit: int) -> None:
        """Choose a unit that is known to fit."""
        self.chosen = [unit]
        self.used = self._measure(self.chosen)
        self._told.add(unit)
        self._line = [entry for entry in self._line if entry[2] != unit]
        heapq.heapify(self._line)

    def fill(self) -> None:
        """Add what fits, by estimate and then by measurement, until little room is left."""
        scale = 1.0  # measured tokens per estimated token
        for _ in range(_ROUNDS):
            # Measuring decides; a token of grace lets what just fits be tried.
            batch, costs = self._greedy((self._limit - self.used) / scale + 1)
            if not batch:
                break
            measured = self._measure(self.chosen + batch)
            estimated = sum(costs)
            if measured > self.used and estimated > 0:
                scale = min(4.0, max(0.1, (measured - self.used) / estimated))
            while measured > self._limit:
                freed = 0.0
                while batch and freed < measured - self._limit:
                    batch.pop()
                    freed += max(costs.pop() * min(scale, 1.0), 0.5)
                measured = self._measure(self.chosen + batch) if batch else self.used
            self.chosen += batch
            self.used = measured
            self._told = Told(self._worth, self.chosen)
            if self.used >= _ENOUGH * self._limit:
                break

    def _greedy(self, room: float) -> tuple[list[int], list[float]]:
        """Take what adds most for each of its tokens and fits by estimate; give it, and its costs.

        Lazy: what a unit adds only shrinks as others are added, so the first in line whose rate is
        up to date is the best. Most never come to the front, and are never counted.
        """
        told, line = self._told, self._line
        paid = {thing for unit in self.chosen for thing, _ in self._shared(unit)}
        batch: list[int] = []
        costs: list[float] = []
        left: list[tuple[float, int, int, int]] = []
        misses = 0
        while line and misses < _MISSES and room > 0:
            rate, place, unit, known = heapq.heappop(line)
            added = len(self.chosen) + len(batch)
            if known != added and (most := -told.most(unit)) > rate:
                heapq.heappush(line, (most, place, unit, known))
                continue
            needed = self._cost(unit, room)
            brought = self._shared(unit) if needed <= room else ()
            needed += sum(price for thing, price in brought if thing not in paid)
            if needed > room:
                left.append((rate, place, unit, known))
                misses += needed < math.inf
                continue
            if known != added:
                rate = -told.gain(unit) / self._worth.size(unit)
                if line and rate > line[0][0]:
                    heapq.heappush(line, (rate, place, unit, added))
                    continue
            room -= needed
            batch.append(unit)
            costs.append(needed)
            told.add(unit)
            paid.update(thing for thing, _ in brought)
            misses = 0
        for entry in left:
            heapq.heappush(line, entry)
        return batch, costs

    def mean_relevance(self) -> float:
        """Give the mean relevance of the chosen tokens; 0 if there are none."""
        tokens = sum(map(self._worth.size, self.chosen))
        return sum(map(self._worth.alone, self.chosen)) / tokens if tokens else 0.0

    def better_single(self, *, least: float) -> int | None:
        """Find the unit that fits and is worth more than all that was chosen; None if none is.

        Args:
            least: The relevance that it has at least.
        """
        worth = self._worth
        best, found = worth.of(self.chosen), None
        for unit in self._order:
            # No unit that fits has more tokens than there is room.
            most = worth.relevance[unit] * self._limit + worth.most_words
            if most <= best or worth.relevance[unit] < least:
                break
            if self._cost(unit, self._limit) > self._limit or worth.of([unit]) <= best:
                continue
            if self._measure([unit]) <= self._limit:
                best, found = worth.of([unit]), unit
        return found


def _bound(
    order: Sequence[int], chosen: Sequence[int], *, limit: int, worth: Worth, free: Collection[int]
) -> float:
    """Bound what any choice that fits can be worth.

    What a choice adds to some units is at most the sum of what each of it adds to them alone, and
    that is at most what the best of them, one cut to fit, add within the room. Taken from nothing
    and from the units chosen, the smaller of the two is the bound.
    """
    return min(_reach(order, given, limit, worth, free) for given in ((), chosen))


def _reach(
    order: Sequence[int], given: Sequence[int], limit: int, worth: Worth, free: Collection[int]
) -> float:
    told = Told(worth, given)
    most = told.worth + told.unsaid
    most += sum(told.tokens_gain(unit) for unit in set(free).difference(given))
    aside = set(given).union(free)
    rates: list[tuple[float, float]] = []
    room = float(limit)
    for unit in order:
        if room <= 0:
            break  # a token of those that follow adds no more than one of these
        if unit in aside:
            continue
        size, gain = worth.size(unit), told.tokens_gain(unit)
        rates.append((gain / size, size))
        if gain >= worth.alone(unit):
            room -= size
    room = float(limit)
    for rate, size in sorted(rates, reverse=True):
        most += rate * min(size, room)
        room -= size
        if room <= 0:
            break
    return most


def longest_prefix(longest: int, guess: int, fits: Callable[[int], bool]) -> int:
    """Find the longest prefix that fits, by doubling from a guess and halving the gap.

    Args:
        longest: The greatest length to try, in characters.
        guess: A first length.
        fits: Says whether a prefix of this length fits. Where it is not monotone, the length found
            fits all the same; a longer one may too.

    Returns:
        A length that fits, or 0.
    """
    good, bad = 0, longest + 1
    trial = min(max(1, guess), longest)
    while bad - good > 1:
        if fits(trial):
            good = trial
            trial = min(2 * trial, (good + bad) // 2) if bad <= longest else min(2 * trial, longest)
        else:
            bad = trial
            trial = (good + bad) // 2
        if not good < trial < bad:
            trial = (good + bad) // 2
    return good
