"""The `shoestring` command: one module a subcommand, imported when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from shoestring import __version__
from shoestring.cli.ask import ask
from shoestring.cli.doctor import doctor
from shoestring.cli.errors import OneLineErrors
from shoestring.cli.eval import eval_app
from shoestring.cli.ledger import ledger
from shoestring.cli.outline import outline
from shoestring.cli.plan import plan
from shoestring.cli.trim import trim
from shoestring.cli.tune import tune

app = typer.Typer(
    cls=OneLineErrors,
    name="shoestring",
    help="Agents that live within their means.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(ask)
app.command()(plan)
app.command()(trim)
app.command()(outline)
app.command()(tune)
app.command()(ledger)
app.command()(doctor)
app.add_typer(eval_app, name="eval")


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if wanted:
        typer.echo(f"shoestring {__version__}")
        raise typer.Exit


@app.callback()
def main(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Agents that live within their means."""
    del version  # its callback has answered


if __name__ == "__main__":
    app()
