"""Where should `quote` abstain? Excerpts that hold an answer against excerpts that do not.

Every case is asked twice: over all its passages, and over those without evidence. A threshold on the chance of
the best excerpt (`Trimmed.score`) is good if it lets the excerpts through that hold a right answer and stops the
others: Youden's J = (share of the first let through) - (share of the second let through). Chosen on every
second case, confirmed on the rest.

    python benchmarks/quote_threshold.py SUITE_DIR [SET ...]
"""

import sys
from pathlib import Path

from langchain_core.documents import Document

from shoestring.evals import choose, read_cases
from shoestring.evals.scores import plain
from shoestring.graphs.quoting import render_excerpts
from shoestring.graphs.strategies.quote import Quote
from shoestring.tools import trim

SETS = ("nq20", "hotpotqa", "covidqa", "bioasq", "leval_sciqa")
CASES = 80
THRESHOLDS = (0.08, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.25, 0.3)

Found = list[tuple[float, bool]]


def outcomes(folder: Path) -> tuple[Found, Found]:
    """Return (chance, whether the excerpts hold an answer), of the two halves of the cases."""
    halves: tuple[Found, Found] = ([], [])
    chosen = choose([case for case in read_cases(folder) if case.answers], CASES)
    for number, case in enumerate(chosen):
        for passages in (case.passages, [p for p in case.passages if not p.gold]):
            documents = [
                Document(p.text, metadata={"source": p.id, "title": p.title}) for p in passages
            ]
            if not documents:
                continue
            kept = trim(documents, case.asked, Quote().context, render=render_excerpts)
            right = any(plain(answer) in plain(kept.text) for answer in case.answers)
            halves[number % 2].append((kept.score, right))
    return halves


def show(name: str, found: Found) -> None:
    """Print a line: J at each threshold."""
    right = [chance for chance, good in found if good]
    wrong = [chance for chance, good in found if not good]
    figures = [
        sum(chance >= t for chance in right) / max(1, len(right))
        - sum(chance >= t for chance in wrong) / max(1, len(wrong))
        for t in THRESHOLDS
    ]
    cells = "  ".join(f"{figure:+.2f}" for figure in figures)
    print(f"{name:<14} {len(right):>4} right {len(wrong):>4} wrong   {cells}", flush=True)


def main() -> None:
    """Measure the sets named on the command line, or the default ones."""
    if len(sys.argv) < 2:
        print(__doc__)
        return
    suite, sets = Path(sys.argv[1]), sys.argv[2:] or SETS
    print(f"{'J at threshold':<38} " + "  ".join(f"{t:5.2f}" for t in THRESHOLDS))
    halves: tuple[Found, Found] = ([], [])
    for name in sets:
        found = outcomes(suite / name)
        halves[0].extend(found[0])
        halves[1].extend(found[1])
        show(name, [*found[0], *found[1]])
    show("first half", halves[0])
    show("second half", halves[1])


if __name__ == "__main__":
    main()
