"""What does trimming do to the answer? A small local model, asked over four contexts.

    python benchmarks/answers.py SUITE_DIR RESULTS.jsonl [--sets nq20,hotpotqa] [--cases 150]

Each case is asked of SmolLM2-135M (packaged, one answer at a time, temperature 0) over the gold passages alone,
over what `trim` keeps in 256 tokens under `fill="relevant"` and under `fill="budget"`, and over the whole context
in the order of the file, cut at the model's window where it is longer (`cut` says how often). An answer is right
if one of the accepted strings stands in it (NFKC, casefolded, white space collapsed). Every answer is appended to
RESULTS.jsonl at once: run it again to go on. Without new cases it only prints the table. The differences are
paired: 95 % by bootstrap over cases.
"""

import argparse
import json
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
from shoestring.tools.pack import longest_prefix

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
    return Answered(name, case.id, arm, shown, model.counter.count(text), cut, right)


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
    """Print a line an arm, and what it is beside gold and full, over the same cases."""
    last = {(a.case, a.arm): a for a in answered if a.set == name}
    print(
        f"\n{name}\n{'arm':<10}{'cases':>6}{'right %':>9}{'tokens':>8}{'cut':>5}   beside full, paired"
    )
    for arm in ARMS:
        rows = {case: a for (case, of), a in last.items() if of == arm}
        if not rows:
            continue
        both = [case for case in rows if (case, "full") in last]
        gain = [float(rows[case].right) - float(last[case, "full"].right) for case in both]
        low, high = interval(gain) if gain else (0.0, 0.0)
        beside = (
            f"{100 * np.mean(gain):+6.1f} [{100 * low:+.1f}, {100 * high:+.1f}]" if gain else ""
        )
        right = 100 * np.mean([a.right for a in rows.values()])
        tokens = np.mean([a.tokens for a in rows.values()])
        cut = sum(a.cut for a in rows.values())
        print(f"{arm:<10}{len(rows):>6}{right:>9.1f}{tokens:>8.0f}{cut:>5}   {beside}")
    both = [case for case, arm in last if arm == "relevant" and (case, "gold") in last]
    if both:
        excess = [last[c, "relevant"].right - 0.8 * last[c, "gold"].right for c in both]
        low, high = interval(excess)
        print(
            f"relevant - 0.8 x gold: {100 * np.mean(excess):+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
            f" points over {len(both)} cases"
        )


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
