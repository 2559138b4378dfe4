"""What does trimming do to the answer? A small local model, asked over four contexts.

    python benchmarks/answers.py SUITE_DIR RESULTS_DIR [--sets nq20,hotpotqa] [--cases 150] [--torch]

Each case is asked of SmolLM2-135M (packaged, one answer at a time, temperature 0) over the gold passages
alone, over what `trim` keeps in 256 tokens under `fill="relevant"` and under `fill="budget"`, and over the whole
context in the order of the file, cut at the model's window where it is longer (`cut` says how often).

Two figures: `right`, whether an accepted string stands in the answer (NFKC, casefolded, white space collapsed),
and `F1`, of the answer's words against those of the nearest accepted string (for sets such as covidqa, whose
answers are clauses that a short sentence rarely repeats). The differences are paired: 95 % by bootstrap over
contexts, since questions asked over one document are no independent cases.

An answer is appended to RESULTS_DIR/<set>.jsonl as soon as it is known, under a hash of what was shown: run it
again to go on, and after a change of the trimmer to ask only what is shown otherwise than before. The sets take
turns, so that a run cut short has about as many cases of each. `--torch` runs the same weights by PyTorch, several
questions at a time (see smollm2.py).
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage

from shoestring.evals import Case, choose, read_cases
from shoestring.evals.scores import plain
from shoestring.graphs.prompts import answer_prompt, render_sources
from shoestring.models import LocalChatModel
from shoestring.tools import trim
from shoestring.tools.trimming.pack import longest_prefix
from shoestring.tools.words.stop_words import STOP_WORDS
from shoestring.tools.words.words import words

SETS = ("nq20", "hotpotqa", "covidqa")
ARMS = ("gold", "full", "relevant", "budget")
ROOM = 256
OUTPUT = 48  # tokens of an answer: one short sentence
RESAMPLES = 10_000

TURN = 16  # cases of a set, before the next set has its turn

Ask = Callable[[Sequence[Sequence[BaseMessage]]], Iterable[str]]
"""Gives the answers to prompts, in their order."""


@dataclass(frozen=True)
class Answered:
    """One answer."""

    case: str
    arm: str
    engine: str
    shown: str
    """A hash of the context shown."""
    tokens: int
    cut: bool
    reply: str
    right: bool
    f1: float

    @property
    def key(self) -> tuple[str, ...]:
        """What makes asking again superfluous."""
        return self.case, self.arm, self.engine, self.shown


@dataclass(frozen=True)
class Context:
    """What the model reads."""

    text: str
    cut: bool = False


def documents(case: Case, *, gold: bool) -> list[Document]:
    """Give the passages as documents, all or the gold ones."""
    return [
        Document(p.text, metadata={"source": f"passage {i}", "title": p.title})
        for i, p in enumerate(case.passages)
        if p.gold or not gold
    ]


def context(case: Case, arm: str, model: LocalChatModel) -> Context:
    """Give what the model reads in one arm."""
    count = model.counter.count
    if arm in ("relevant", "budget"):
        fill = "relevant" if arm == "relevant" else "budget"
        kept = trim(
            documents(case, gold=False), case.asked, ROOM,
            count=count, render=render_sources, fill=fill,
        )  # fmt: skip
        return Context(kept.text)
    text = render_sources(documents(case, gold=arm == "gold"))
    room = model.context - OUTPUT - model.counter.count_messages(answer_prompt(case.asked, "")) - 16
    if count(text) <= room:
        return Context(text)
    fits = longest_prefix(len(text), 4 * room, lambda n: count(text[:n]) <= room)
    return Context(text[:fits], cut=True)


@dataclass
class Study:
    """One set of cases, with the file of its answers."""

    name: str
    cases: list[Case]
    file: Path
    known: dict[tuple[str, ...], Answered]

    @classmethod
    def open(cls, suite: Path, name: str, cases: int, results: Path) -> "Study":
        """Choose the cases, and read what was answered before."""
        usable = [
            case
            for case in read_cases(suite / name)
            if case.answers and any(passage.gold for passage in case.passages)
        ]
        file = results / f"{name}.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        answered = [Answered(**json.loads(line)) for line in lines if line.endswith("}")]
        return cls(name, choose(usable, cases), file, {a.key: a for a in answered})

    def ask(
        self, arms: Sequence[str], model: LocalChatModel, engine: str, ask: Ask
    ) -> Iterator[list[Answered]]:
        """Ask some cases at a time in each arm, or find what was answered before."""
        for start in range(0, len(self.cases), TURN):
            some = self.cases[start : start + TURN]
            shown = [(case, arm, context(case, arm, model)) for arm in arms for case in some]
            keys = [
                (case.id, arm, engine, sha256(read.text.encode(errors="replace")).hexdigest()[:12])
                for case, arm, read in shown
            ]
            new = [place for place, key in enumerate(keys) if key not in self.known]
            prompts = [answer_prompt(shown[i][0].asked, shown[i][2].text) for i in new]
            for place, reply in zip(new, ask(prompts), strict=True):
                case, _, read = shown[place]
                tokens = model.counter.count(read.text)
                self._add(Answered(*keys[place], tokens, read.cut, reply, *figures(case, reply)))
            yield [self.known[key] for key in keys]

    def _add(self, found: Answered) -> None:
        self.known[found.key] = found
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(vars(found)) + "\n")


def figures(case: Case, reply: str) -> tuple[bool, float]:
    """Say whether an answer is right, and give its F1."""
    said = plain(reply)
    right = any(plain(answer) in said for answer in case.answers if plain(answer))
    return right, max(overlap(said, answer) for answer in case.answers)


def overlap(reply: str, answer: str) -> float:
    """Give the F1 of the words of two texts, stop words left out."""
    said, wanted = (
        Counter(word for word in words(text) if word not in STOP_WORDS) for text in (reply, answer)
    )
    shared = (said & wanted).total()
    return 2 * shared / max(1, said.total() + wanted.total())


FIGURES: tuple[Callable[[Answered], float], ...] = (lambda a: float(a.right), lambda a: a.f1)


def show(study: Study, answered: Sequence[Answered], arms: Sequence[str]) -> None:
    """Print a line an arm, then what the trimmed arms gain over gold and over the whole context."""
    by_arm = {arm: {a.case: a for a in answered if a.arm == arm} for arm in arms}
    contexts = {case.id: sha256(repr(case.passages).encode()).digest() for case in study.cases}
    print(
        f"\n{study.name}\n{'arm':<10}{'cases':>6}{'tokens':>8}{'cut':>5}{'right %':>9}{'F1 %':>7}"
    )
    for arm, rows in by_arm.items():
        if rows:
            tokens = np.mean([a.tokens for a in rows.values()])
            right, f1 = (100 * np.mean([of(a) for a in rows.values()]) for of in FIGURES)
            cut = sum(a.cut for a in rows.values())
            print(f"{arm:<10}{len(rows):>6}{tokens:>8.0f}{cut:>5}{right:>9.1f}{f1:>7.1f}")
    for arm in ("relevant", "budget"):
        for against, share in (("gold", 0.8), ("full", 1.0)):
            one, other = by_arm.get(arm, {}), by_arm.get(against, {})
            both = [case for case in one if case in other]
            cells = [
                gain([(contexts[c], figure(one[c]) - share * figure(other[c])) for c in both])
                for figure in FIGURES
                if both
            ]
            if cells:
                print(f"{arm} - {share} x {against}, {len(both)} cases: {'  '.join(cells)}")


def gain(differences: Sequence[tuple[bytes, float]]) -> str:
    """Give a mean of differences in points with its interval, resampling contexts."""
    contexts = sorted({shared for shared, _ in differences})
    place = {shared: i for i, shared in enumerate(contexts)}
    sums, sizes = np.zeros(len(contexts)), np.zeros(len(contexts))
    for shared, difference in differences:
        sums[place[shared]] += difference
        sizes[place[shared]] += 1
    drawn = np.random.default_rng(0).integers(0, len(contexts), (RESAMPLES, len(contexts)))
    low, high = np.percentile(sums[drawn].sum(1) / sizes[drawn].sum(1), [2.5, 97.5])
    return f"{100 * sums.sum() / sizes.sum():+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


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
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--torch", action="store_true")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    model = LocalChatModel(max_tokens=OUTPUT, threads=options.threads)

    def one_by_one(prompts: Sequence[Sequence[BaseMessage]]) -> Iterator[str]:
        return (model.invoke(list(prompt)).text for prompt in prompts)

    engine: str = "llama.cpp"
    ask: Ask = one_by_one
    if options.torch:
        from smollm2 import SmolLM2

        engine, ask = "torch", SmolLM2(OUTPUT, options.threads).ask
    arms = options.arms.split(",")
    studies = [
        Study.open(options.suite, name, options.cases, options.results)
        for name in options.sets.split(",")
    ]
    turns = list(zip_longest(*(study.ask(arms, model, engine, ask) for study in studies)))
    for study, answered in zip(studies, zip(*turns, strict=True), strict=True):
        show(study, list(chain.from_iterable(filter(None, answered))), arms)


if __name__ == "__main__":
    main()
