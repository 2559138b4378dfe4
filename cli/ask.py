"""`shoestring ask`: a question, files to answer from, a budget; an answer with its receipt."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console

from shoestring.cli.errors import fail, one_line_errors
from shoestring.cli.progress import counting, waiting
from shoestring.cli.render import show_answer

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel

    from shoestring.budget import Budget, Ledger
    from shoestring.graphs import Answer
    from shoestring.tools import Index

DEFAULT_TOKENS = 6_000
"""The cap where none is given: enough for each route once, on the default knobs."""


def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    paths: Annotated[list[Path], typer.Argument(help="Files and folders to answer from.")],
    tokens: Annotated[
        int | None, typer.Option(help=f"Cap on tokens, in and out. [default: {DEFAULT_TOKENS}]")
    ] = None,
    usd: Annotated[str | None, typer.Option(help="Cap on dollars, such as 0.002.")] = None,
    calls: Annotated[int | None, typer.Option(help="Cap on model calls.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Cap on seconds of work.")] = None,
    model: Annotated[
        str, typer.Option(help="quote (no model), local, local:FILE.gguf, or PROVIDER:NAME.")
    ] = "local",
    index: Annotated[
        Path | None,
        typer.Option(
            help="Where the index is kept. [default: the user's cache, one a set of paths]"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Answer QUESTION from the files at PATHS, within a budget that cannot be passed."""
    with one_line_errors():
        if not question.strip():
            fail("the question is empty: ask something")
        budget = _budget(tokens, usd, calls, seconds)
        chat = _model(model)
        with _index(paths, index) as searchable:
            answer, ledger = _answer(question, chat, searchable, budget)
        if as_json:
            typer.echo(json.dumps(as_object(answer, ledger), ensure_ascii=False))
        else:
            show_answer(Console(), answer, ledger)


def _budget(
    tokens: int | None, usd: str | None, calls: int | None, seconds: float | None
) -> Budget:
    from shoestring.budget import Budget

    if all(cap is None for cap in (tokens, usd, calls, seconds)):
        tokens = DEFAULT_TOKENS
    return Budget(tokens=tokens, usd=usd, calls=calls, seconds=seconds)


def _model(spec: str) -> BaseChatModel | None:
    if spec == "quote":
        return None
    from shoestring.models import load_model

    with waiting(f"Loading the model {spec}"):
        return load_model(spec)


def _embeddings() -> Embeddings | None:
    """Return the packaged embedder, or None: without it the index is lexical."""
    from shoestring.models import MissingExtra, local_embeddings

    try:
        with waiting("Loading the embedder"):
            return local_embeddings()
    except MissingExtra:
        return None


def _index(paths: list[Path], where: Path | None) -> Index:
    from shoestring.tools import Index, read

    embeddings = _embeddings()
    index = Index.open(where or _home(paths, embeddings), embeddings)
    stderr = Console(stderr=True)
    try:
        with counting("Indexing") as advance:
            documents = read(paths, on_skip=lambda s: stderr.print(f"[dim]skipped {s}[/]"))
            index.update(documents, progress=advance)
    except BaseException:
        index.close()
        raise
    return index


def _home(paths: list[Path], embeddings: Embeddings | None) -> Path:
    """Return the folder of the index of these paths in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    named = "\0".join([*sorted(str(path.resolve()) for path in paths), repr(embeddings is None)])
    return cache / "shoestring" / "index" / hashlib.sha256(named.encode()).hexdigest()[:16]


def _answer(
    question: str, model: BaseChatModel | None, index: Index, budget: Budget
) -> tuple[Answer, Ledger]:
    from shoestring.budget import MemoryStore
    from shoestring.graphs import build_assistant
    from shoestring.tools import IndexRetriever

    ledgers = MemoryStore()
    assistant = build_assistant(model, IndexRetriever(index=index), budget=budget, ledgers=ledgers)
    with waiting("Thinking"):
        answer = cast("Answer", assistant.invoke({"question": question}))
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
