"""`shoestring outline`: the table of contents of files, at the depth that fits."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from shoestring.cli.errors import BadInput
from shoestring.cli.progress import waiting
from shoestring.cli.skipped import tell_skipped
from shoestring.cli.text import write

if TYPE_CHECKING:
    from shoestring.tools import Contents, Opened, Outline, Skipped


def outline(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Files and folders, or a stored outline.")
    ],
    *,
    tokens: Annotated[
        int, typer.Option("--tokens", "-n", help="Room, in o200k_base tokens.")
    ] = 400,
    under: Annotated[
        str | None, typer.Option(help="List the parts of the node of this id.")
    ] = None,
    open_id: Annotated[
        str | None, typer.Option("--open", help="Print the text of the node of this id.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Keep the outline in this file; only changes are read anew.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what PATH is about, part by part, as finely as fits into the tokens."""
    if tokens < 0:
        raise BadInput(f"--tokens must be 0 or more, not {tokens}")
    if under is not None and open_id is not None:
        raise BadInput("--under lists parts and --open prints text: give one of them")
    with _outline(paths, store) as built:
        if open_id is not None:
            _write_text(built.open(open_id, tokens), as_json=as_json)
        else:
            _write_contents(built.contents(tokens, under), as_json=as_json)


def _outline(paths: list[Path], store: Path | None) -> Outline:
    from shoestring.tools import Outline, read

    skipped: list[Skipped] = []
    with waiting("Reading"):
        built = Outline.build(read(paths, on_skip=skipped.append), store)
    tell_skipped(skipped)
    return built


def _write_contents(found: Contents, *, as_json: bool) -> None:
    if as_json:
        nodes = [
            {
                "id": node.id,
                "parent": node.parent,
                "kind": node.kind,
                "title": node.title,
                "source": node.source,
                "start": node.start,
                "end": node.end,
                "tokens": node.tokens,
                "gist": node.gist,
            }
            for node in found.nodes
        ]
        _print_json(
            text=found.text,
            tokens=found.tokens,
            limit=found.limit,
            hidden=found.hidden,
            nodes=nodes,
        )
        return
    typer.echo(
        f"{found.tokens:,} of {found.limit:,} tokens; {len(found.nodes):,} parts shown, "
        f"{found.hidden:,} not",
        err=True,
    )
    if found.text:
        write(found.text)


def _write_text(found: Opened, *, as_json: bool) -> None:
    rest = found.rest.id if found.rest else None
    if as_json:
        _print_json(
            id=found.node.id,
            text=found.text,
            tokens=found.tokens,
            limit=found.limit,
            start=found.start,
            end=found.end,
            rest=rest,
            left=found.left,
        )
        return
    more = f"; {found.left:,} left, from --open {rest} on" if rest else ""
    typer.echo(f"{found.tokens:,} of {found.limit:,} tokens{more}", err=True)
    if found.text:
        write(found.text)


def _print_json(**values: object) -> None:
    write(json.dumps(values, ensure_ascii=False))
