"""Does a chance of 0.2 mean two in ten? Fits and checks the chances of `shoestring.tools.relevance.chance`.

    python benchmarks/calibration.py SUITE_DIR [--cases 150] [--svg docs/reliability.svg] [--marks]

Every case of eleven sets is asked over all its passages, and over those without evidence: a chance supposes
that evidence is there in one of two cases. A unit counts as evidence if it holds a required string and stands
in a gold passage. The forty best units of a case are fitted by a logistic curve over three figures: the unit's
share of the best score, how much of the query was found, and the logarithm of the number of units; each set
counts the same. Each set is then judged by what was fitted on the ten others. Logs are left out: their lines
are scored by other signs. `--marks` also measures what `fill="relevant"` keeps at several marks, on the two
halves of the cases.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from shoestring.evals import Case, choose, read_cases
from shoestring.evals.scores import answer_recall, plain
from shoestring.models import counter
from shoestring.tools import trim
from shoestring.tools.relevance import chance
from shoestring.tools.relevance.score import score
from shoestring.tools.trimming.pieces import Pieces
from shoestring.tools.trimming.render import render

SETS = (
    "nq20", "hotpotqa", "musique", "2wikimultihop", "covidqa", "bioasq", "tatqa", "cuad_contracts", "locomo",
    "tau_airline", "leval_sciqa",
)  # fmt: skip
BEST = 40
BINS = (0, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.25, 0.4, 1)
MARKS = (0.005, 0.01, 0.02, 0.03, 0.05)
ROOM = 512
Floats = NDArray[np.float64]


def documents(case: Case) -> list[Document]:
    """Give the passages under neutral names."""
    return [
        Document(p.text, metadata={"source": f"passage {i}", "title": p.title})
        for i, p in enumerate(case.passages)
    ]


def needed(case: Case) -> list[str]:
    """Give the strings that make a unit evidence."""
    strings = case.meta.get("evidence_strings") or (
        case.answers if case.meta.get("extractive") else ()
    )
    return [plain(one) for one in strings if plain(one)]


def rows(case: Case) -> tuple[Floats, Floats] | None:
    """Give the figures of a case's best units, and which of them are evidence."""
    pieces = Pieces(documents(case))
    scores = score(pieces.texts, case.asked, 4.0 * ROOM)
    height = float(scores.values.max(initial=0.0))
    may = [u for u in range(len(pieces)) if pieces.may_stand(u) and not scores.repeats[u]]
    if not may or height <= 0:
        return None
    best = sorted(may, key=lambda unit: -scores.values[unit])[:BEST]
    strings = needed(case)
    marked = any(p.gold for p in case.passages)
    evidence = [
        (case.passages[pieces.owner[u]].gold or not marked)
        and any(one in plain(pieces.content(u)) for one in strings)
        for u in best
    ]
    count = min(chance.MANY, len(pieces))
    figures = [[scores.values[u] / height, height, np.log(count)] for u in best]
    return np.array(figures, np.float64), np.array(evidence, np.float64)


def gather(suite: Path, name: str, cases: int) -> tuple[Floats, Floats]:
    """Give the figures and labels of a set: each case with its evidence and without."""
    figures, labels = [], []
    for case in choose([c for c in read_cases(suite / name) if needed(c)], cases):
        found = rows(case)
        if found is None or not found[1].any():
            continue
        without = replace(case, passages=tuple(p for p in case.passages if not p.gold))
        bare = rows(without) if len(without.passages) < len(case.passages) else None
        for one in (found, bare):
            if one is not None:
                figures.append(one[0])
                labels.append(one[1] if one is found else np.zeros(len(one[0])))
    return np.vstack(figures), np.concatenate(labels)


def fit(data: Sequence[tuple[Floats, Floats]]) -> Floats:
    """Give the constant and the three weights."""
    weights = np.concatenate([np.full(len(y), 1 / len(y)) for _, y in data])
    figures, labels = np.vstack([x for x, _ in data]), np.concatenate([y for _, y in data])
    model = LogisticRegression(C=1e3, max_iter=1_000)
    model.fit(figures, labels, sample_weight=weights * len(labels) / weights.sum())
    return np.array([*model.intercept_, *model.coef_[0]])


def said(weights: Floats, figures: Floats) -> Floats:
    """Give the chances that fitted weights say."""
    odds: Floats = weights[0] + figures @ weights[1:]
    return 1 / (1 + np.exp(-odds))


