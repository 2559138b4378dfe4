"""`shoestring ask`: a question, files to answer from, a budget; an answer with its receipt."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console

from shoestring.cli.choosing import (
    WORTH,
    ForecastsFile,
    LearnedFile,
    RouteNames,
    RuleName,
    WorthFigure,
    choosing_of,
)
from shoestring.cli.corpus import Corpus, open_corpus
from shoestring.cli.errors import BadInput
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
    route: RouteNames = None,
    policy: RuleName = "affordable",
    worth: WorthFigure = WORTH,
    learned: LearnedFile = None,
    forecasts: ForecastsFile = None,
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
    choosing = choosing_of(route, policy, worth, learned, forecasts, model=model)
    chat = model_of(model)
    has_model = chat is not None
    with open_corpus(paths, index, model=has_model, outlined=choosing.outlined) as corpus:
        planner = choosing.planner(corpus.outline)
        answer, ledger = _answer(asked, chat, corpus, budget, planner)
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
    corpus: Corpus,
    budget: Budget,
    planner: Planner,
) -> tuple[Answer, Ledger]:
    from shoestring.budget import MemoryStore
    from shoestring.graphs import build_assistant
    from shoestring.graphs.state import Answer
    from shoestring.tools import IndexRetriever

    ledgers = MemoryStore()
    assistant = build_assistant(
        model,
        IndexRetriever(index=corpus.index),
        budget=budget,
        outline=corpus.outline,
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
