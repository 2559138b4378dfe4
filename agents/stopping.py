"""When more samples of an answer are not worth their price: rules that look at votes, not at models.

Each takes the answers so far, in the order of sampling and normalised so that equal answers are equal,
and says whether to stop.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


_EVEN = 0.5  # the chance of a leader that is none
_WIDEST = 64  # answers sampled side by side, whatever a rule says


class StoppingRule(Protocol):
    """Says when enough samples were drawn."""

    def enough(self, answers: Sequence[Hashable]) -> bool:
        """Whether the answers so far settle the vote."""
        ...


@dataclass(frozen=True, slots=True)
class FixedSamples:
    """Stop after a fixed number: self-consistency (Wang et al., arXiv:2203.11171).

    Args:
        samples: How many.

    >>> FixedSamples(2).enough(["7"]), FixedSamples(2).enough(["7", "8"])
    (False, True)
    """

    samples: int

    def __post_init__(self) -> None:
        _check("samples", self.samples)

    def enough(self, answers: Sequence[Hashable]) -> bool:
        """Whether that many were drawn."""
        return len(answers) >= self.samples


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Stop when a whole window agrees: early-stopping self-consistency (arXiv:2401.10480).

    Samples are drawn in windows; the first window whose answers are all the same ends the work.

    Args:
        window: Samples a window.
        most: The most samples in all.

    >>> rule = EarlyStopping(window=2, most=6)
    >>> rule.enough(["7", "8"]), rule.enough(["7", "8", "7"]), rule.enough(["7", "8", "7", "7"])
    (False, False, True)
    """

    window: int = 5
    most: int = 40

    def __post_init__(self) -> None:
        _check("window", self.window)
        _check("most", self.most)

    def enough(self, answers: Sequence[Hashable]) -> bool:
        """Whether the last whole window agrees, or no more may be drawn."""
        if len(answers) >= self.most:
            return True
        whole = bool(answers) and len(answers) % self.window == 0
        return whole and len(set(answers[-self.window :])) == 1


@dataclass(frozen=True, slots=True)
class AdaptiveConsistency:
    """Stop when the leading answer will very likely stay the leader (arXiv:2305.11860).

    With a uniform prior, the chance that the first answer is more frequent than the second is that
    of a Beta(first + 1, second + 1) variable above one half.

    Args:
        sure: The chance at which to stop, below 1.
        most: The most samples in all.

    >>> rule = AdaptiveConsistency(sure=0.95)
    >>> rule.enough(["7"] * 3), rule.enough(["7"] * 4), rule.enough(["7"] * 4 + ["8"])
    (False, True, False)
    """

    sure: float = 0.95
    most: int = 40

    def __post_init__(self) -> None:
        _check("most", self.most)
        if not _EVEN <= self.sure < 1:
            raise ValueError(f"sure is a chance from 0.5 to below 1, not {self.sure}")

    def enough(self, answers: Sequence[Hashable]) -> bool:
        """Whether the leader is sure enough, or no more may be drawn."""
        if len(answers) >= self.most:
            return True
        leaders = [count for _, count in Counter(answers).most_common(2)]
        first, second = (*leaders, 0, 0)[:2]
        return bool(answers) and leads(first, second) >= self.sure


def fewest(rule: StoppingRule, answers: Sequence[Hashable]) -> int:
    """Return how many more answers it takes at least to settle a vote: all for the one that leads.

    So many may be sampled side by side: had they been sampled in turn, each would have been needed. At most 64.

    >>> fewest(FixedSamples(8), ["7"] * 3), fewest(EarlyStopping(window=5), []), fewest(AdaptiveConsistency(), [])
    (5, 5, 4)
    >>> fewest(AdaptiveConsistency(), ["7", "8", "7"])
    4
    """
    leader, more = majority(answers), 0
    while more < _WIDEST and not rule.enough([*answers, *[leader] * more]):
        more += 1
    return more


def leads(first: int, second: int) -> float:
    """Return the chance that an answer seen `first` times is more frequent than one seen `second`.

    The regularised incomplete beta function at one half, which is a sum of whole binomials.

    >>> leads(0, 0), leads(4, 0)
    (0.5, 0.96875)
    """
    tosses = first + second + 1
    return float(Fraction(sum(comb(tosses, heads) for heads in range(first + 1)), 2**tosses))


def majority(answers: Sequence[Hashable]) -> Hashable | None:
    """Return the most frequent answer, of equals the one that came first; None without answers.

    >>> majority(["8", "7", "7", "8"])
    '8'
    """
    found = Counter(answers).most_common(1)
    return found[0][0] if found else None


def _check(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value}")
