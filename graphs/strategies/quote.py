"""Verbatim spans, labelled as excerpts: no model call."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from shoestring.agents import Forecast, Means, Meter
from shoestring.budget import Amount
from shoestring.graphs.account import working
from shoestring.graphs.prompts import join_pieces, passages
from shoestring.graphs.reasoning import failed
from shoestring.graphs.state import BudgetContext, BudgetState, Draft
from shoestring.tools import trim
from shoestring.tools.stems import stem
from shoestring.tools.stop_words import STOP_WORDS
from shoestring.tools.words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.documents import Document
    from langgraph.graph.state import CompiledStateGraph

LABEL = "Excerpts, word for word:"


@dataclass(frozen=True, slots=True)
class Quote:
    """Quotes the spans that bear on the question, or abstains.

    Args:
        context: Tokens of excerpts at most.
        threshold: Abstain where the excerpts cover less of the question than this share. The default
            separates excerpts that hold an answer from those that do not best, by
            `python benchmarks/quote_threshold.py SUITE_DIR`; see `coverage`.
        success: Prior chance of a right answer.
    """

    context: int = 160
    threshold: float = 0.65
    success: float = 0.2
    name: str = "quote"
    needs_model: bool = False

    def forecast(self, question: str, meter: Meter | None) -> Forecast:
        """Return a cost of nothing."""
        del question, meter
        return Forecast(least=Amount(), likely=Amount(), success=self.success)

    def graph(self, means: Means) -> CompiledStateGraph[Any, Any, Any, Any]:
        """Return trim → quote."""

        def trim_excerpts(state: BudgetState, runtime: Runtime[BudgetContext]) -> BudgetState:
            count = means.meter.counter.count if means.meter is not None else None
            with working(state, runtime, means.ledgers) as ledger:
                trimmed = trim(
                    state["documents"],
                    state["question"],
                    self.context,
                    count=count,
                    render=render_excerpts,
                    tiers=means.tiers,
                )
                detail = f"{trimmed.tokens:,} of {self.context:,} tokens of room used"
                labelled = ledger.at(node="trim", route=self.name)
                labelled.note("trim", detail, dropped=len(trimmed.dropped))
            kept = list(trimmed.documents)
            return {"context": kept, "shown": kept}

        def quote(state: BudgetState) -> BudgetState:
            excerpts = state["context"]
            share = coverage(state["question"], excerpts, state["documents"])
            if share < self.threshold:
                problem = f"the best excerpts cover {share:.0%} of the question"
                return {"draft": failed(problem)}
            text = f"{LABEL}\n\n{render_excerpts(excerpts)}"
            return {"draft": Draft(kind="quote", text=text, truncated=False, problem="", cap=None)}

        graph = StateGraph(BudgetState, context_schema=BudgetContext)
        graph.add_node("trim", trim_excerpts)
        graph.add_node("quote", quote)
        graph.add_edge(START, "trim")
        graph.add_edge("trim", "quote")
        graph.add_edge("quote", END)
        return graph.compile(name=self.name)


def render_excerpts(documents: Sequence[Document]) -> str:
    r"""Render kept pieces as block quotes, each run of one source under its title or name."""
    rendered: list[str] = []
    for pieces in passages(documents):
        metadata = pieces[0].metadata
        name = " ".join(str(metadata.get("title") or metadata.get("source") or "").split())
        quoted = "\n".join(f"> {line}" for line in join_pieces(pieces).split("\n"))
        rendered.append(f"{quoted}\n— {name}" if name else quoted)
    return "\n\n".join(rendered)


def coverage(question: str, excerpts: Sequence[Document], documents: Sequence[Document]) -> float:
    """Return the share of the question's terms that stand in the excerpts, rare terms counting more.

    Terms are compared by their stems, stop words left out. A term weighs its inverse document
    frequency among the retrieved documents, ln(1 + N / n): what every document holds says little
    about whether these answer the question.

    Returns:
        A share in [0, 1]; 0 where there are no excerpts or the question has no terms.
    """
    asked = words(question)
    terms = {stem(term) for term in [t for t in asked if t not in STOP_WORDS] or asked}
    if not terms or not excerpts:
        return 0.0
    frequency = Counter(term for document in documents for term in terms & _stems(document))
    weight = {term: math.log1p(len(documents) / max(1, frequency[term])) for term in terms}
    found = terms & set[str]().union(*map(_stems, excerpts))
    return sum(weight[term] for term in found) / sum(weight.values())


def _stems(document: Document) -> set[str]:
    return {
        stem(t) for t in words(f"{document.metadata.get('title', '')}\n{document.page_content}")
    }
