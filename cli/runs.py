"""`shoestring eval run` and `compare`: what a budget buys, on cases with known answers."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from shoestring.cli.errors import BadInput
from shoestring.cli.page import check
from shoestring.cli.progress import running, waiting
from shoestring.cli.render_runs import WIDTH, named, new_console, new_table, show_forecast, show_run
from shoestring.cli.run_config import Config, read_config
from shoestring.cli.text import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shoestring.evals.cases import BrokenCases
    from shoestring.evals.figures import Point
    from shoestring.evals.running.assistants import Assistant
    from shoestring.evals.running.folder import RunFolder
    from shoestring.evals.running.result import Result
    from shoestring.evals.scorers import Scorer
    from shoestring.evals.suite import Suite

_BAD_SHOWN = 5


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
    temperature: Annotated[
        float | None, typer.Option(help="Of the assistant's model; above 0, seeds differ.")
    ] = None,
    budgets: Annotated[
        str | None,
        typer.Option(help="With commas: 500 (tokens), $0.002, 3 calls, 500 + $0.01, uncapped."),
    ] = None,
    routes: Annotated[
        str | None,
        typer.Option(
            help="Routes to ask for, with commas, as in direct, direct context=1024, full context; by "
            "default the target chooses."
        ),
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
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write the report, as eval report does.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which files of a set to read.")] = None,
    limit: Annotated[
        int | None, typer.Option(help="Cases, chosen by the hash of their ids.")
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(help="local, or ray: runs as tasks of a Ray cluster.", show_default="local"),
    ] = None,
    ledgers: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where the accounts live: for ray, a redis:// server."),
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
        "target": target, "model": model, "temperature": temperature, "budgets": _list(budgets),
        "routes": _list(routes), "seeds": seeds, "scorers": _list(scorers), "cap": cap,
        "out": None if out is None else str(out), "html": None if html is None else str(html),
        "split": split, "limit": limit, "executor": executor, "ledgers": ledgers,
        "concurrency": concurrency, "timeout": timeout, "energy": energy,
    }  # fmt: skip
    config = read_config(suite, {name: value for name, value in given.items() if value is not None})
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
    table = new_table(A=9, B=9, cases=5, difference=10, p=6, tokens=8)
    for left, right in pairs:
        found = figures.compare(ours[left], theirs[right], scorer)
        name = named(left) if left == right else f"{named(left)} / {named(right)}"
        table.add_row(
            printable(name),
            f"{100 * found.here:.1f}",
            f"{100 * found.there:.1f}",
            str(found.cases),
            f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]",
            f"{found.p:.3f}" if found.p >= 0.001 else "<.001",  # noqa: PLR2004 - three digits
            f"{found.tokens:.2f} x",
        )
    console = new_console()
    console.print(Text(f"{scorer}, in %: A {printable(str(here))}, B {printable(str(there))}"))
    console.print(table)
    console.print(
        Text("difference: A - B with its 95 % interval, paired by case; p: paired permutation test; "
             "tokens: A's over B's", "dim")
    )  # fmt: skip


def _run(config: Config, *, skip_bad: bool, dry_run: bool) -> None:
    from shoestring.budget import open_store
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
        show_forecast(forecast(kept, grid), grid, suite)
        return
    cap = parse_budget(config.cap) if config.cap else None
    page = Path(config.html) if config.html else None
    check(page)
    target = _target(config)
    if config.executor not in {"local", "ray"}:
        raise BadInput(f"--executor is local or ray, not {config.executor!r:.60}")
    with running() as told:
        sweep(
            target, suite, budgets=config.budgets, routes=config.routes,
            seeds=config.seeds, scorers=_scorers(config.scorers), folder=kept.path, cap=cap,
            executor="ray" if config.executor == "ray" else "local",
            ledgers=open_store(config.ledgers) if config.ledgers else None,
            concurrency=config.concurrency, timeout=config.timeout, on_progress=told,
            energy=Energy(config.energy) if config.energy else None,
        )  # fmt: skip
    show_run(kept)
    if cap is not None:
        new_console().print(Text(f"cap of the whole: {label(cap)}", "dim"))
    if page is not None:
        from shoestring.evals.report import write_report

        with waiting("Writing the report"):
            files = write_report(kept, page)
        for file in files:
            new_console().print(Text(f"written {printable(str(file))}", "dim"))


def _suite(config: Config, *, skip_bad: bool) -> Suite:
    from shoestring.evals.suite import Suite

    bad: list[BrokenCases] = []
    suite = Suite.read(
        config.suite, split=config.split, on_bad=bad.append if skip_bad else None
    ).choose(config.limit)
    for error in bad[:_BAD_SHOWN]:
        typer.echo(one_line(f"left out: {error}", WIDTH), err=True)
    if len(bad) > _BAD_SHOWN:
        typer.echo(f"left out: {len(bad) - _BAD_SHOWN:,} more", err=True)
    return suite


def _target(config: Config) -> object:
    if config.target == "assistant":
        return _assistant(config)
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


def _assistant(config: Config) -> Assistant:
    from shoestring.evals.running.assistants import Assistant
    from shoestring.models import load_model

    model = None
    if config.model != "quote":
        with waiting(f"Loading the model {config.model}"):
            model = load_model(config.model)
    if config.temperature is not None:
        if model is None or "temperature" not in type(model).model_fields:
            raise BadInput(f"--temperature: {config.model!r:.60} takes none")
        model = model.model_copy(update={"temperature": config.temperature})
    assistant = Assistant(model)
    for route in config.routes:
        assistant.planner(route)  # one that does not stand is told now, not by each run
    return assistant


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


def _list(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",")]
