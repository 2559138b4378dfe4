"""What does each tier of relevance buy, and what does it cost?

    python benchmarks/tiers.py SUITE_DIR [--cases 60] [--sets nq20,…] [--speed]

Recall within 10 % of the context and within 256 tokens (`fill="budget"`; as `shoestring eval trim` defines it),
by words alone and with tiers on top: points gained, for the two halves of the cases apart, so that what is chosen
on one can be checked on the other. Encodings are kept in the user's cache folder: a second run is fast.
`--speed` measures seconds a unit on sentences of about 30 tokens, nothing cached.
"""

import argparse
from pathlib import Path
from time import perf_counter

import numpy as np

from shoestring.evals import choose, read_cases
from shoestring.evals.trimming import Room, measure, methods
from shoestring.models import local_embeddings, static_embeddings
from shoestring.tools.relevance.tiers import Tier, tiers_named

SETS = (
    "nq20", "hotpotqa", "musique", "2wikimultihop", "covidqa", "bioasq", "tatqa", "convfinqa",
    "financebench_window", "cuad_contracts", "locomo", "tau_airline", "bfcl_tools", "logchunks", "cidiff_logs",
)  # fmt: skip
ROOMS = ("10%", "256")
TIERS = ("static", "bi-encoder", "static,bi-encoder")


def gains(suite: Path, name: str, cases: int, tiers: dict[str, tuple[Tier, ...]]) -> None:
    """Print a line: recall by words, and what each choice of tiers adds."""
    chosen = choose([c for c in read_cases(suite / name) if c.passages], cases)
    cells: list[str] = []
    for half in (0, 1):
        found: dict[str, list[float]] = {}
        for label, some in tiers.items():
            rows = measure(
                name, chosen[half::2], [Room.parse(r) for r in ROOMS],
                {"trim": methods("budget", some)["trim"]},
            )  # fmt: skip
            found[label] = [
                r.gold_recall if r.answer_recall is None else r.answer_recall for r in rows
            ]
            TOTALS.setdefault((label, half), []).append(100 * np.mean(found[label]))
        base = np.mean(found[""])
        cells.append(
            f"{100 * base:6.1f} "
            + " ".join(f"{100 * (np.mean(found[t]) - base):+5.1f}" for t in TIERS)
        )
    print(f"{name:<20}{'   |'.join(cells)}", flush=True)


TOTALS: dict[tuple[str, int], list[float]] = {}


def speed() -> None:
    """Print seconds a unit."""
    texts = [
        f"In the year {1500 + n}, the ferry to the northern island number {n} carried one hundred and "
        f"twenty people, {n % 7} dogs and the mail of the week across the sound before dusk."
        for n in range(400)
    ]
    for embeddings in (static_embeddings(), local_embeddings()):
        embeddings.embed_documents(texts[:2])
        began = perf_counter()
        embeddings.embed_documents(texts)
        print(f"{embeddings.name}: {(perf_counter() - began) / len(texts):.5f} s a unit")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("suite", type=Path)
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args()
    if options.speed:
        speed()
        return
    tiers = {"": (), **{names: tiers_named(names) for names in TIERS}}
    print(f"{'set':<20}first half: words, then + {', + '.join(TIERS)}   | second half")
    for name in options.sets.split(","):
        gains(options.suite, name, options.cases, tiers)
    for half in (0, 1):
        base = np.mean(TOTALS["", half])
        print(
            f"mean, half {half + 1}: {base:.1f}  "
            + "  ".join(f"{t} {np.mean(TOTALS[t, half]) - base:+.2f}" for t in TIERS)
        )


if __name__ == "__main__":
    main()
