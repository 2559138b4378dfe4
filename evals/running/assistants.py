"""Targets of ours: the assistant, and the whole context as the baseline it has to beat."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shoestring.agents import Planner
from shoestring.budget import Budget
from shoestring.evals.looks import looked, looks_of
from shoestring.evals.outcome import Outcome, Span
from shoestring.graphs import build_assistant
from shoestring.graphs.prompts import answer_prompt, render_sources
from shoestring.graphs.state import Answer
from shoestring.graphs.strategies import ChainOfThought, Direct, Quote
from shoestring.models import message_counter
from shoestring.tools.trimming.pack import longest_prefix
from shoestring.tools.trimming.pieces import located

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.documents import Document
    from langchain_core.language_models import BaseChatModel

    from shoestring.agents import Route
    from shoestring.evals.running.task import Task

FULL = "full context"
"""The route that reads everything, in its order, cut where the model's window ends."""

_UNCAPPED = Budget(tokens=2**62)
_OUTPUT = 96  # tokens of an answer over the whole context: as many as `Direct` gives


class Assistant:
    """Our assistant over a case's passages, with the routes that stand.

    Args:
        model: Any chat model; None for verbatim quotes alone.
        routes: What it may choose among; None for quote, direct and chain of thought.
        name: What reports call it.

    The route a task asks for is the only one the planner has; `FULL` is the whole context in one
    prompt, without trimming.
    """

    def __init__(
        self,
        model: BaseChatModel | None,
        *,
        routes: tuple[Route, ...] | None = None,
        name: str = "assistant",
    ) -> None:
        self.name = name
        self._model = model
        self._routes = routes or (Quote(), Direct(), ChainOfThought())

    async def run(self, task: Task) -> object:
        """Answer one task."""
        if task.route == FULL:
            return await self._full(task)
        known = {route.name: route for route in self._routes}
        if task.route and task.route not in known:
            raise ValueError(f"no route {task.route!r:.60}: there are {', '.join([*known, FULL])}")
        assistant = build_assistant(
            self._model,
            task.documents,
            budget=task.budget or _UNCAPPED,
            planner=Planner((known[task.route],) if task.route else self._routes),
        )
        # With what was withheld from the model, and why: the trace keeps it.
        keys = [*Answer.__annotations__, "context", "trims"]
        state: dict[str, Any] = await assistant.ainvoke(
            {"question": task.question}, output_keys=keys
        )
        looks = looks_of(state["trims"])
        return replace(Outcome.of(state), shown=_spans(state["context"]), looks=looks)

    async def _full(self, task: Task) -> Outcome:
        if self._model is None:
            raise ValueError(f"route {FULL!r} needs a model")
        text = render_sources(task.documents)
        whole = len(text)
        window = (self._model.profile or {}).get("max_input_tokens")
        if window is not None:
            count = message_counter(self._model)
            room = window - _OUTPUT

            def fits(end: int) -> bool:
                return count(answer_prompt(task.question, text[:end])) <= room

            if not fits(len(text)):
                text = text[: longest_prefix(len(text), 8 * room, fits)]
        model = task.guard(self._model)
        said = await model.ainvoke(answer_prompt(task.question, text), max_tokens=_OUTPUT)
        answer = said.text.strip()
        if len(text) < whole:  # where the cut fell in the documents is not told
            return Outcome(answer, kind="generated", route=FULL)
        return Outcome(
            answer,
            kind="generated",
            route=FULL,
            shown=_spans(task.documents),
            looks=(looked(FULL, "nothing was trimmed", task.documents, ()),),
        )


def _spans(documents: Sequence[Document]) -> tuple[Span, ...]:
    pieces = [located(document, place).metadata for place, document in enumerate(documents)]
    return tuple(Span(piece["source"], piece["start"], piece["end"]) for piece in pieces)
