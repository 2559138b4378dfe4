"""`shoestring ledger`: what stands in a store of ledgers. Looking never changes it."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from shoestring.cli.errors import BadInput
from shoestring.cli.text import one_line, write

if TYPE_CHECKING:
    from shoestring.budget import Store

SCHEMA = 1
"""Of the JSON document: raised when a name in it changes its meaning or goes."""

_LONGEST_ID = 60  # characters of an id in an error
_NEAR = 3  # ids offered where one is not found
_SEARCHED = 10_000  # ids looked at for those


def ledger(
    store: Annotated[str, typer.Argument(metavar="PATH_OR_URL", help="Where the ledgers are.")],
    id: Annotated[  # noqa: A002 - typer names the argument by it
        str | None, typer.Argument(metavar="[ID]", help="A ledger; all of them if not given.")
    ] = None,
    *,
    lines: Annotated[
        int, typer.Option("--lines", min=0, help="How many lines of the receipt, the newest.")
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the ledgers of a store as trees, or one with its open holds and its receipt.

    Only looks: nothing is charged, brought up to date or created.
    """
    from shoestring.budget import LedgerNotFound, open_store
    from shoestring.cli.accounts import show_ledgers, show_look

    name = _without_password(store)
    opened = open_store(store, read_only=True)
    if id is None:
        found = opened.ledgers()
        if as_json:
            _write(name, ledgers=[view.as_dict() for view in found])
        else:
            show_ledgers(Console(highlight=False), name, found)
        return
    try:
        look = opened.look(id, lines=lines)
    except LedgerNotFound as error:
        raise BadInput(_not_found(opened, name, id)) from error
    if as_json:
        _write(name, **look.as_dict())
    else:
        show_look(Console(highlight=False), look)


def _write(store: str, **found: object) -> None:
    write(json.dumps({"schema": SCHEMA, "store": store, **found}, indent=2))


def _not_found(store: Store, name: str, id: str) -> str:  # noqa: A002 - as above
    """Return what to say of an id that is not there: which ones are near it."""
    known = [view.id for view in islice(store.ledgers(), _SEARCHED)]
    near = [other for other in known if other.startswith(id)][:_NEAR]
    near = near or get_close_matches(id, known, n=_NEAR)
    cure = (
        f"did you mean {' or '.join(_quoted(other) for other in near)}?"
        if near
        else f"`shoestring ledger {one_line(name, _LONGEST_ID)}` lists all"
    )
    return f"no ledger {_quoted(id)} in this store: {cure}"


def _quoted(id: str) -> str:  # noqa: A002 - as above
    return repr(one_line(id, _LONGEST_ID))


def _without_password(url: str) -> str:
    """Return a URL without what stands before the host.

    >>> _without_password("redis://user:secret@host/0"), _without_password("a@b.db")
    ('redis://host/0', 'a@b.db')
    """
    return re.sub(r"(?<=://)[^/]*@", "", url, count=1)
