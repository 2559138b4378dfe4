"""Choosing a route for a question: what the planner is told, in an assistant and before there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoestring.agents import Meter, Planner, Standing, Task
from shoestring.agents.bands import share_left
from shoestring.budget import Budget, Ledger
from shoestring.graphs.metering import meter_of
from shoestring.graphs.strategies import (
    BudgetedThought,
    ChainOfDraft,
    ChainOfThought,
    Direct,
    Quote,
    Reading,
    Research,
    SelfConsistency,
)
from shoestring.graphs.strategies.knobs import route_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from langchain_core.documents import Document
    from langchain_core.language_models import BaseChatModel

    from shoestring.agents import Choice, Forecast, Route, Session
    from shoestring.models import Price
    from shoestring.tools import Outline


@dataclass(frozen=True, slots=True)
class Plan:
    """What the planner would do with a question, before anything is spent on it.

    Args:
        task: The question and what is known about it.
        forecasts: Name → forecast, of each route on offer.
        choice: The route it would take first, and why not the others.
    """

    task: Task
    forecasts: Mapping[str, Forecast]
    choice: Choice


LONG = 8_000
"""Tokens of a document from which it is read by its outline: ten times what chain of thought reads."""


def standard_planner(outline: Outline | None = None) -> Planner:
    """Return the planner of an assistant that is given none.

    Where there is an outline, and a document of it is `LONG`, reading is among its routes.
    """
    routes: tuple[Route, ...] = (Quote(), Direct(), ChainOfThought())
    if outline is not None and any(node.tokens >= LONG for node in outline.documents()):
        routes = (*routes, Reading())
    return Planner(routes)


def planner_of(names: Sequence[str]) -> Planner:
    """Return a planner that chooses among the routes of these names, each on its default knobs.

    Args:
        names: Names, with other knobs if any follow, as in "direct context=1024"; see `route_of`.

    Raises:
        ValueError: If a name is no route's, stands twice, or there is none; or a knob is none.

    >>> [route.name for route in planner_of(["chain_of_draft words=3", "quote"]).routes]
    ['chain_of_draft', 'quote']
    """
    routes: tuple[Route, ...] = (
        Quote(),
        Direct(),
        ChainOfDraft(),
        BudgetedThought(),
        SelfConsistency(),
        ChainOfThought(),
        Reading(),
        Research(),
    )
    return Planner([route_of(name, routes) for name in names])


def preview(
    question: str,
    model: BaseChatModel | None,
    documents: Sequence[Document],
    *,
    budget: Budget,
    outline: Outline | None = None,
    planner: Planner | None = None,
    price: Price | None = None,
) -> Plan:
    """Choose a route as an assistant would, and spend nothing.

    Args:
        question: What is asked.
        model: The chat model, which is not called; None leaves the routes without one.
        documents: What was retrieved, with `score` in its metadata.
        budget: Caps of the question.
        outline: As for `build_assistant`.
        planner: As for `build_assistant`.
        price: As for `build_assistant`.

    Raises:
        TypeError: If the model is guarded already.
        UnknownPrice: If dollars are capped and the model's price is not known.
    """
    planner = planner or standard_planner(outline)
    meter = None if model is None else meter_of(model, price, budget)
    task = Task(question, scores_of(documents))
    standing = standing_of(Ledger(budget), meter, task, pays=False)
    forecasts = planner.forecasts(task, meter)
    return Plan(task, forecasts, planner.policy.choose(forecasts, standing))


def standing_of(
    ledger: Ledger,
    meter: Meter | None,
    task: Task,
    tried: Collection[str] = (),
    session: Session | None = None,
    *,
    pays: bool = True,
) -> Standing:
    """Return what the planner is told about a question's ledger, its task and its session.

    Where it `pays`, the policy may spend on its choice.
    """
    price = meter.token_price if meter is not None else 0
    return Standing(
        affordable=ledger.affordable(token_price=price),
        finishing=ledger.at(purpose="answer").affordable(token_price=price),
        tried=tried,
        share=share_left(ledger),
        task=task,
        session=session,
        ledger=ledger if pays else None,
        token_price=price,
    )


def need_of(question: str, planner: Planner, meter: Meter | None) -> int:
    """Return what a question is forecast to cost, in tokens: the mean of the routes that cost any."""
    likely = [f.likely.tokens for f in planner.forecasts(Task(question), meter).values()]
    paid = [tokens for tokens in likely if tokens]
    return sum(paid) // len(paid) if paid else 0


def scores_of(documents: Sequence[Document]) -> tuple[float, ...]:
    """Return the scores a retriever gave; documents without one count for nothing."""
    found = (document.metadata.get("score") for document in documents)
    return tuple(float(score) for score in found if isinstance(score, int | float))
