"""A small evaluation with all that a report shows: real trims, a real ledger, failures and abstentions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING

from shoestring.budget import Amount
from shoestring.evals import Case, Outcome, Passage, RunFolder, Span, Suite, Task, sweep
from shoestring.evals.looks import looked
from shoestring.evals.scorers import Contains, EvidenceRecall, Scorer
from shoestring.tools import trim

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COLOURS = ("amber", "beige", "coral", "denim", "ebony", "green")


def a_case(number: int, poison: str = "") -> Case:
    """A case whose answer stands in one of its passages."""
    colour = COLOURS[number % len(COLOURS)]
    filler = f"The archive of harbour {number} holds many letters of its old lamp keepers. {poison}"
    gold = f"{filler} The lamp of harbour {number} shines in {colour} light. {filler}"
    return Case(
        id=f"case {number} {poison}",
        question=f"In which light does the lamp of harbour {number} shine? {poison}",
        passages=(
            Passage("a", f"Harbour {number} {poison}", gold, gold=True),
            Passage("b", "Weather", f"It rains a lot. {filler} " * 3),
        ),
        answers=(colour,),
        meta={"language": "en" if number % 3 else "fr", "about": poison},
    )


async def target(task: Task) -> Outcome:
    """Trim to half the budget, spend what that takes, and answer what the context tells."""
    room = task.budget.tokens // 2 if task.budget and task.budget.tokens else 4_000
    kept = trim(task.documents, task.question, room)
    hold = task.ledger.at(node="answer", route="direct").reserve(
        Amount(input_tokens=kept.tokens, output_tokens=20, calls=1, nanodollars=20_000)
    )
    hold.dispatching()
    spent = Amount(input_tokens=kept.tokens, output_tokens=7, calls=1, nanodollars=12_000)
    hold.settle(spent, detail="cached 5")
    task.ledger.at(node="check", route="direct").note("check", "passed", dropped=len(kept.dropped))
    if "harbour 3 " in task.question:
        raise OSError("the line is dead")
    told = next((colour for colour in COLOURS if f"{colour} light" in kept.text), "")
    spans = [(d.metadata["source"], d.metadata["start"], d.metadata["end"]) for d in kept.documents]
    return Outcome(
        f"In {told} light." if told else "",
        kind="generated" if told else "abstained",
        route="direct",
        shown=tuple(Span(*span) for span in spans),
        looks=(looked("direct: trim", "trimmed", kept.documents, map(asdict, kept.dropped)),),
    )


def a_run(
    folder: Path, cases: int = 8, *, poison: Sequence[str] = (), name: str = "lamps", seeds: int = 1
) -> RunFolder:
    """Run it under two budgets."""
    made = tuple(a_case(n, poison[n % len(poison)] if poison else "") for n in range(cases))
    scorers: Sequence[Scorer] = (Contains(), EvidenceRecall())
    suite = Suite(name, made)
    # In a thread: Playwright keeps a loop running in that of the tests.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(
            sweep, target, suite, budgets=[60, 400], scorers=scorers, folder=folder, seeds=seeds
        ).result()


def silent(task: Task) -> str:
    """A target that does not tell what it read."""
    return "amber" if task.documents else "beige"