def reliability(
    chances: Floats, labels: Floats, weights: Floats
) -> Iterator[tuple[int, float, float, float]]:
    """Yield units, mean chance, share of evidence and weight of each bin."""
    for low, high in pairwise(BINS):
        held = (chances >= low) & (chances < high)
        if held.any():
            w = weights[held]
            yield (
                int(held.sum()), float(np.average(chances[held], weights=w)),
                float(np.average(labels[held], weights=w)), float(w.sum() / weights.sum()),
            )  # fmt: skip


def picture(points: Sequence[tuple[int, float, float, float]]) -> str:
    """Draw said against true, both logarithmic from 0.001 to 1, as SVG."""

    def place(value: float) -> float:
        return 40 + 240 * (np.log10(max(value, 1e-3)) + 3) / 3

    ticks = "".join(
        f'<text x="{place(v):.0f}" y="296" text-anchor="middle">{v:g}</text>'
        f'<text x="34" y="{324 - place(v):.0f}" text-anchor="end">{v:g}</text>'
        for v in (0.001, 0.01, 0.1, 1)
    )
    line = " ".join(f"{place(a):.1f},{320 - place(b):.1f}" for _, a, b, _ in points)
    dots = "".join(
        f'<circle cx="{place(a):.1f}" cy="{320 - place(b):.1f}" r="3"/>' for _, a, b, _ in points
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 330" '
        'font-family="sans-serif" font-size="11">'
        '<path d="M40 40V280H280" fill="none" stroke="#888"/>'
        '<path d="M40 280L280 40" stroke="#bbb" stroke-dasharray="4"/>'
        f'<polyline points="{line}" fill="none" stroke="#06c"/><g fill="#06c">{dots}</g>{ticks}'
        '<text x="160" y="318" text-anchor="middle">chance said, by the other sets</text>'
        '<text x="14" y="160" text-anchor="middle" transform="rotate(-90 14 160)">'
        "share that held evidence</text></svg>\n"
    )


def marks(suite: Path, cases: int) -> None:
    """Print what `fill="relevant"` keeps in 512 tokens at each mark, by halves of the cases."""
    count = counter("cl100k_base").count
    before = chance.MARK
    print(
        f"\nfill=relevant, room {ROOM}: answer recall % and tokens, mean of sets, first and second half"
    )
    for at in MARKS:
        chance.MARK = at
        means = []
        for half in (0, 1):
            figures = []
            for name in SETS:
                chosen = choose([c for c in read_cases(suite / name) if needed(c)], cases)[half::2]
                kept = [trim(documents(c), c.asked, ROOM, count=count) for c in chosen]
                recall = [
                    answer_recall(c, render(k.documents)) for c, k in zip(chosen, kept, strict=True)
                ]
                used = np.mean([k.tokens for k in kept])
                figures.append((np.mean([r for r in recall if r is not None]), used))
            means.append(np.mean(figures, axis=0))
        print(
            f"  mark {at:<6g}" + "".join(f"  {100 * m[0]:5.1f} {m[1]:4.0f}" for m in means),
            flush=True,
        )
    chance.MARK = before


def main() -> None:
    """Fit, check set by set, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("suite", type=Path)
    parser.add_argument("--cases", type=int, default=150)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--marks", action="store_true")
    options = parser.parse_args()
    data = {name: gather(options.suite, name, options.cases) for name in SETS}
    print("constant, share, height, ln units:", np.round(fit(list(data.values())), 2))
    held = {
        name: said(fit([d for n, d in data.items() if n != name]), x)
        for name, (x, _) in data.items()
    }
    print(f"{'set':<16}{'units':>7}{'evidence':>10}{'Brier':>8}{'of base':>9}")
    for name, (_, y) in data.items():
        brier, base = np.mean((held[name] - y) ** 2), y.mean() * (1 - y.mean())
        print(f"{name:<16}{len(y):>7}{y.mean():>10.4f}{brier:>8.4f}{base:>9.4f}")
    chances, labels = (
        np.concatenate(list(held.values())),
        np.concatenate([y for _, y in data.values()]),
    )
    weights = np.concatenate([np.full(len(y), 1 / len(y)) for _, y in data.values()])
    points = list(reliability(chances, labels, weights))
    base = np.average(labels, weights=weights)
    print(
        f"Brier {np.average((chances - labels) ** 2, weights=weights):.4f} (base rate {base * (1 - base):.4f})"
    )
    print(f"ECE {sum(abs(a - b) * w for _, a, b, w in points):.4f}")
    print(f"{'units':>8}{'said':>8}{'true':>8}")
    for units, a, b, _ in points:
        print(f"{units:>8}{a:>8.4f}{b:>8.4f}")
    if options.svg:
        options.svg.write_text(picture(points), encoding="utf-8")
    if options.marks:
        marks(options.suite, options.cases // 3)


if __name__ == "__main__":
    main()
