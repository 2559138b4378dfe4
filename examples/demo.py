"""The main job on real input: the same questions under three shrinking budgets.

The corpus is the language reference that ships with every CPython, the model is SmolLM2-135M-Instruct on
llama.cpp, the embedder is MiniLM; all run on this machine, offline. Run it with `make demo`.
"""

from pathlib import Path
from pydoc_data.topics import topics
from typing import TYPE_CHECKING, cast

from rich.console import Console
from rich.table import Table

from shoestring import (
    Budget,
    Index,
    IndexRetriever,
    LocalChatModel,
    MemoryStore,
    build_assistant,
    local_embeddings,
    read,
)
from shoestring.cli.progress import counting, waiting
from shoestring.cli.render import show_answer

if TYPE_CHECKING:
    from shoestring.graphs import Answer

HOME = Path(".demo")
BUDGETS = (6_000, 1_500, 300)
QUESTIONS = (
    "Which statement terminates the nearest enclosing loop?",
    "Which operators test for object identity?",
    "What is the largest planet of the solar system?",  # the language reference does not say
)


def write_corpus(folder: Path) -> Path:
    """Write the language reference out, one file a topic; files that are right already stay as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in topics.items():
        file = folder / f"{name}.rst"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
    return folder


def main() -> None:
    """Answer every question under every budget, and show what each cost."""
    console = Console()
    corpus = write_corpus(HOME / "corpus")
    with waiting("Loading the embedder and the model"):
        embeddings, model = local_embeddings(), LocalChatModel()
    with Index.open(HOME / "index", embeddings) as index:
        with counting("Indexing the language reference", "passages") as advance:
            index.update(read([corpus]), progress=advance)
        console.print(
            f"[bold]{len(index):,}[/] passages of the Python language reference are indexed."
        )
        summary = Table(title="The same questions, three budgets", title_justify="left")
        summary.add_column("question", ratio=1)
        for tokens in BUDGETS:
            summary.add_column(f"{tokens:,} tokens")
        for question in QUESTIONS:
            cells = []
            for tokens in BUDGETS:
                ledgers = MemoryStore()
                assistant = build_assistant(
                    model,
                    IndexRetriever(index=index),
                    budget=Budget(tokens=tokens),
                    ledgers=ledgers,
                )
                console.print()
                console.rule(f"[bold]{question}[/]  [dim]at most {tokens:,} tokens")
                with waiting("Thinking"):
                    answer = cast("Answer", assistant.invoke({"question": question}))
                ledger = ledgers.ledger(answer["ledger_id"])
                show_answer(console, answer, ledger)
                route = answer["route"] if answer["kind"] != "abstained" else "–"
                cells.append(f"{answer['kind']}\n[dim]{route}, {ledger.spent.tokens:,} spent[/]")
            summary.add_row(question, *cells)
        console.rule()
        console.print(summary)


if __name__ == "__main__":
    main()
