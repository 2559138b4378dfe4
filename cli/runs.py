"""`shoestring eval run` and `compare`: what a budget buys, on cases with known answers."""

from __future__ import annotations

import importlib
import sys
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from shoestring.cli.errors import BadInput
from shoestring.cli.progress import waiting
from shoestring.cli.text import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.table import Table

    from shoestring.evals.cases import BrokenCases
    from shoestring.evals.figures import Curve, Point
    from shoestring.evals.running.folder import RunFolder
    from shoestring.evals.running.grid import Forecast, Grid
    from shoestring.evals.running.result import Result
    from shoestring.evals.scorers import Scorer
    from shoestring.evals.suite import Suite

_WIDTH = 120  # characters of a table where it is not written to a terminal
_BAD_SHOWN = 5


@dataclass
class Config:
    """What is run; the names are those of a configuration file's keys."""

    suite: str = ""
    target: str = "assistant"
    model: str = "local"
    budgets: list[str] = field(default_factory=list)
    routes: list[str] = field(default_factory=lambda: [""])
    seeds: int = 1
    scorers: list[str] = field(default_factory=lambda: ["contains", "f1"])
    cap: str = ""
    out: str = ""
    split: str = "dev"
    limit: int | None = None
    concurrency: int = 4
    timeout: float | None = None
    energy: str = ""


