"""Packing: the units worth most that fit, by measuring what is really sent."""

import math
from collections.abc import Callable, Hashable, Sequence

__all__ = ["longest_prefix", "pack"]

_MISSES = 64  # candidates in a row that do not fit, after which a pass ends
_ROUNDS = 12  # times the room that a measurement leaves is filled again
_ENOUGH = 0.99  # of the limit: not worth another round


def pack(
    order: Sequence[int],
    limit: int,
    *,
    cost: Callable[[int, float], float],
    shared: Callable[[int], Sequence[tuple[Hashable, float]]],
    measure: Callable[[Sequence[int]], int],
) -> list[int]:
    """Choose units greedily by score, then correct by measuring the rendering.

    Greedy by score, not by score per token: the latter picks too many short sentences (72.5 against
    80.2 answer recall, field measurement). Token counts do not add up, so costs are estimates: what
    was chosen is measured; while it is over, the least marginal go; the room left is filled again.

    Args:
        order: Candidates, best first.
        limit: Room, in model tokens.
        cost: `cost(unit, room)` estimates the tokens a unit adds; `math.inf` where it clearly does
            not fit in `room`, so that it need not be counted.
        shared: What a unit brings along and shares with others (a title, a header), each with its
            estimated tokens; paid by the first that brings it.
        measure: Counts the tokens of the rendering of these units, exactly.

    Returns:
        The chosen units, best first; `measure` of them is at most `limit`, unless it is empty.
    """
    chosen: list[int] = []
    used = 0
    scale = 1.0  # measured tokens per estimated token
    waiting = list(order)
    for _ in range(_ROUNDS):
        # Measuring decides; a token of grace lets what just fits be tried.
        room = (limit - used) / scale + 1
        batch, costs, waiting = _greedy(waiting, chosen, room, cost, shared)
        if not batch:
            break
        measured = measure(chosen + batch)
        estimated = sum(costs)
        if measured > used and estimated > 0:
            scale = min(4.0, max(0.1, (measured - used) / estimated))
        while measured > limit:
            freed = 0.0
            while batch and freed < measured - limit:
                batch.pop()
                freed += max(costs.pop() * min(scale, 1.0), 0.5)
            if not batch:
                measured = used
                break
            measured = measure(chosen + batch)
        chosen += batch
        used = measured
        if used >= _ENOUGH * limit:
            break
    rank = {unit: place for place, unit in enumerate(order)}
    return sorted(chosen, key=rank.__getitem__)


def _greedy(
    order: Sequence[int],
    chosen: Sequence[int],
    room: float,
    cost: Callable[[int, float], float],
    shared: Callable[[int], Sequence[tuple[Hashable, float]]],
) -> tuple[list[int], list[float], list[int]]:
    """Take what fits by estimate, in order; give it, its costs, and what is left for later."""
    paid = {thing for unit in chosen for thing, _ in shared(unit)}
    batch: list[int] = []
    costs: list[float] = []
    left: list[int] = []
    misses = 0
    for place, unit in enumerate(order):
        needed = cost(unit, room)
        brought = shared(unit) if needed <= room else ()
        needed += sum(price for thing, price in brought if thing not in paid)
        if needed <= room:
            room -= needed
            batch.append(unit)
            costs.append(needed)
            paid.update(thing for thing, _ in brought)
            misses = 0
            continue
        left.append(unit)
        misses += needed < math.inf
        if misses >= _MISSES or room <= 0:
            left.extend(order[place + 1 :])
            break
    return batch, costs, left


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
