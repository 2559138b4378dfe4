"""Do the planner's policies buy more right answers than chance? Two real models, their recorded answers.

    python benchmarks/routers.py LOGS_DIR

LOGS_DIR holds gsm8k_two_models.jsonl.gz and mmlu_two_models.jsonl.gz: prompts, whether a cheap and a dear model
(Mixtral 8x7B, GPT-4-1106) were right, and for GSM8K both responses. Prices are stated below; tokens are counted
with cl100k_base; an MMLU answer is taken to be one token, as its responses are not recorded.

Twofold: each half, split by a hash of the id, is decided on by what was learned from the other. `route` picks
the model before any answer; `cascade` has the cheap answer (and has paid for it), and keeps it or asks the dear
model. Each policy is run at many worths of a right answer, which draws a curve of accuracy against cost. Beside
each point stands random mixing of the two models at the same mean cost, over the same questions; the difference
is paired, its 95 % interval by bootstrap over questions. `share` is the mean cost as a share of the dear
model's.

Besides: how often the 90 % cost held (each run forecast before it is learned from), Brier scores and
reliability of the chance of a right answer on the half not learned from, the time of a decision, and that of
learning from 100,000 runs.
"""

import argparse
import gzip
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoestring.agents import (
    Expected,
    Forecast,
    Forecaster,
    Meter,
    Policy,
    Run,
    Standing,
    Task,
    Worth,
)
from shoestring.agents.policies.learning import Logged, learn_policy
from shoestring.budget import Amount, Caps
from shoestring.models import Price, TiktokenCounter

CHEAP, DEAR = "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"
PRICES = {CHEAP: Price("0.24", "0.24"), DEAR: Price("10", "30")}
OUTPUT = 512  # bound on an answer
LETTER = 1  # tokens of an MMLU answer
FREE = Amount()
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """One prompt, and what became of it with each model."""

    half: int
    prompt: str
    draft: str
    right: dict[str, bool]
    spent: dict[str, Amount]


@dataclass(frozen=True, slots=True)
class Mode:
    """What is chosen between, as the planner sees it: the first option costs least."""

    name: str
    cheap: str
    drafted: bool

    def task(self, case: Case) -> Task:
        """Return what is known when the choice is made."""
        return Task(case.prompt, draft=case.draft if self.drafted else "")

    def prior(self, case: Case, route: str) -> Forecast:
        """Return what an option costs at its bounds; a draft that is kept costs nothing more."""
        if route == "keep":
            return Forecast(FREE, FREE, 0.5)
        bound = METERS[route].bound(case.spent[route].input_tokens, OUTPUT)
        return Forecast(bound, bound, 0.5)

    def spent(self, case: Case, route: str) -> Amount:
        """Return what an option itself has cost."""
        return FREE if route == "keep" else case.spent[route]

    def right(self, case: Case, route: str) -> bool:
        """Return whether an option was right."""
        return case.right[CHEAP if route == "keep" else route]

    def runs(self, cases: Sequence[Case]) -> list[Run]:
        """Return each option's run on each case, as a sweep records them."""
        return [
            Run(route, self.task(case), self.prior(case, route), self.spent(case, route), None,
                self.right(case, route))
            for case in cases
            for route in (self.cheap, DEAR)
        ]  # fmt: skip

    def cost(self, case: Case, route: str) -> int:
        """Return nanodollars, the draft's included."""
        paid = case.spent[CHEAP].nanodollars if self.drafted else 0
        return paid + self.spent(case, route).nanodollars


COUNTER = TiktokenCounter("cl100k_base")
METERS = {model: Meter(COUNTER, price) for model, price in PRICES.items()}
MODES = (Mode("route", CHEAP, drafted=False), Mode("cascade", "keep", drafted=True))


def read(file: Path) -> list[Case]:
    """Read the cases of one file."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [_case(json.loads(line)) for line in lines]


def _case(row: dict[str, Any]) -> Case:
    read_tokens = COUNTER.count(row["prompt"])
    spent = {}
    for model, price in PRICES.items():
        response = row.get(f"{model}_response")
        written = LETTER if response is None else COUNTER.count(response)
        money = price.bound(read_tokens, written)
        spent[model] = Amount(read_tokens, written, money, 1)
    return Case(
        half=sha256(row["id"].encode()).digest()[0] % 2,
        prompt=row["prompt"],
        draft=row.get(f"{CHEAP}_response") or "",
        right={model: row[model] == "True" for model in PRICES},
        spent=spent,
    )


@dataclass(frozen=True, slots=True)
class Point:
    """One policy at one worth, over all questions."""

    right: Floats
    cost: Floats

    def share(self, cases: "Totals") -> float:
        """Return the mean cost as a share of the dear model's."""
        return float(self.cost.mean() / cases.dear_cost.mean())