def run(
    suite: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG.toml|SUITE",
            help="A configuration, or cases: a .jsonl, .jsonl.gz or .csv file, or a folder of a set.",
        ),
    ],
    *,
    target: Annotated[
        str | None,
        typer.Option(help="assistant, or MODULE:NAME of an app, a graph, or a function of a Task."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The assistant's: as for ask.", show_default="local")
    ] = None,
    budgets: Annotated[
        str | None,
        typer.Option(help="With commas: 500 (tokens), $0.002, 3 calls, 500 + $0.01, uncapped."),
    ] = None,
    routes: Annotated[
        str | None,
        typer.Option(help="Routes to ask for, with commas; by default the target chooses."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Repetitions of each.")] = None,
    scorers: Annotated[
        str | None,
        typer.Option(
            help="With commas, the first says what is right: contains, exact, f1, numeric, choice, "
            "evidence, citations, abstention."
        ),
    ] = None,
    cap: Annotated[str | None, typer.Option(help="What the whole run may spend.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; a run that is there goes on.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which files of a set to read.")] = None,
    limit: Annotated[
        int | None, typer.Option(help="Cases, chosen by the hash of their ids.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(help="Runs at once.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds a run may take.")] = None,
    energy: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Estimate Wh and CO2e: FRA, USA, WOR.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out cases that cannot be used.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would cost, and call nothing.")
    ] = False,
) -> None:
    """Measure a target on every case of SUITE, under every budget; the options go before the file's."""
    given = {
        "target": target, "model": model, "budgets": _list(budgets), "routes": _list(routes),
        "seeds": seeds, "scorers": _list(scorers), "cap": cap, "split": split, "limit": limit,
        "out": None if out is None else str(out), "concurrency": concurrency, "timeout": timeout,
        "energy": energy,
    }  # fmt: skip
    config = _config(suite, {name: value for name, value in given.items() if value is not None})
    _run(config, skip_bad=skip_bad, dry_run=dry_run)


def compare(
    here: Annotated[Path, typer.Argument(metavar="A", help="Folder of a run.")],
    there: Annotated[Path, typer.Argument(metavar="B", help="Folder of another, over one suite.")],
) -> None:
    """Say whether A is better than B, case by case: differences with 95 % intervals."""
    from shoestring.evals import figures
    from shoestring.evals.running.folder import RunFolder

    mine, other = RunFolder(here), RunFolder(there)
    scorer = mine.info().scorers[0]
    if scorer not in other.info().scorers:
        raise BadInput(f"{there} has no scores of {scorer!r}, by which {here} says what is right")
    ours, theirs = _columns(mine.results()), _columns(other.results())
    pairs = [(key, key) for key in ours if key in theirs]
    if not pairs:  # nothing of one name: each at its best value for money
        best = [_best(folder, scorer) for folder in (mine, other)]
        pairs = [(best[0], best[1])]
    table = _new_table(A=9, B=9, cases=5, difference=10, p=6, tokens=8)
    for left, right in pairs:
        found = figures.compare(ours[left], theirs[right], scorer)
        name = _named(left) if left == right else f"{_named(left)} / {_named(right)}"
        table.add_row(
            printable(name),
            f"{100 * found.here:.1f}",
            f"{100 * found.there:.1f}",
            str(found.cases),
            f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]",
            f"{found.p:.3f}" if found.p >= 0.001 else "<.001",  # noqa: PLR2004 - three digits
            f"{found.tokens:.2f} x",
        )
    console = _console()
    console.print(Text(f"{scorer}, in %: A {printable(str(here))}, B {printable(str(there))}"))
    console.print(table)
    console.print(
        Text("difference: A - B with its 95 % interval, paired by case; p: paired permutation test; "
             "tokens: A's over B's", "dim")
    )  # fmt: skip


def _run(config: Config, *, skip_bad: bool, dry_run: bool) -> None:
    from shoestring.evals.running.energy import Energy
    from shoestring.evals.running.folder import RunFolder
    from shoestring.evals.running.grid import label, parse_budget
    from shoestring.evals.running.sweep import forecast, grid_of, sweep

    if not config.budgets:
        raise BadInput("give --budgets, such as 300,1000,uncapped")
    suite = _suite(config, skip_bad=skip_bad)
    grid = grid_of(suite, config.budgets, config.routes, config.seeds)
    kept = RunFolder(config.out or f"{suite.name}.run")
    if dry_run:
        _show_forecast(forecast(kept, grid), grid, suite)
        return
    cap = parse_budget(config.cap) if config.cap else None
    with _progress() as told:
        sweep(
            _target(config), suite, budgets=config.budgets, routes=config.routes,
            seeds=config.seeds, scorers=_scorers(config.scorers), folder=kept.path, cap=cap,
            concurrency=config.concurrency, timeout=config.timeout, on_progress=told,
            energy=Energy(config.energy) if config.energy else None,
        )  # fmt: skip
    show_run(kept)
    if cap is not None:
        _console().print(Text(f"cap of the whole: {label(cap)}", "dim"))


def show_run(kept: RunFolder) -> None:
    """Print the figures of a run: a table, and what they come to."""
    from shoestring.evals import figures

    info = kept.info()
    results = list(kept.results())
    found = figures.curves(results, info.scorers[0])
    console = _console()
    cases = len({result.case for result in results})
    console.print(
        Text.assemble(
            (printable(info.target), "bold"), " on ", (printable(info.suite), "bold"),
            f"  {cases:,} {'case' if cases == 1 else 'cases'}, right by {info.scorers[0]}",
        )
    )  # fmt: skip
    console.print(_curve_table(found))
    console.print(
        Text("right: in %, with its 95 % interval; per right: tokens for one right answer", "dim")
    )
    for line in [*_sums(found), *_energy(results)]:
        console.print(Text(line))
    wrong = [result for result in results if result.error and not result.stopped_by]
    for result in wrong[:_BAD_SHOWN]:
        console.print(Text(one_line(f"failed: {result.case}: {result.error}", _WIDTH), "red"))
    if len(wrong) > _BAD_SHOWN:
        console.print(Text(f"failed: {len(wrong) - _BAD_SHOWN:,} more", "red"))
    console.print(Text(f"kept in {printable(str(kept.path))}", "dim"))


def _curve_table(found: Sequence[Curve]) -> Table:
    paid = any(point.spend["usd"] for curve in found for point in curve.points)
    columns = {"right": 5, "95 %": 7, "tokens": 7, "calls": 5, **({"$": 7} if paid else {})}
    rest = {"seconds": 7, "per right": 9, "abstained": 9, "failed": 6, "over": 4}
    table = _new_table(**columns, **rest)
    for curve in found:
        for point in curve.points:
            usd = [f"{point.spend['usd']:.5f}"] if paid else []
            table.add_row(
                printable(_named((curve.route, point.budget))),
                f"{100 * point.accuracy:.1f}",
                f"{100 * point.low:.0f}-{100 * point.high:.0f}",
                f"{point.spend['tokens']:,.0f}",
                f"{point.spend['calls']:.1f}",
                *usd,
                f"{point.spend['seconds']:.2f}",
                _finite(point.cost_of_pass["tokens"]),
                f"{100 * point.abstained:.0f} %" if point.abstained else "",
                f"{100 * point.failed:.0f} %" if point.failed else "",
                f"{point.over:g}",
            )
    return table


def _sums(found: Sequence[Curve]) -> Iterable[str]:
    from shoestring.evals import figures

    points = [(curve.route, point) for curve in found for point in curve.points]
    names = {id(point): _named((route, point.budget)) for route, point in points}
    every = [point for _, point in points]
    cheapest = figures.smallest_within(every)
    if cheapest is not None and len(every) > 1:
        best = max(every, key=lambda point: point.accuracy)
        yield (
            f"within a point of the best ({100 * best.accuracy:.1f} %): {names[id(cheapest)]}, "
            f"{100 * cheapest.accuracy:.1f} % for {cheapest.spend['tokens']:,.0f} tokens"
        )
        front = figures.pareto(every)
        yield f"not beaten: {'; '.join(names[id(point)] for point in front)}"
    low = min((point.spend["tokens"] for point in every if point.spend["tokens"]), default=0)
    high = max((point.spend["tokens"] for point in every), default=0)
    if 0 < low < high:
        for curve in found:
            share = figures.area(curve.points, low, high)
            if share is not None:
                route = f"{curve.route}: " if curve.route else ""
                yield f"{route}mean accuracy from {low:,.0f} to {high:,.0f} tokens {100 * share:.1f} %"


def _energy(results: Sequence[Result]) -> Iterable[str]:
    known = [(*result.wh, *result.gco2e) for result in results if result.wh and result.gco2e]
    if known:
        low, high, least, most = (sum(ends) for ends in zip(*known, strict=True))
        yield (
            f"energy, as ecologits estimates it, of {len(known):,} of {len(results):,} runs: "
            f"{low:.3g} to {high:.3g} Wh, {least:.3g} to {most:.3g} gCO2e"
        )


def _show_forecast(found: Forecast, grid: Grid, suite: Suite) -> None:
    console = _console()
    cases, columns = len(suite.cases), len(grid) // len(suite.cases)
    console.print(
        Text(
            f"{found.runs:,} runs: {cases:,} cases in {columns:,} columns; {found.done:,} are done"
        )
    )
    most = [
        "no cap" if found.most_tokens is None else f"{found.most_tokens:,.0f} tokens",
        "" if found.most_usd is None else f"${found.most_usd:,.4f}",
    ]
    console.print(Text(f"the rest can spend at most: {', '.join(part for part in most if part)}"))
    if found.likely_tokens is not None and found.done:
        console.print(
            Text(f"likely in all: {found.likely_tokens:,.0f} tokens, ${found.likely_usd or 0:,.4f}")
        )


def _config(path: Path, given: dict[str, Any]) -> Config:
    if path.suffix != ".toml":
        merged: dict[str, Any] = {**given, "suite": str(path)}
        return Config(**merged)
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}") from error
    known = {one.name for one in fields(Config)}
    strange = sorted(set(written) - known)
    if strange:
        raise BadInput(f"{path}: no key {strange[0]!r}; there are {', '.join(sorted(known))}")
    for name in ("budgets", "routes", "scorers"):
        if name in written and not isinstance(written[name], list):
            raise BadInput(f'{path}: {name} is a list, as in {name} = ["…", "…"]')
        if name in written:
            written[name] = [str(one) for one in written[name]]
    if not isinstance(written.get("suite"), str):
        raise BadInput(f'{path}: name the cases: suite = "cases.jsonl"')
    # Paths of a file are relative to it.
    written["suite"] = str(path.parent / written["suite"])
    if "out" in written:
        written["out"] = str(path.parent / str(written["out"]))
    return Config(**{**written, **given})


def _suite(config: Config, *, skip_bad: bool) -> Suite:
    from shoestring.evals.suite import Suite

    bad: list[BrokenCases] = []
    suite = Suite.read(
        config.suite, split=config.split, on_bad=bad.append if skip_bad else None
    ).choose(config.limit)
    for error in bad[:_BAD_SHOWN]:
        typer.echo(one_line(f"left out: {error}", _WIDTH), err=True)
    if len(bad) > _BAD_SHOWN:
        typer.echo(f"left out: {len(bad) - _BAD_SHOWN:,} more", err=True)
    return suite


def _target(config: Config) -> object:
    if config.target == "assistant":
        from shoestring.evals.running.assistants import Assistant
        from shoestring.models import load_model

        if config.model == "quote":
            return Assistant(None)
        with waiting(f"Loading the model {config.model}"):
            return Assistant(load_model(config.model))
    module, colon, name = config.target.partition(":")
    if not colon or not module or not name:
        raise BadInput(f"--target is assistant or MODULE:NAME, not {config.target!r:.60}")
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise BadInput(f"no module {module!r:.60} here or among what is installed") from error
    finally:
        sys.path.pop(0)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise BadInput(f"{module} has no {name!r:.60}")
    return found


def _scorers(names: Sequence[str]) -> list[Scorer]:
    from shoestring.evals import scorers as known

    by_name: dict[str, Callable[[], Scorer]] = {
        "contains": known.Contains, "exact": known.ExactMatch, "f1": known.TokenF1,
        "numeric": known.Numeric, "choice": known.MultipleChoice,
        "evidence": known.EvidenceRecall, "citations": known.CitationPrecision,
        "abstention": known.Abstention,
    }  # fmt: skip
    for name in names:
        if name not in by_name:
            raise BadInput(f"no scorer {name!r:.60}; there are {', '.join(by_name)}")
    return [by_name[name]() for name in names]


class _progress:  # noqa: N801 - it is used like a function
    """A bar with what is done, spent and expected; nothing where stderr is no terminal."""

    def __enter__(self) -> Callable[[Forecast], None]:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        self._bar = Progress(
            SpinnerColumn(), TextColumn("Running"), BarColumn(), TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        self._bar.start()
        self._task = self._bar.add_task("Running", total=None, told="")
        return self._told

    def _told(self, found: Forecast) -> None:
        usd = f", ${found.spent_usd:,.4f}" if found.spent_usd else ""
        told = f"{found.done:,} of {found.runs:,} runs, {found.spent_tokens:,} tokens{usd}"
        if found.likely_tokens is not None:
            likely = f", ${found.likely_usd:,.4f}" if found.likely_usd else ""
            told += f" of some {found.likely_tokens:,.0f}{likely}"
        self._bar.update(self._task, completed=found.done, total=found.runs, told=told)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _columns(results: Iterable[Result]) -> dict[tuple[str, str], list[Result]]:
    columns: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        columns.setdefault((result.route, result.budget), []).append(result)
    return columns


def _best(folder: RunFolder, scorer: str) -> tuple[str, str]:
    """Give the route and budget within a point of a run's best."""
    from shoestring.evals import figures

    found = [
        (curve.route, point)
        for curve in figures.curves(folder.results(), scorer)
        for point in curve.points
    ]
    cheapest: Point | None = figures.smallest_within([point for _, point in found])
    if cheapest is None:
        raise BadInput(f"{folder.path} has no results yet")
    return next((route, point.budget) for route, point in found if point is cheapest)


def _named(column: tuple[str, str]) -> str:
    route, budget = column
    return f"{route}, {budget}" if route else budget


def _new_table(**columns: int) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("budget", no_wrap=True)
    for name, width in columns.items():
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    return table


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)


def _finite(figure: float) -> str:
    return "" if figure == float("inf") else f"{figure:,.0f}"


def _list(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",")]
