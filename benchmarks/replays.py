"""How many samples does a vote need? Stopping rules replayed on recorded samples, without a model.

    python benchmarks/replays.py SUITE_DIR [--orders 20]

SUITE_DIR/logs/last_letters_samples.jsonl.gz holds 288 questions with their answer and 40 samples each
of a model at temperature 0.7. Each rule draws them in an order, stops where it says so, and takes the
majority. The order of the file comes first; the mean over shuffled orders (fixed seeds) shows how much
of a figure is the order's. The difference to all 40 samples is paired by question: 95 % by bootstrap.
"""

import argparse
import gzip
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from shoestring.agents.stopping import (
    AdaptiveConsistency,
    EarlyStopping,
    FixedSamples,
    StoppingRule,
    majority,
)
from shoestring.evals.intervals import difference

SAMPLES = 40
RULES: dict[str, StoppingRule] = {
    "all 40": FixedSamples(SAMPLES),
    "first 5": FixedSamples(5),
    "adaptive, 0.95": AdaptiveConsistency(sure=0.95, most=SAMPLES),
    "early stopping, w = 5": EarlyStopping(window=5, most=SAMPLES),
    "one": FixedSamples(1),
}
_ANSWER = re.compile(r"answer is:?\s*(.+?)\s*\.?\s*$", re.IGNORECASE | re.DOTALL)


def normal(text: str) -> str:
    """The answer that a sample ends with, its letters alone."""
    found = _ANSWER.search(text)
    return re.sub(r"[^a-z]", "", (found[1] if found else text).casefold())


def vote(rule: StoppingRule, answers: Sequence[str]) -> tuple[str, int]:
    """Draw until the rule says enough; return the majority and how many were drawn."""
    drawn = next(n for n in range(1, len(answers) + 1) if rule.enough(answers[:n]))
    return str(majority(answers[:drawn])), drawn


def main() -> None:
    """Replay each rule and print a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", type=Path)
    parser.add_argument("--orders", type=int, default=20)
    options = parser.parse_args()
    with gzip.open(options.suite / "logs" / "last_letters_samples.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    told = [(normal(row["answer"]), [normal(text) for text in row["samples"]]) for row in rows]
    print(f"{len(told)} questions, {SAMPLES} samples each\n")
    print("| rule | right, % | samples | fewer | difference to all 40 | over shuffled orders |")
    print("|---|---|---|---|---|---|")
    whole: list[float] = []
    for name, rule in RULES.items():
        votes = [(vote(rule, answers), right) for right, answers in told]
        hits = [float(answer == right) for (answer, _), right in votes]
        whole = whole or hits
        drawn = fmean(n for (_, n), _ in votes)
        mean, low, high = difference(hits, whole)
        shuffled: list[tuple[float, int]] = []
        for seed in range(options.orders):
            mix = random.Random(seed)
            for right, answers in told:
                answer, n = vote(rule, mix.sample(answers, len(answers)))
                shuffled.append((float(answer == right), n))
        print(
            f"| {name} | {100 * fmean(hits):.1f} | {drawn:.2f} | {SAMPLES / drawn:.1f} x "
            f"| {100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}] "
            f"| {100 * fmean(hit for hit, _ in shuffled):.1f} %, {fmean(n for _, n in shuffled):.2f} samples |"
        )


if __name__ == "__main__":
    main()