@dataclass(frozen=True, slots=True)
class Totals:
    """Right and cost of the two models on every question."""

    cheap: Floats
    dear: Floats
    cheap_cost: Floats
    dear_cost: Floats

    def gain(self, point: Point, rows: NDArray[np.int64] | slice = slice(None)) -> float:
        """Return accuracy above random mixing at the same mean cost."""
        low, high = self.cheap_cost[rows].mean(), self.dear_cost[rows].mean()
        part = np.clip((point.cost[rows].mean() - low) / (high - low), 0, 1)
        mixed = (1 - part) * self.cheap[rows].mean() + part * self.dear[rows].mean()
        return float(point.right[rows].mean() - mixed)

    def interval(self, point: Point) -> tuple[float, float]:
        """Return the 95 % interval of the gain, questions resampled."""
        generator = np.random.default_rng(7)
        n = len(self.cheap)
        gains = [self.gain(point, generator.integers(0, n, n)) for _ in range(2_000)]
        low, high = np.percentile(gains, [2.5, 97.5])
        return float(low), float(high)


def totals(cases: Sequence[Case]) -> Totals:
    """Return what each model alone comes to."""
    return Totals(
        np.array([case.right[CHEAP] for case in cases], np.float64),
        np.array([case.right[DEAR] for case in cases], np.float64),
        np.array([case.spent[CHEAP].nanodollars for case in cases], np.float64),
        np.array([case.spent[DEAR].nanodollars for case in cases], np.float64),
    )


def play(
    cases: Sequence[Case], mode: Mode, decide: Callable[[int, Case, Worth], str], worth: Worth
) -> Point:
    """Let a policy decide on each case by what was learned from the other half."""
    chosen = [decide(1 - case.half, case, worth) for case in cases]
    return Point(
        np.array([mode.right(c, r) for c, r in zip(cases, chosen, strict=True)], np.float64),
        np.array([mode.cost(c, r) for c, r in zip(cases, chosen, strict=True)], np.float64),
    )


def by_expectation(cases: Sequence[Case], mode: Mode) -> Callable[[int, Case, Worth], str]:
    """Return `Expected` on forecasts of each half."""
    halves = [Forecaster(), Forecaster()]
    for half, forecaster in enumerate(halves):
        forecaster.learn(mode.runs([case for case in cases if case.half == half]))
    kept: dict[int, dict[str, Forecast]] = {}

    def decide(half: int, case: Case, worth: Worth) -> str:
        if id(case) not in kept:
            kept[id(case)] = {
                route: halves[half].forecast(route, mode.task(case), mode.prior(case, route))
                for route in (mode.cheap, DEAR)
            }
        return chosen(Expected(worth), kept[id(case)], mode.task(case), mode)

    return decide


def by_learning(cases: Sequence[Case], mode: Mode) -> Callable[[int, Case, Worth], str]:
    """Return `Learned`, trained on each half at each worth."""
    runs = [mode.runs([case for case in cases if case.half == half]) for half in (0, 1)]
    trained: dict[tuple[int, Worth], Policy] = {}

    def decide(half: int, case: Case, worth: Worth) -> str:
        if (half, worth) not in trained:
            trained[half, worth] = learn_policy(Logged.sweep(runs[half]), worth)
        forecasts = {route: mode.prior(case, route) for route in (mode.cheap, DEAR)}
        return chosen(trained[half, worth], forecasts, mode.task(case), mode)

    return decide


def chosen(policy: Policy, forecasts: dict[str, Forecast], task: Task, mode: Mode) -> str:
    """Return the route a policy takes; where none is worth its cost, the cheap one."""
    return policy.choose(forecasts, Standing(Caps(), Caps(), task=task)).route or mode.cheap


def curve(
    cases: Sequence[Case],
    mode: Mode,
    decide: Callable[[int, Case, Worth], str],
    worths: Sequence[Worth],
) -> list[Point]:
    """Return a point a worth, cheapest first."""
    points = [play(cases, mode, decide, worth) for worth in worths]
    return sorted(points, key=lambda point: point.cost.mean())


def report(name: str, cases: Sequence[Case], points: Sequence[Point]) -> None:
    """Print a line for each tenth of the dear model's cost, and where 95 % of its accuracy is reached."""
    all_ = totals(cases)
    shares = [point.share(all_) for point in points]
    for wanted in SHARES:
        place = min(range(len(points)), key=lambda i: abs(shares[i] - wanted))
        if abs(shares[place] - wanted) > 0.05:
            continue
        point = points[place]
        low, high = all_.interval(point)
        verdict = "above" if low > 0 else "BELOW" if high < 0 else ""
        print(
            f"{name:22} share {shares[place]:4.0%}  right {point.right.mean():.3f}  mixing"
            f" {point.right.mean() - all_.gain(point):.3f}  {all_.gain(point):+.3f}"
            f" [{low:+.3f}, {high:+.3f}] {verdict}"
        )
    goal = 0.95 * all_.dear.mean()
    reached = [s for s, p in zip(shares, points, strict=True) if p.right.mean() >= goal]
    mixing = (goal - all_.cheap.mean()) / (all_.dear.mean() - all_.cheap.mean())
    base = all_.cheap_cost.mean() / all_.dear_cost.mean()
    print(
        f"{name:22} 95 % of the dear model's accuracy ({goal:.3f}) at "
        f"{min(reached):.0%} of its cost; "
        if reached
        else f"{name:22} 95 % never reached; ",
        f"mixing needs {base + mixing * (1 - base):.0%}",
    )


