"""Targets of ours: the assistant, and the whole context as the baseline it has to beat."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shoestring.agents import Planner
from shoestring.evals.looks import looked, looks_of
from shoestring.evals.outcome import Outcome, Span
from shoestring.evals.running.grid import NO_CAP
from shoestring.graphs import build_assistant, planner_of, standard_planner
from shoestring.graphs.prompts import answer_prompt, render_sources
from shoestring.graphs.state import Answer
from shoestring.graphs.strategies.knobs import route_of
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

_OUTPUT = 96  # tokens of an answer over the whole context: as many as `Direct` gives


class Assistant:
    """Our assistant over a case's passages, with the routes that stand.

    Args:
        model: Any chat model; None for verbatim quotes alone.
        routes: What it may choose among, and be asked for; None to choose among those of
            `build_assistant`, and be asked for any that `planner_of` knows.
        name: What reports call it.

    The route a task asks for is the only one the planner has: a name, with other knobs if any follow, as
    in "direct context=1024". `FULL` is the whole context in one prompt, without trimming.
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
        self._routes = routes

    def planner(self, route: str) -> Planner | None:
        """Return the planner of runs that ask for a route; None for those that ask for `FULL`.

        Raises:
            ValueError: If there is no such route, or it has no such knobs.
        """
        if route == FULL:
            return None
        try:
            if self._routes is None:
                return planner_of([route]) if route else standard_planner()
            return Planner((route_of(route, self._routes),) if route else self._routes)
        except ValueError as error:
            raise ValueError(f"{error}; or {FULL!r}") from None

    async def run(self, task: Task) -> object:
        """Answer one task."""
        planner = self.planner(task.route)
        if planner is None:
            return await self._full(task)
        assistant = build_assistant(
            self._seeded(task.seed),
            task.documents,
            budget=task.budget or NO_CAP,
            planner=planner,
        )
        # With what was withheld from the model, and why: the trace keeps it.
        keys = [*Answer.__annotations__, "context", "trims"]
        state: dict[str, Any] = await assistant.ainvoke(
            {"question": task.question}, output_keys=keys
        )
        looks = looks_of(state["trims"])
        return replace(Outcome.of(state), shown=_spans(state["context"]), looks=looks)

    def _seeded(self, seed: int) -> BaseChatModel | None:
        """Return the model, with the task's seed where it takes one and has none of its own."""
        model = self._model
        if model is None or getattr(model, "seed", seed) is not None:
            return model
        return model.model_copy(update={"seed": seed})

    async def _full(self, task: Task) -> Outcome:
        asked = self._seeded(task.seed)
        if asked is None:
            raise ValueError(f"route {FULL!r} needs a model")
        text = render_sources(task.documents)
        whole = len(text)
        window = (asked.profile or {}).get("max_input_tokens")
        if window is not None:
            count = message_counter(asked)
            room = window - _OUTPUT

            def fits(end: int) -> bool:
                return count(answer_prompt(task.question, text[:end])) <= room

            if not fits(len(text)):
                text = text[: longest_prefix(len(text), 8 * room, fits)]
        model = task.guard(asked)
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
