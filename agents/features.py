"""What can be seen of a task before money is spent on it."""

from __future__ import annotations

import ast
import math
import operator
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from shoestring.tools.relevance.answers import asks_for
from shoestring.tools.words.names import names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SEEN = 1_000
"""Characters at each end of a text that are looked at: a decision is to take less than a millisecond."""

ASKING = 250
"""Characters at each end in which the words that ask are looked for."""

QUESTION = (
    "constant",
    "length",
    "sentences",
    "long_words",
    "numbers",
    "hops",
    "choices",
    "amount",
    "time",
    "person",
    "reason",
    "best_score",
    "score_gap",
)
"""What is seen of the question and of what was retrieved: costs are forecast from these."""

DRAFT = (
    "draft",
    "draft_length",
    "draft_lines",
    "draft_sums",
    "draft_wrong_sums",
    "draft_new_numbers",
    "draft_doubts",
    "draft_fraction",
)
"""What is seen of an answer already there: whether it is right is forecast from these too."""

FEATURES = (*QUESTION, *DRAFT)

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_SENTENCE = re.compile(r"[.!?。！？](?:\s|$)")
_CHOICE = re.compile(r"^\s*\(?[A-E1-5][.)]\s", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_]+")
# Each points from one thing to another that has to be found first.
_HOPS = frozenset({
    "whose", "whom", "which", "that", "who", "where", "when", "than", "before", "after", "both", "same",
    "each", "every", "per", "twice", "half", "times", "more", "less", "remaining", "left", "s",
})  # fmt: skip
_REASON = re.compile(
    r"\b(?:why|how (?:do|does|did|can|could|would|should|is|are|was|were)|explain|compare|prove"
    r"|derive|warum|pourquoi|por qu[eé]|perch[eé]|почему)\b|なぜ|为什么",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"\b(?:however|unclear|unknown|cannot|can't|not (?:sure|enough|given|stated|provided|mentioned)"
    r"|assum\w+|probably|perhaps|might|suppose|actually|wait|let)\b",
    re.IGNORECASE,
)
# Bounded pieces, so that no text makes the search slow.
_SUM = re.compile(
    r"(?<![\d.)])([\d(][\d.,()+\-*/\u00d7\u00f7 ]{2,79})=\s{0,3}\$?\s?(-?\d[\d,]{0,15}(?:\.\d{1,9})?)"
)
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_SIGNS = str.maketrans({",": None, "\u00d7": "*", "\u00f7": "/"})
_MOST_SUMS = 40
_CLOSE = 0.01  # of the result: people and models round


@dataclass(frozen=True, slots=True)
class Task:
    """A question, and what is known about it when a route is chosen.

    Args:
        question: What is asked.
        scores: Scores of what was retrieved, in [0, 1], best first; empty before retrieval.
        draft: An answer already there that another route may improve; empty for none.
    """

    question: str
    scores: Sequence[float] = ()
    draft: str = ""

    @property
    def features(self) -> tuple[float, ...]:
        """The figures of `FEATURES`, each in [0, 1]; the first is 1.

        >>> seen = dict(zip(FEATURES, Task("How many eggs are 3 and 4?").features))
        >>> seen["amount"], seen["draft"]
        (1.0, 0.0)
        """
        return _features(self.question, tuple(self.scores), self.draft)


@lru_cache(maxsize=256)
def _features(asked: str, scores: tuple[float, ...], draft: str) -> tuple[float, ...]:
    text = _ends(asked)
    found = text.split()
    best, *others = sorted(map(_share, scores), reverse=True) or [0.0]
    asking = _ends(text, ASKING)
    kind = asks_for(asking)
    hops = len(names(text)) + sum(word in _HOPS for word in _WORD.findall(text.lower()))
    question = (
        1.0,
        _squashed(len(found), 400),
        _squashed(len(_SENTENCE.findall(text)), 20),
        min(1.0, sum(map(len, found)) / max(1, len(found)) / 12),
        _squashed(len(_NUMBER.findall(text)), 20),
        _squashed(hops, 20),
        float(len(_CHOICE.findall(text)) > 1),
        float(kind == "amount"),
        float(kind == "time"),
        float(kind == "person"),
        float(_REASON.search(asking) is not None),
        best,
        best - others[0] if others else best,
    )
    return question + (_of_draft(draft, text) if draft else (0.0,) * len(DRAFT))


def _of_draft(draft: str, question: str) -> tuple[float, ...]:
    text = _ends(draft)
    sums, wrong = check_sums(text)
    asked = set(_NUMBER.findall(question))
    numbers = _NUMBER.findall(text)
    new = len(set(numbers) - asked)
    return (
        1.0,
        _squashed(len(text.split()), 400),
        _squashed(text.count("\n"), 20),
        _squashed(sums, 10),
        min(1.0, wrong / 2),
        _squashed(new, 20),
        _squashed(len(_DOUBT.findall(text)), 5),
        float(bool(numbers) and "." in numbers[-1]),
    )


def check_sums(text: str) -> tuple[int, int]:
    """Return how many sums stand in a text, and how many of them do not add up.

    The four operations and brackets are worked out, nothing else; results within 1 % are let pass.

    >>> check_sums("16 - 3 = 13 eggs, (13 - 4) * 2 = $19.")
    (2, 1)
    """
    checked, wrong = 0, 0
    for match in islice(_SUM.finditer(text), _MOST_SUMS):
        worked = _worked_out(match[1].translate(_SIGNS))
        if worked is None:
            continue
        checked += 1
        told = float(match[2].replace(",", ""))
        wrong += not abs(worked - told) <= _CLOSE * max(1.0, abs(worked))
    return checked, wrong


def _worked_out(expression: str) -> float | None:
    """Return what an expression comes to; None where it is no operation on numbers."""
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
        return _value(tree) if isinstance(tree, ast.BinOp) else None
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    raise ValueError("no operation on numbers")


def _ends(text: str, seen: int = SEEN) -> str:
    return text if len(text) <= 2 * seen else f"{text[:seen]}\n{text[-seen:]}"


def _squashed(count: int, many: int) -> float:
    """Return a count as a share of `many` on a logarithmic scale, 1 at most."""
    return min(1.0, math.log1p(count) / math.log1p(many))


def _share(score: float) -> float:
    return min(1.0, max(0.0, score)) if math.isfinite(score) else 0.0
