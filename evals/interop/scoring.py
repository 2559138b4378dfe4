"""Our scorers as scorers of inspect-ai."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr

from shoestring.evals.interop.dataset import case_of
from shoestring.evals.interop.solver import RECEIPT
from shoestring.evals.outcome import Outcome, Span

if TYPE_CHECKING:
    from inspect_ai.solver import TaskState

    from shoestring.evals.scorers import Scorer as OurScorer


def as_scorer(ours: OurScorer) -> Scorer:
    """Return a scorer as one of inspect-ai's, with mean and standard error.

    Args:
        ours: Such as `Contains()`. It sees the case with its answers, and what the target answered, was
            shown and cited; a sample it has nothing to score by is left unscored.
    """

    @scorer(metrics=[mean(), stderr()], name=ours.name)
    def made() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score | None:
            told = state.metadata.get(RECEIPT) or {}
            outcome = Outcome(
                state.output.completion,
                kind=told.get("kind", ""),
                route=told.get("route", ""),
                cited=tuple(Span(*span) for span in told.get("cited", ())),
                shown=tuple(Span(*span) for span in told.get("shown", ())),
                stopped_by=told.get("stopped_by"),
            )
            value = ours.score(case_of(state, target), outcome)
            return None if value is None else Score(value=value, answer=outcome.answer)

        return score

    return made()
