"""Cases as samples of inspect-ai, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspect_ai.dataset import MemoryDataset, Sample

from shoestring.evals.cases import Case, Passage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from inspect_ai.solver import TaskState

    from shoestring.evals.suite import Suite

_PASSAGES = "passages"


def as_dataset(suite: Suite) -> MemoryDataset:
    """Return a suite as a dataset of inspect-ai.

    Args:
        suite: The cases. The answers become each sample's target; passages and `meta` stand in its
            metadata, from where `as_solver` and `as_scorer` read them.
    """
    samples = [
        Sample(
            input=case.asked,
            target=list(case.answers),
            id=case.id,
            metadata={
                **case.meta,
                _PASSAGES: [
                    {"id": p.id, "title": p.title, "text": p.text, "gold": p.gold}
                    for p in case.passages
                ],
            },
        )
        for case in suite.cases
    ]
    return MemoryDataset(samples, name=suite.name)


def case_of(state: TaskState, answers: Iterable[str] = ()) -> Case:
    """Return the case that a sample stands for; one of another dataset has no passages."""
    meta: Mapping[str, Any] = state.metadata
    found = meta.get(_PASSAGES)
    passages = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    return Case(
        id=str(state.sample_id),
        question=state.input_text,
        passages=tuple(
            Passage(
                id=str(row.get("id", place)),
                title=str(row.get("title", "")),
                text=str(row.get("text", "")),
                gold=bool(row.get("gold")),
            )
            for place, row in enumerate(passages)
        ),
        answers=tuple(answers),
        # The earlier turns stand in the question already.
        meta={key: value for key, value in meta.items() if key not in {_PASSAGES, "history"}},
    )
