"""How a model finds its way through outlines: how often a look picks parts, and how often reading goes on without.

    python benchmarks/navigating.py                        # 12 questions on the language reference of Python
    python benchmarks/navigating.py SUITE_DIR --sets leval_sciqa --limit 10
    python benchmarks/navigating.py --model openai:gpt-4o-mini

Each question is asked of an assistant whose only route is `reading`, with 3,000 tokens. A look "picked" where its
reply names parts that it was shown, "saw enough" where the model says so, and "fell back" otherwise: then the part
is read by the question's words. What stands beside it: the tokens spent, and how the questions ended.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics
from statistics import fmean

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel

from shoestring.budget import Budget
from shoestring.evals.cases import choose, read_cases
from shoestring.evals.documents import documents_of
from shoestring.evals.reading import as_documents
from shoestring.graphs import build_assistant, planner_of
from shoestring.graphs.reading import FELL_BACK
from shoestring.models import load_model
from shoestring.tools import Outline

TOKENS = 3_000
LONG_TOPICS = {"formatstrings", "objects", "specialnames", "types"}  # that repeat the others
REFERENCE = Document(
    "\n\n".join(f"# {name}\n\n{text}" for name, text in topics.items() if name not in LONG_TOPICS),
    metadata={"source": "reference.md"},
)
QUESTIONS = (
    "When is __getattr__ called?",
    "What does the assert statement do?",
    "How are comparisons chained?",
    "What does break do in a loop?",
    "How is a context manager entered?",
    "What does the del statement remove?",
    "How are exceptions raised again?",
    "What is a dictionary display?",
    "When is the else clause of a while loop run?",
    "What does nonlocal declare?",
    "How does pdb step into a function?",
    "What is the truth value of an empty sequence?",
)


def main() -> None:
    """Ask, and count what became of each look."""
    parser = argparse.ArgumentParser(description="How a model navigates outlines.")
    parser.add_argument("suite", nargs="?", type=Path, help="folder with sets of cases")
    parser.add_argument("--sets", default="leval_sciqa,cuad_contracts", help="names of sets")
    parser.add_argument("--limit", type=int, default=10, help="cases a set")
    parser.add_argument("--model", default="local", help="as for shoestring ask")
    given = parser.parse_args()
    model = load_model(given.model)
    if given.suite is None:
        outline = Outline.build([REFERENCE])
        report("reference", model, ((outline, question) for question in QUESTIONS))
        return
    for name in given.sets.split(","):
        report(name, model, cases(given.suite / name, given.limit))


def cases(folder: Path, limit: int) -> Iterator[tuple[Outline, str]]:
    """Give the outline of each case with its question."""
    for case in choose(read_cases(folder), limit):
        parts, _ = as_documents(documents_of(case))
        yield Outline.build(parts), case.asked


def report(name: str, model: BaseChatModel, asked: Iterator[tuple[Outline, str]]) -> None:
    """Ask all questions, and print the shares."""
    looks, whys, kinds = Counter[str](), Counter[str](), Counter[str]()
    spent: list[int] = []
    for outline, question in asked:
        assistant = build_assistant(
            model,
            [Document(question)],  # nothing is retrieved: the outline alone is read
            budget=Budget(tokens=TOKENS),
            outline=outline,
            planner=planner_of(["reading"]),
        )
        result = assistant.invoke({"question": question})
        kinds[result["kind"]] += 1
        spent.append(sum(line["spent"]["tokens"] for line in result["receipt"]))
        for line in result["receipt"]:
            if line["what"] != "choose":
                continue
            fell, _, why = line["detail"].partition(": ")
            looks["fell back" if fell == FELL_BACK else fell.split(" of ")[0]] += 1
            whys[why] += fell == FELL_BACK
    total = sum(looks.values())
    print(f"{name}: {len(spent)} questions, {total} looks, {fmean(spent):,.0f} tokens a question")
    print(f"  fell back {looks['fell back'] / max(1, total):.0%}; looks: {dict(looks)}")
    print(f"  whys: {dict(+whys)}; outcomes: {dict(kinds)}", flush=True)


if __name__ == "__main__":
    main()