def calibrated(name: str, cases: Sequence[Case], mode: Mode) -> None:
    """Print how the forecasts hold: costs one run ahead, chances on the other half."""
    for route in (CHEAP, DEAR):
        forecaster, within, likely, asked = Forecaster(), 0, 0, 0
        for run in [r for r in Mode("route", CHEAP, drafted=False).runs(cases) if r.route == route]:
            found = forecaster.forecast(route, run.task, run.prior)
            if found.high is not None:
                asked += 1
                within += run.spent.tokens <= found.high.tokens
                likely += run.spent.tokens <= found.likely.tokens
            forecaster.learn([run])
        print(
            f"{name:22} {route[:24]:24} tokens within 90 %: {within / asked:.1%}, "
            f"within likely: {likely / asked:.1%} of {asked:,}"
        )
    for route in (mode.cheap, DEAR):
        chances, rights = [], []
        for half in (0, 1):
            forecaster = Forecaster()
            forecaster.learn(
                r for r in mode.runs([c for c in cases if c.half != half]) if r.route == route
            )
            for case in cases:
                if case.half == half:
                    chances.append(
                        forecaster.forecast(route, mode.task(case), mode.prior(case, route)).success
                    )
                    rights.append(mode.right(case, route))
        p, y = np.array(chances), np.array(rights, np.float64)
        base = float(((y - y.mean()) ** 2).mean())
        bins = np.array_split(np.argsort(p), 5)
        curve_ = ", ".join(f"{p[b].mean():.2f}→{y[b].mean():.2f}" for b in bins)
        print(
            f"{name:22} {mode.name} {route[:24]:24} Brier {((p - y) ** 2).mean():.4f} "
            f"(always the mean: {base:.4f}); told→true: {curve_}"
        )


def timed(cases: Sequence[Case]) -> None:
    """Print the time of a decision and of learning from 100,000 runs."""
    mode = MODES[0]
    forecaster = Forecaster()
    runs = mode.runs(cases)
    forecaster.learn(runs)
    policy = Expected(Worth(usd="0.01"))
    times = []
    for number, case in enumerate(cases[:1_000]):
        task = Task(f"{case.prompt} {number}")  # not seen before: its features are worked out
        began = time.perf_counter()
        forecasts = {r: forecaster.forecast(r, task, mode.prior(case, r)) for r in (CHEAP, DEAR)}
        policy.choose(forecasts, Standing(Caps(), Caps(), task=task))
        times.append(time.perf_counter() - began)
    print(
        f"a decision between 2 routes: median {np.median(times) * 1e3:.2f} ms, "
        f"99 % {np.percentile(times, 99) * 1e3:.2f} ms"
    )
    many = [
        Run(r.route, Task(f"{r.task.question} {n}"), r.prior, r.spent, None, r.right)
        for n in range(-(-100_000 // len(runs)))
        for r in runs
    ][:100_000]
    began = time.perf_counter()
    Forecaster().learn(many)
    print(f"Forecaster: 100,000 runs in {time.perf_counter() - began:.1f} s")
    began = time.perf_counter()
    policy = learn_policy(Logged.sweep(many), Worth(usd="0.01"))
    print(f"Learned: 100,000 runs in {time.perf_counter() - began:.1f} s")
    print(policy.estimate)


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("logs", type=Path)
    logs = parser.parse_args().logs
    cases: list[Case] = []
    for name in ("gsm8k", "mmlu"):
        cases = read(logs / f"{name}_two_models.jsonl.gz")
        for mode in MODES if cases[0].draft else MODES[:1]:
            calibrated(name, cases, mode)
            mean = np.mean([case.spent[DEAR].nanodollars for case in cases]) * 1e-9
            # From "the dear model never pays" to "it pays wherever it is a little better".
            worths = [Worth(usd=f"{mean * factor:.9f}") for factor in np.geomspace(0.5, 500, 41)]
            report(
                f"{name} {mode.name} Expected",
                cases,
                curve(cases, mode, by_expectation(cases, mode), worths),
            )
            report(
                f"{name} {mode.name} Learned",
                cases,
                curve(cases, mode, by_learning(cases, mode), worths[::4]),
            )
    timed(cases)


if __name__ == "__main__":
    main()
