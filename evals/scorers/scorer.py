"""What a scorer is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shoestring.evals.cases import Case
    from shoestring.evals.outcome import Outcome


class Scorer(Protocol):
    """Says how right an outcome is; a dataclass with this one method.

    One that waits for a model says so by `asks_model = True`.
    """

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def score(self, case: Case, outcome: Outcome) -> float | None:
        """Return 0 to 1, or None where the case has nothing to be scored by."""
        ...
