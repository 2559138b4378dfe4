r"""Does choosing a route for each question buy anything with the local model? Replays of a recorded sweep.

Record once (the sweep goes on where it was cut; nothing of it is committed), then replay as often as you like:

    shoestring eval run SUITE/nq20 --limit 36 --budgets uncapped --scorers contains,f1 --out RUNS/nq20.run \
        --routes "direct context=96 least=48,direct,direct context=640 least=320,chain_of_thought"
    python benchmarks/planner.py RUNS/nq20.run RUNS/hotpotqa.run RUNS/covidqa.run

Every route was run on every question. A policy is replayed as the assistant would act: it chooses by its
forecasts, and where the draft of a route did not pass the check it chooses again among the others; all that was
tried is paid. Contexts are split in two halves by a hash; a half is decided on by what was learned from the other:
the forecasts, and the worth of a right answer, which is the smallest at which the policy is as often right there
as the best single route. The best single route is picked there, too.

Regret, in right answers a question at a worth: what the best single route of each question, known
afterwards, would have earned, less what was earned.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from shoestring.agents import Expected, Forecast, Forecaster, Run, Standing, Task, Thresholds, Worth
from shoestring.agents.choosing import Policy
from shoestring.budget import Amount, Caps
from shoestring.evals import Case, Result, RunFolder, difference
from shoestring.evals.documents import documents_of
from shoestring.graphs.metering import meter_of
from shoestring.graphs.planning import planner_of, scores_of
from shoestring.models import LocalChatModel
from shoestring.tools import Index, IndexRetriever

PASSAGES = 20  # as the assistant retrieves
WORTHS = [round(100 * 1.35**n) for n in range(26)]  # tokens a right answer, 100 to 180,000


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and what became of it on each route."""

    half: int
    task: Task
    priors: Mapping[str, Forecast]
    runs: Mapping[str, Result]

    def spent(self, route: str) -> Amount:
        """Return what a route cost here."""
        run = self.runs[route]
        return Amount(run.input_tokens, run.output_tokens, 0, run.calls)


@dataclass(frozen=True, slots=True)
class Played:
    """What a policy came to on a question."""

    right: float
    tokens: int


def read(folders: Iterable[Path], scorer: str) -> list[Asked]:
    """Read recorded sweeps; questions that lack a route are left out."""
    found: list[Asked] = []
    meter = meter_of(LocalChatModel(), None)
    for folder in folders:
        run = RunFolder(folder)
        results: dict[str, dict[str, Result]] = {}
        for result in run.results():
            if result.route != "quote" and result.error is None and scorer in result.scores:
                results.setdefault(result.case, {})[result.route] = result
        most = max(map(len, results.values()), default=0)
        for case in run.suite().cases:
            runs = results.get(case.id, {})
            if len(runs) < most:
                continue
            context = "".join(passage.text for passage in case.passages)
            routes = {spec: planner_of([spec]).routes[0] for spec in runs}
            priors = {spec: route.forecast(case.question, meter) for spec, route in routes.items()}
            half = sha256(context.encode()).digest()[0] % 2
            found.append(Asked(half, Task(case.question, _scores(case)), priors, runs))
    return found


def _scores(case: Case) -> tuple[float, ...]:
    index = Index.open(None, None)
    index.update(documents_of(case))
    with index:
        return scores_of(IndexRetriever(index=index, k=PASSAGES).invoke(case.question))


def learned(asked: Sequence[Asked], scorer: str) -> Forecaster:
    """Return what a half teaches."""
    forecaster = Forecaster()
    for one in asked:
        forecaster.learn(
            Run(route, one.task, one.priors[route], one.spent(route), result.seconds,
                result.scores[scorer] >= 1)
            for route, result in one.runs.items()
        )  # fmt: skip
    return forecaster


def played(policy: Policy, forecaster: Forecaster | None, one: Asked, scorer: str) -> Played:
    """Replay the planner on a question."""
    tried: list[str] = []
    tokens = 0
    while True:
        forecasts = dict(one.priors)
        if forecaster is not None:
            forecasts = {
                route: forecaster.forecast(route, one.task, prior)
                for route, prior in one.priors.items()
            }
        standing = Standing(Caps(tokens=100_000), Caps(tokens=100_000), tuple(tried), 1.0, one.task)
        route = policy.choose(forecasts, standing).route
        if route is None:
            return Played(0.0, tokens)
        tokens += one.runs[route].tokens
        if one.runs[route].kind == "generated":
            return Played(one.runs[route].scores[scorer], tokens)
        tried.append(route)


