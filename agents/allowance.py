"""How a session splits its budget over its questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from shoestring.agents.choosing import Session
from shoestring.budget import Amount, Budget, Caps

if TYPE_CHECKING:
    from shoestring.budget import Ledger

Split = Literal["fixed", "decaying", "forecast", "policy"]
_SPLITS = ("fixed", "decaying", "forecast", "policy")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What each question of a session may spend, of what the session has left.

    "fixed": as much as each question to come. "decaying": each `decay` times as much as the one before, for
    conversations that begin with the hard question. "forecast": in proportion to what the question is
    forecast to cost, against the mean of those before. "policy": all of it, and the policy is told how
    many questions are to come; `Expected` paces itself by that. What a question leaves goes to those
    that follow; one that comes after the last may have all that is left.

    Args:
        questions: How many questions are expected, at least 1.
        split: How the budget is split.
        decay: For "decaying", in (0, 1).

    Raises:
        ValueError: If there are fewer than 1, the split is none of the four, or the decay no such share.

    >>> [round(Allowance(3, "decaying", decay=0.5).share(asked), 2) for asked in range(4)]
    [0.57, 0.67, 1.0, 1.0]
    """

    questions: int
    split: Split = "fixed"
    decay: float = 0.8

    def __post_init__(self) -> None:
        if self.questions < 1:
            raise ValueError(f"an allowance for {self.questions} questions is none: give 1 or more")
        if self.split not in _SPLITS:
            raise ValueError(f"split is {self.split!r:.40}: choose {', '.join(_SPLITS)}")
        if not 0 < self.decay < 1:
            raise ValueError(f"decay is {self.decay}: give a share between 0 and 1")

    def share(self, asked: int, need: float = 1.0) -> float:
        """Return the share of what is left that the next question may spend.

        Args:
            asked: Questions before it.
            need: For "forecast": its forecast cost over the mean of those before; positive.
        """
        left = max(1, self.questions - asked)
        match self.split:
            case "fixed":
                return 1 / left
            case "decaying":
                return (1 - self.decay) / (1 - self.decay**left)
            case "forecast":
                return need / (need + left - 1)
            case "policy":
                return 1.0

    def budget(self, budget: Budget, session: Ledger, asked: int, need: float = 1.0) -> Budget:
        """Return the budget of the next question: its own caps, and no more than its allowance."""
        share = self.share(asked, need)
        left, own = session.remaining, budget.caps
        tokens = _least(own.tokens, left.tokens, share)
        money = _least(own.nanodollars, left.nanodollars, share)
        calls = _least(own.calls, left.calls, share)
        if left.calls and not calls:
            calls = 1  # a call is never cut in half
        return Budget(
            tokens=tokens,
            usd=Caps(nanodollars=money).usd,
            calls=calls,
            seconds=budget.seconds,
            answer_reserve=_reserve(budget.answer_reserve, tokens, money, calls),
            repeats=budget.repeats,
        )

    def session(self, session: Ledger, asked: int) -> Session | None:
        """Return what a policy is told of the session; None where the split itself decides."""
        if self.split != "policy":
            return None
        return Session(self.questions, asked, session.limit, session.spent)


def _least(own: int | None, left: int | None, share: float) -> int | None:
    if left is None:
        return own
    allowed = int(left * share)
    return allowed if own is None else min(own, allowed)


def _reserve(
    reserve: int | Amount, tokens: int | None, money: int | None, calls: int | None
) -> int | Amount:
    """Return the answer reserve, or nothing where the allowance is too small to keep it back."""
    kept = reserve if isinstance(reserve, Amount) else Amount(output_tokens=reserve, calls=1)
    caps = ((kept.tokens, tokens), (kept.nanodollars, money), (kept.calls, calls))
    return 0 if any(cap is not None and part > cap for part, cap in caps) else reserve
