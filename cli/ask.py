"""`shoestring ask`: a question, files to answer from, a budget; an answer with its receipt."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console

from shoestring.cli.errors import BadInput
from shoestring.cli.library import Library, open_library
from shoestring.cli.page import check
from shoestring.cli.progress import waiting
from shoestring.cli.render import show_answer
from shoestring.cli.text import write

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from shoestring.agents import Planner
    from shoestring.budget import Budget, Ledger
    from shoestring.graphs import Answer

DEFAULT_TOKENS = 6_000
"""The cap where none is given: enough for each route once, on the default knobs."""


def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What you want to know.")],
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Files and folders to answer from.")
    ],
    *,
    tokens: Annotated[
        int | None,
        typer.Option(
            help="Cap on tokens, in and out.", show_default=f"{DEFAULT_TOKENS} if nothing is capped"
        ),
    ] = None,
    usd: Annotated[str | None, typer.Option(help="Cap on dollars, such as 0.002.")] = None,
    calls: Annotated[int | None, typer.Option(help="Cap on model calls.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Cap on seconds of work.")] = None,
    model: Annotated[
        str, typer.Option(help="quote (no model), local, local:FILE.gguf, or PROVIDER:NAME.")
    ] = "local",
    route: Annotated[
        list[str] | None,
        typer.Option(
            help="A route to choose among; may be given several times.",
            show_default="quote, direct, chain_of_thought; reading, of long documents",
        ),
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option(help="Folder of the index.", show_default="one a set of paths, in the cache"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Also write what was read and spent to this page.")
    ] = None,
) -> None:
    """Answer QUESTION from the files at PATH, within a budget that cannot be passed."""
    asked = question_of(question)
    budget = budget_of(tokens, usd, calls, seconds)
    check(html)
    planner = _planner(route or [], model)
    chat = model_of(model)
    with open_library(paths, index, model=chat is not None, outlined=_outlined(planner)) as library:
        answer, ledger = _answer(asked, chat, library, budget, planner)
    if html is not None:
        from shoestring.evals.report import answer_page
        from shoestring.evals.report.page import save

        save(html, answer_page(answer, ledger))
    if as_json:
        write(json.dumps(as_object(answer, ledger), ensure_ascii=False))
    else:
        show_answer(Console(), answer, ledger)


def question_of(typed: str) -> str:
    """Return the question as text.

    Raises:
        BadInput: If it is empty.
    """
    if not typed.strip():
        raise BadInput("the question is empty: ask something")
    # Bytes of the command line that are no UTF-8 come as lone surrogates, which no model takes.
    return typed.encode(errors="replace").decode()


def budget_of(
    tokens: int | None, usd: str | None, calls: int | None, seconds: float | None
) -> Budget:
    """Return the budget of the options; where none is given, a cap on tokens."""
    from shoestring.budget import Budget

    if all(cap is None for cap in (tokens, usd, calls, seconds)):
        tokens = DEFAULT_TOKENS
    return Budget(tokens=tokens, usd=usd, calls=calls, seconds=seconds)


def _planner(names: list[str], model: str) -> Planner | None:
    """Return the planner of `--route`; None where it is not given."""
    if not names:
        return None
    from shoestring.graphs import planner_of

    try:
        planner = planner_of(names)
    except ValueError as error:
        raise BadInput(f"--route: {error}") from None
    if model == "quote" and all(one.needs_model for one in planner.routes):
        raise BadInput(f"--route {names[0]} needs a model: give --model, or --route quote")
    return planner


def _outlined(planner: Planner | None) -> bool:
    """Whether a route was asked for that reads by an outline."""
    from shoestring.graphs import Reading, Research

    return planner is not None and any(
        isinstance(route, Reading | Research) for route in planner.routes
    )


def model_of(spec: str) -> BaseChatModel | None:
    """Load the model of an option; None for quotes, which need none."""
    if spec == "quote":
        return None
    from shoestring.models import load_model

    with waiting(f"Loading the model {spec}"):
        return load_model(spec)


def _answer(
    question: str,
    model: BaseChatModel | None,
    library: Library,
    budget: Budget,
    planner: Planner | None,
) -> tuple[Answer, Ledger]:
    from shoestring.budget import MemoryStore
    from shoestring.graphs import build_assistant
    from shoestring.graphs.state import Answer
    from shoestring.tools import IndexRetriever

    ledgers = MemoryStore()
    assistant = build_assistant(
        model,
        IndexRetriever(index=library.index),
        budget=budget,
        outline=library.outline,
        planner=planner,
        ledgers=ledgers,
    )
    with waiting("Thinking"):
        # With what it read: the page of `--html` shows it.
        keys = [*Answer.__annotations__, "documents", "trims"]
        answer = cast("Answer", assistant.invoke({"question": question}, output_keys=keys))
    return answer, ledgers.ledger(answer["ledger_id"])


def as_object(answer: Answer, ledger: Ledger) -> dict[str, Any]:
    """Return the object that `--json` prints."""
    spent = ledger.spent
    return {
        "answer": answer["answer"],
        "kind": answer["kind"],
        "route": answer["route"],
        "sources": answer["sources"],
        "limit": ledger.limit.as_dict(),
        "spent": {
            "tokens": spent.tokens,
            "usd": float(spent.usd),
            "calls": spent.calls,
            "seconds": round(ledger.elapsed, 3),
        },
        "remaining": ledger.remaining.as_dict(),
        "stopped_by": answer["stopped_by"],
        "receipt": answer["receipt"],
        "dropped": answer["dropped"],
    }
