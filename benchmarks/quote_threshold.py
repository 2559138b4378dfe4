"""Where should `quote` abstain? Excerpts that hold an answer against excerpts that do not.

Every case is asked twice: over all its passages, and over those without evidence. A threshold on the
coverage of the question is good if it lets the excerpts through that hold a right answer and stops the
others: Youden's J = (share of the first let through) - (share of the second let through).

    python benchmarks/quote_threshold.py SUITE_DIR [SET ...]
"""

import sys
from pathlib import Path

from langchain_core.documents import Document

from shoestring.evals import choose, read_cases
from shoestring.evals.scores import plain
from shoestring.graphs.strategies.quote import Quote, coverage, render_excerpts
from shoestring.tools import trim

SETS = ("nq20", "hotpotqa", "covidqa", "bioasq", "leval_sciqa")
CASES = 80
THRESHOLDS = (0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)


def outcomes(folder: Path) -> list[tuple[float, bool]]:
    """Return (coverage, whether the excerpts hold an answer) of each case, with and without evidence."""
    found: list[tuple[float, bool]] = []
    for case in choose([case for case in read_cases(folder) if case.answers], CASES):
        for passages in (case.passages, [p for p in case.passages if not p.gold]):
            documents = [
                Document(p.text, metadata={"source": p.id, "title": p.title}) for p in passages
            ]
            if not documents:
                continue
            kept = trim(documents, case.asked, Quote().context, render=render_excerpts)
            right = any(plain(answer) in plain(kept.text) for answer in case.answers)
            found.append((coverage(case.asked, kept.documents, documents), right))
    return found


def show(name: str, found: list[tuple[float, bool]]) -> None:
    """Print a line for each set: J at each threshold."""
    right = [share for share, good in found if good]
    wrong = [share for share, good in found if not good]
    figures = [
        sum(share >= t for share in right) / max(1, len(right))
        - sum(share >= t for share in wrong) / max(1, len(wrong))
        for t in THRESHOLDS
    ]
    cells = "  ".join(f"{figure:+.2f}" for figure in figures)
    print(f"{name:<14} {len(right):>4} right {len(wrong):>4} wrong   {cells}")


def main() -> None:
    """Measure the sets named on the command line, or the default ones."""
    if len(sys.argv) < 2:
        print(__doc__)
        return
    suite, sets = Path(sys.argv[1]), sys.argv[2:] or SETS
    print(f"{'J at threshold':<38} " + "  ".join(f"{t:5.2f}" for t in THRESHOLDS))
    everything: list[tuple[float, bool]] = []
    for name in sets:
        found = outcomes(suite / name)
        everything += found
        show(name, found)
    show("all", everything)


if __name__ == "__main__":
    main()
