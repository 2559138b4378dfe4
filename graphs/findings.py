"""Findings: what was read and answered for one part of a question."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypedDict

from langgraph.errors import GraphBubbleUp

from shoestring.graphs.check import CITATION
from shoestring.graphs.prompts import NO_ANSWER
from shoestring.graphs.quoting import so_far
from shoestring.graphs.reasoning.drafts import generated
from shoestring.graphs.state import Draft, TrimRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.documents import Document

_CITED = re.compile(rf"\s*{CITATION.pattern}")


class Finding(TypedDict):
    """What was found for one part: plain data. `problem` says why there is no answer."""

    question: str
    answer: str
    problem: str
    trims: list[TrimRecord]
    score: float


def answered(finding: Finding, draft: Draft) -> Finding:
    """Return a finding with what the model answered from it."""
    return {**finding, "answer": draft["text"].strip(), "problem": draft["problem"]}


def sunk(question: str, error: Exception) -> Finding:
    """Return what is left of a part that failed; what LangGraph itself raises goes on."""
    if isinstance(error, GraphBubbleUp):
        raise error
    problem = f"failed: {type(error).__name__}"
    return Finding(question=question, answer="", problem=problem, trims=[], score=0.0)


def notes_of(findings: Sequence[Finding]) -> str:
    """Write what the parts answered, without citations, which count sources of their own."""
    return "\n".join(f"{one['question']} {_uncited(one)}" for one in findings if _tells(one))


def best_of(
    findings: Sequence[Finding], context: Sequence[Document], score: float, cap: str | None
) -> Draft:
    """Return the best answer so far, for where no call can be paid or it fails.

    That is what the parts answered, or else what was read; the arguments are those of `so_far`.
    """
    told = [_uncited(one) for one in findings if _tells(one)]
    if not told:
        return so_far(context, score, cap)
    draft = generated("\n".join(told), truncated=False)
    draft["cap"] = cap
    return draft


def _tells(finding: Finding) -> bool:
    return bool(finding["answer"]) and NO_ANSWER not in finding["answer"]


def _uncited(finding: Finding) -> str:
    return " ".join(_CITED.sub("", finding["answer"]).split())
