"""What does trimming do to the answer? A small local model, asked over four contexts.

    python benchmarks/answers.py SUITE_DIR RESULTS.jsonl [--sets nq20,hotpotqa] [--cases 150]

Each case is asked of SmolLM2-135M (packaged, one answer at a time, temperature 0) over the gold passages
alone, over what `trim` keeps in 256 tokens under `fill="relevant"` and under `fill="budget"`, and over the whole
context in the order of the file, cut at the model's window where it is longer (`cut` says how often).

Two figures: `right`, whether an accepted string stands in the answer (NFKC, casefolded, white space collapsed),
and `F1`, of the answer's words against those of the nearest accepted string (for sets such as covidqa, whose
answers are clauses that a short sentence rarely repeats). Every answer is appended to RESULTS.jsonl at once: run
it again to go on. The differences are paired: 95 % by bootstrap over cases.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from langchain_core.documents import Document

from shoestring.evals import Case, choose, read_cases
from shoestring.evals.scores import plain
from shoestring.graphs.prompts import answer_prompt, render_sources
from shoestring.models import LocalChatModel
from shoestring.tools import trim
from shoestring.tools.trimming.pack import longest_prefix
from shoestring.tools.words.stop_words import STOP_WORDS
from shoestring.tools.words.words import words

SETS = ("nq20", "hotpotqa", "covidqa")
ARMS = ("gold", "relevant", "budget", "full")
ROOM = 256
OUTPUT = 48  # tokens of an answer: one short sentence
RESAMPLES = 10_000


@dataclass(frozen=True)
class Answered:
    """One answer."""

    set: str
    case: str
    arm: str
    context: str
    """A hash of the context shown, so that a changed trimmer is asked anew."""
    tokens: int
    cut: bool
    right: bool
    f1: float


def documents(case: Case, *, gold: bool) -> list[Document]:
    """Give the passages as documents, all or the gold ones."""
    return [
        Document(p.text, metadata={"source": f"passage {i}", "title": p.title})
        for i, p in enumerate(case.passages)
        if p.gold or not gold
    ]


def context(case: Case, arm: str, model: LocalChatModel) -> tuple[str, bool]:
    """Give what the model reads, and whether it had to be cut."""
    count = model.counter.count
    if arm in ("relevant", "budget"):
        fill = "relevant" if arm == "relevant" else "budget"
        kept = trim(
            documents(case, gold=False), case.asked, ROOM,
            count=count, render=render_sources, fill=fill,
        )  # fmt: skip
        return kept.text, False
    text = render_sources(documents(case, gold=arm == "gold"))
    room = model.context - OUTPUT - model.counter.count_messages(answer_prompt(case.asked, "")) - 16
    if count(text) <= room:
        return text, False
    return text[: longest_prefix(len(text), 4 * room, lambda n: count(text[:n]) <= room)], True


def ask(case: Case, name: str, arm: str, model: LocalChatModel, known: set[str]) -> Answered | None:
    """Ask a case over one context; None where the same was asked before."""
    text, cut = context(case, arm, model)
    shown = sha256(text.encode(errors="replace")).hexdigest()[:12]
    if f"{name} {case.id} {arm} {shown}" in known:
        return None
    reply = plain(model.invoke(answer_prompt(case.asked, text)).text)
    right = any(plain(answer) in reply for answer in case.answers if plain(answer))
    f1 = max((overlap(reply, answer) for answer in case.answers), default=0.0)
    return Answered(name, case.id, arm, shown, model.counter.count(text), cut, right, f1)


def overlap(reply: str, answer: str) -> float:
    """Give the F1 of the words of two texts, stop words left out."""
    said, wanted = (
        Counter(word for word in words(text) if word not in STOP_WORDS) for text in (reply, answer)
    )
    shared = (said & wanted).total()
    return 2 * shared / max(1, said.total() + wanted.total())


def read(file: Path) -> list[Answered]:
    """Read what was answered before; of a case and arm the last counts."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [Answered(**json.loads(line)) for line in lines if line.endswith("}")]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Bootstrap the mean."""
    data = np.asarray(values, np.float64)
    generator = np.random.default_rng(0)
    means = data[generator.integers(0, len(data), (RESAMPLES, len(data)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def show(name: str, answered: Sequence[Answered]) -> None:
    """Print a line an arm: both figures, and their gain over the whole context, over the same cases."""
    last = {(a.case, a.arm): a for a in answered if a.set == name}
    print(
        f"\n{name}\n{'arm':<10}{'cases':>6}{'tokens':>8}{'cut':>5}   right %, F1 %; beside full, paired"
    )
    for arm in ARMS:
        rows = {case: a for (case, of), a in last.items() if of == arm}
        if not rows:
            continue
        cells = [
            f"{100 * np.mean([figure(a) for a in rows.values()]):5.1f}"
            + beside(
                [
                    (figure(a), figure(last[c, "full"]))
                    for c, a in rows.items()
                    if (c, "full") in last
                ]
            )
            for figure in FIGURES
        ]
        tokens, cut = np.mean([a.tokens for a in rows.values()]), sum(a.cut for a in rows.values())
        print(f"{arm:<10}{len(rows):>6}{tokens:>8.0f}{cut:>5}   {'  '.join(cells)}")
    both = [
        (a, last[case, "gold"])
        for (case, arm), a in last.items()
        if arm == "relevant" and (case, "gold") in last
    ]
    if both:
        cells = [
            beside([(figure(a), 0.8 * figure(gold)) for a, gold in both]) for figure in FIGURES
        ]
        print(f"relevant - 0.8 x gold, {len(both)} cases: {'  '.join(cells)}")


FIGURES: tuple[Callable[[Answered], float], ...] = (lambda a: float(a.right), lambda a: a.f1)


def beside(pairs: Sequence[tuple[float, float]]) -> str:
    """Give the mean difference of pairs in points, with its interval."""
    if not pairs:
        return ""
    gain = [one - other for one, other in pairs]
    low, high = interval(gain)
    return f" ({100 * np.mean(gain):+.1f} [{100 * low:+.1f}, {100 * high:+.1f}])"


def main() -> None:
    """Ask what was not asked yet, then print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("suite", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--cases", type=int, default=150)
    options = parser.parse_args()
    model = LocalChatModel(max_tokens=OUTPUT)
    answered = read(options.results)
    known = {f"{a.set} {a.case} {a.arm} {a.context}" for a in answered}
    usable: Callable[[Case], bool] = lambda c: bool(c.answers) and any(p.gold for p in c.passages)  # noqa: E731
    for name in options.sets.split(","):
        cases = choose([c for c in read_cases(options.suite / name) if usable(c)], options.cases)
        with options.results.open("a", encoding="utf-8") as file:
            for arm in options.arms.split(","):
                for case in cases:
                    found = ask(case, name, arm, model, known)
                    if found is not None:
                        answered.append(found)
                        file.write(json.dumps(vars(found)) + "\n")
                        file.flush()
        show(name, answered)


if __name__ == "__main__":
    main()