def fixed(route: str, one: Asked, scorer: str) -> Played:
    """Replay one route alone."""
    return Played(one.runs[route].scores[scorer], one.runs[route].tokens)


def best_fixed(asked: Sequence[Asked], scorer: str) -> str:
    """Return the route that is most often right; of equals the cheapest."""

    def standing(route: str) -> tuple[float, float]:
        runs = [fixed(route, one, scorer) for one in asked]
        return -mean(runs, lambda run: run.right), mean(runs, lambda run: run.tokens)

    return min(asked[0].runs, key=standing)


def mean(runs: Iterable[Played], figure: Callable[[Played], float]) -> float:
    """Return the mean of a figure."""
    return float(np.mean([figure(run) for run in runs]))


def chosen_worth(asked: Sequence[Asked], forecaster: Forecaster, scorer: str) -> int:
    """Return the smallest worth at which `Expected` is as often right as the best single route."""
    best = best_fixed(asked, scorer)
    wanted = mean((fixed(best, one, scorer) for one in asked), lambda run: run.right)
    for worth in WORTHS:
        policy = Expected(Worth(tokens=worth))
        runs = (played(policy, forecaster, one, scorer) for one in asked)
        if mean(runs, lambda run: run.right) >= wanted:
            return worth
    return WORTHS[-1]


def told(name: str, runs: Sequence[Played]) -> str:
    """Return a line of figures."""
    right, tokens = mean(runs, lambda run: run.right), mean(runs, lambda run: run.tokens)
    return f"  {name:44} right {right:6.1%}  {tokens:8,.0f} tokens a question"


def compared(asked: Sequence[Asked], scorer: str) -> None:
    """Print each route alone, and the planner beside the best of them."""
    for route in asked[0].runs:
        print(told(route, [fixed(route, one, scorer) for one in asked]))
    best: list[Played] = []
    planned: list[Played] = []
    unlearned: list[Played] = []
    worths: list[int] = []
    for half in (0, 1):
        train = [one for one in asked if one.half != half]
        test = [one for one in asked if one.half == half]
        forecaster = learned(train, scorer)
        worths.append(chosen_worth(train, forecaster, scorer))
        policy, route = Expected(Worth(tokens=worths[-1])), best_fixed(train, scorer)
        best += [fixed(route, one, scorer) for one in test]
        planned += [played(policy, forecaster, one, scorer) for one in test]
        unlearned += [played(Thresholds(), None, one, scorer) for one in test]
    print(told("best single route of the other half", best))
    print(told("Thresholds, by what routes state", unlearned))
    told_worths = " and ".join(f"{worth:,}" for worth in worths)
    print(told(f"Expected, a right answer worth {told_worths}", planned))
    gained, low, high = difference([a.right for a in planned], [b.right for b in best])
    saved = 1 - mean(planned, lambda run: run.tokens) / mean(best, lambda run: run.tokens)
    print(f"  Expected - best: {gained:+.1%} [{low:+.1%}, {high:+.1%}], {saved:.0%} fewer tokens")


def regrets(asked: Sequence[Asked], scorer: str) -> None:
    """Print the regret of policies, by what a right answer is worth."""
    halves = {half: learned([o for o in asked if o.half != half], scorer) for half in (0, 1)}
    print(
        f"  {'worth':>8}  {'Expected':>8}  {'best single':>11}  {'random':>7}  regret, in right answers"
    )
    for worth in WORTHS[::5]:

        def earned(run: Played, worth: int = worth) -> float:
            return run.right - run.tokens / worth

        policy = Expected(Worth(tokens=worth))
        rows = []
        for one in asked:
            singles = [earned(fixed(route, one, scorer)) for route in one.runs]
            mine = earned(played(policy, halves[one.half], one, scorer))
            rows.append([max(*singles, 0.0), mine, *singles])
        table = np.array(rows)
        oracle, mine, singles = table[:, 0].mean(), table[:, 1].mean(), table[:, 2:].mean(axis=0)
        print(
            f"  {worth:8,}  {oracle - mine:8.3f}  {oracle - max(*singles, 0.0):11.3f}  "
            f"{oracle - singles.mean():7.3f}"
        )


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--scorer", default="contains")
    options = parser.parse_args()
    for folders in [[folder] for folder in options.runs] + [options.runs] * (len(options.runs) > 1):
        asked = read(folders, options.scorer)
        if len({one.half for one in asked}) < 2:  # one to learn from, one to judge
            continue
        print(f"{', '.join(folder.stem for folder in folders)}: {len(asked)} questions")
        compared(asked, options.scorer)
        regrets(asked, options.scorer)


if __name__ == "__main__":
    main()
