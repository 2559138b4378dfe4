"""`shoestring tune`: fit a ranker to one's own cases, and say whether it helps."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from shoestring.cli.errors import BadInput
from shoestring.cli.progress import waiting
from shoestring.cli.text import printable


def tune(
    suite: Annotated[Path, typer.Argument(help="Folder of one set of cases.")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the ranker.")],
    split: Annotated[str, typer.Option(help="Which files of the set to read.")] = "dev",
    limit: Annotated[
        int | None, typer.Option(help="Cases, chosen by the hash of their ids.")
    ] = None,
    tiers: Annotated[str, typer.Option(help="As for `shoestring trim`.")] = "",
) -> None:
    """Fit a ranker to cases; write it only if it helps on cases it was not fitted to."""
    from shoestring.evals.cases import choose, read_cases
    from shoestring.evals.tuning import tune as fit
    from shoestring.tools.relevance.tiers import tiers_named

    if limit is not None and limit < 1:
        raise BadInput(f"--limit must be 1 or more, not {limit}")
    if out.is_dir() or not out.parent.is_dir():
        raise BadInput(f"--out: {out} cannot be written: no such folder, or a folder itself")
    cases = choose(read_cases(suite, split), limit)
    with waiting("Fitting and checking"):
        tuned = fit(cases, tiers=tiers_named(tiers))
    low, high = tuned.interval
    figures = (
        f"{tuned.cases:,} cases with evidence; recall {100 * tuned.rule:.1f} % by the stated rule, "
        f"{100 * tuned.gain:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}] points by a ranker"
    )
    typer.echo(figures)
    if tuned.ranker is None:
        typer.echo("It does not help: nothing is written; the stated rule is as good.")
        raise typer.Exit(1)
    tuned.ranker.save(out)
    typer.echo(f"It helps: written to {printable(str(out))}")
