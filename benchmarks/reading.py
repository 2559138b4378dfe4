"""Reading measured: speed, memory, and what is found beside a flat trim and passages by BM25.

    python benchmarks/reading.py                    # speed
    python benchmarks/reading.py --memory 200       # peak memory for a text of 200 MB
    python benchmarks/reading.py --workers 2 --copies 100  # wall clock with processes of its own
    python benchmarks/reading.py SUITE_DIR          # what is found, on cases (see docs/evals.md)

Speed is that of one process, by its CPU seconds: what else runs on the machine does not show in
them. Texts are the language reference that every Python ships, its words for things renamed in each
copy. With `--workers` building is timed by the clock instead, so nothing else should run.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics
from statistics import median

from langchain_core.documents import Document

from shoestring.evals.cases import choose, read_cases
from shoestring.evals.trimming import Room, measure, methods
from shoestring.tools import Outline, read

REFERENCE = "\n\n".join(topics.values())
COPIES = 10  # of the reference: 1,070,800 tokens
ROUNDS = 5
QUESTIONS = (
    "How is a coroutine method of object3 awaited?",
    "What is the precedence of the not operator?",
    "When is __getattr__ called on sequence7?",
)
# The sets and rooms that reading is meant for.
SETS = {
    "financebench_full": "2048,4096",
    "financebench_window": "1024",
    "cuad_contracts": "512,1024",
    "locomo": "512,1024",
    "leval_sciqa": "512",
    "musique": "512",
}
MEGABYTE = 10**6


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description="Reading measured.")
    parser.add_argument("suite", nargs="?", type=Path, help="folder with sets of cases")
    parser.add_argument("--limit", type=int, help="cases a set, chosen by the hash of their ids")
    parser.add_argument("--memory", type=int, metavar="MB", help="size of a text to outline")
    parser.add_argument("--workers", type=int, help="processes that read documents")
    parser.add_argument("--copies", type=int, default=COPIES, help="of the text they read")
    given = parser.parse_args()
    if given.suite:
        found(given.suite, given.limit)
    elif given.memory:
        memory(given.memory)
    elif given.workers:
        helped(given.workers, given.copies)
    else:
        speed()


def copy(number: int) -> str:
    """Give the reference with other words for its things."""
    return REFERENCE.replace("object", f"object{number}").replace("sequence", f"sequence{number}")


def seconds(work: Callable[[], object]) -> float:
    """Time one piece of work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def speed() -> None:
    """Build an outline of a million tokens, and read in it."""
    documents = [
        Document(copy(number), metadata={"source": f"{number}.txt"}) for number in range(COPIES)
    ]
    size = sum(len(document.page_content) for document in documents) / MEGABYTE
    Outline.build(documents[:1])  # vocabularies are loaded
    with tempfile.TemporaryDirectory() as folder:
        paths = iter(range(ROUNDS))
        memory_rates = [size / seconds(lambda: Outline.build(documents)) for _ in range(3)]
        file_rates = [
            size / seconds(lambda: Outline.build(documents, Path(folder) / f"{next(paths)}"))
            for _ in range(3)
        ]
        outline = Outline.load(Path(folder) / "0")
        tokens = sum(node.tokens for node in outline.documents())
        print(f"{size:.2f} MB, {tokens:,} tokens, {len(outline):,} nodes")
        print(f"build in memory  {median(memory_rates):.2f} MB/s")
        print(f"build in a file  {median(file_rates):.2f} MB/s")
        print(f"contents, 400    {1000 * rounds(lambda: outline.contents(400)):.0f} ms")
        for question in QUESTIONS:
            ms = 1000 * rounds(lambda: outline.read(question, 1_000, fill="budget"))  # noqa: B023 - run at once
            print(f"read, 1,000      {ms:.0f} ms  {question}")


def helped(workers: int, copies: int) -> None:
    """Build an outline by one process and by several, by the clock."""
    documents = [
        Document(copy(number), metadata={"source": f"{number}.txt"}) for number in range(copies)
    ]
    size = sum(len(document.page_content) for document in documents) / MEGABYTE
    Outline.build(documents[:1])
    with tempfile.TemporaryDirectory() as folder:
        for number in (1, workers):
            began, worked = time.perf_counter(), processor()
            Outline.build(documents, Path(folder) / f"{number}", workers=number).close()
            took, worked = time.perf_counter() - began, processor() - worked
            print(
                f"{size:.0f} MB, workers={number}: {took:.1f} s by the clock, {size / took:.2f} MB/s;"
                f" {worked:.1f} CPU seconds of all processes"
            )


def processor() -> float:
    """Give the CPU seconds that this process and those it has waited for took."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def rounds(work: Callable[[], object]) -> float:
    """Give the median of some rounds, after one that warms up."""
    work()
    return median(seconds(work) for _ in range(ROUNDS))


def memory(megabytes: int) -> None:
    """Outline a large file, and say how much memory this process took at most."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "large.txt"
        with text.open("w", encoding="utf-8") as file:
            size = number = 0
            while size < megabytes * MEGABYTE:
                size += file.write(copy(number))
                number += 1
        before = peak()
        began = time.perf_counter()
        outline = Outline.build(
            read(text, max_bytes=2 * size + MEGABYTE), Path(folder) / "outline.sqlite3"
        )
        took = time.perf_counter() - began
        stored = (Path(folder) / "outline.sqlite3").stat().st_size / MEGABYTE
        print(f"{size / MEGABYTE:.0f} MB, {len(outline):,} nodes, {took:.0f} s")
        print(f"peak memory {peak():.0f} MB (before: {before:.0f} MB), file {stored:.0f} MB")


def peak() -> float:
    """Give the most memory that this process has held, in megabytes."""
    unit = 1 if sys.platform == "darwin" else 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEGABYTE


def found(suite: Path, limit: int | None) -> None:
    """Show what each method finds, and the tokens it spends."""
    print(
        f"{'set':<21}{'room':>6}  {'method':<6}{'answers':>8}{'gold':>7}{'tokens':>8}{'ms':>7}  n"
    )
    for name, rooms in SETS.items():
        if not (suite / name).is_dir():
            continue
        cases = choose(read_cases(suite / name), limit)
        budgets = [Room.parse(room) for room in rooms.split(",")]
        for row in measure(name, cases, budgets, methods("budget")):
            answers = "" if row.answer_recall is None else f"{100 * row.answer_recall:.1f}"
            gold = "" if row.gold_recall is None else f"{100 * row.gold_recall:.1f}"
            print(
                f"{row.set:<21}{row.budget:>6}  {row.method:<6}{answers:>8}{gold:>7}"
                f"{row.tokens_used:>8.0f}{row.ms_per_query:>7.0f}  {row.items}",
                flush=True,
            )


if __name__ == "__main__":
    main()
