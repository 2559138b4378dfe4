"""Scores of a choice among options."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoestring.evals.scorers.text import bare

if TYPE_CHECKING:
    from shoestring.evals.cases import Case
    from shoestring.evals.outcome import Outcome

_OPTION = re.compile(r"^\s*\(?([A-J])[).:]\s+(.+?)\s*$", re.MULTILINE)
# "The answer is (B)", "B.", "(b)": the last of them, for models reason first.
_SAID = re.compile(
    r"(?:answer|option|choice)(?:\s+is)?\s*:?\s*\(?([A-J])\b|^\s*\(?([A-J])\)?\s*(?:[.:,]|$)"
    r"|\(([A-J])\)",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class MultipleChoice:
    """Whether the right option was chosen, by its letter or by its text.

    Options are those of the question ("(A) …" on lines of their own), or `meta.labels`, words of
    which exactly one must be said.
    """

    name: str = "choice"

    def score(self, case: Case, outcome: Outcome) -> float | None:
        """Return 1 or 0; None where the case has no answers or no options."""
        labels = case.meta.get("labels")
        if not case.answers:
            return None
        if isinstance(labels, list) and labels:
            words = set(bare(outcome.answer).split())
            said = {bare(str(label)) for label in labels if bare(str(label)) in words}
            return float(said == {bare(case.answers[0])})
        options = dict(_OPTION.findall(case.question))
        if not options:
            return None
        right = _letter(case.answers[0], options)
        return float(right is not None and _letter(outcome.answer, options) == right)


def _letter(said: str, options: dict[str, str]) -> str | None:
    """Give the letter of the option that a text names; None where it names none."""
    letters = ["".join(found).upper() for found in _SAID.findall(said)]
    if letters:
        return letters[-1]
    if said.strip().upper() in options:
        return said.strip().upper()
    text = bare(said)
    named = [letter for letter, option in options.items() if bare(option) and bare(option) in text]
    return named[0] if len(named) == 1 else None
