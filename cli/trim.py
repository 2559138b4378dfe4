"""`shoestring trim`: text in, the part a question needs out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from shoestring.cli.errors import BadInput
from shoestring.cli.page import check
from shoestring.cli.text import write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shoestring.tools.trimming.trim import Dropped, Trimmed

Fill = Literal["relevant", "budget"]

_PROBE = 8_192  # bytes in which a NUL says that a file is no text
_LARGEST = 200_000_000  # bytes


def trim(
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="Text; - is stdin.")] = "-",
    *,
    query: Annotated[str, typer.Option("--query", "-q", help="What the text is needed for.")],
    tokens: Annotated[int, typer.Option("--tokens", "-n", help="Room, in o200k_base tokens.")],
    fill: Annotated[
        Fill, typer.Option(help="relevant stops where relevance ends, budget uses the room.")
    ] = "relevant",
    tiers: Annotated[
        str,
        typer.Option(
            help="Look again by meaning: static, bi-encoder or cross-encoder:MODEL, with commas."
        ),
    ] = "",
    ranker: Annotated[
        Path | None, typer.Option(help="A file that `shoestring tune` has written.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Also write what was kept and left out to this page.")
    ] = None,
) -> None:
    """Trim a text to what tells most about a question, within a number of tokens."""
    from langchain_core.documents import Document

    from shoestring.tools.relevance.ranker import Ranker
    from shoestring.tools.relevance.tiers import tiers_named
    from shoestring.tools.trimming.trim import trim as trim_documents

    if tokens < 0:
        raise BadInput(f"--tokens must be 0 or more, not {tokens}")
    if not query.strip():
        raise BadInput("the query is empty: say what the text is needed for, --query '…'")
    check(html)
    name, text = _read(file)
    document = Document(text, metadata={"source": name})
    # Bytes of the command line that are no UTF-8 come as lone surrogates.
    asked = query.encode(errors="replace").decode()
    kept = trim_documents(
        [document],
        asked,
        tokens,
        fill=fill,
        tiers=tiers_named(tiers),
        ranker=Ranker.load(ranker) if ranker else None,
    )
    if html is not None:
        from shoestring.evals.report import trim_page
        from shoestring.evals.report.page import save

        save(html, trim_page([document], asked, kept))
    _write(kept, as_json=as_json)


def _read(file: str) -> tuple[str, str]:
    """Read text, invalid UTF-8 replaced; give its name and the text."""
    if file == "-":
        if sys.stdin.isatty():
            raise BadInput("no text: name a file, or pipe text in")
        name, data = "stdin", sys.stdin.buffer.read(_LARGEST + 1)
    else:
        path = Path(file)
        if path.is_dir():
            raise BadInput(f"{file}: is a folder; `shoestring ask` reads folders")
        with path.open("rb") as stream:
            name, data = file, stream.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise BadInput(f"{name}: more than {_LARGEST // 1_000_000} MB; split it first")
    if b"\0" in data[:_PROBE]:
        raise BadInput(f"{name}: is binary; give text")
    text = data.decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise BadInput(f"{name}: is empty")
    return name, text


def _write(trimmed: Trimmed, *, as_json: bool) -> None:
    if as_json:
        output = json.dumps(
            {
                "text": trimmed.text,
                "tokens": trimmed.tokens,
                "limit": trimmed.limit,
                "kept": [
                    {
                        "source": piece.metadata["source"],
                        "start": piece.metadata["start"],
                        "end": piece.metadata["end"],
                        "score": round(piece.metadata["score"], 4),
                        "reason": piece.metadata["reason"],
                    }
                    for piece in trimmed.documents
                ],
                "dropped": list(_rows(trimmed.dropped)),
            },
            ensure_ascii=False,
        )
    else:
        output = trimmed.text
        kept, dropped = len(trimmed.documents), len(trimmed.dropped)
        typer.echo(
            f"{trimmed.tokens:,} of {trimmed.limit:,} tokens; "
            f"kept {kept:,} of {kept + dropped:,} pieces; best chance {trimmed.score:.2f}",
            err=True,
        )
    if output:
        write(output)


def _rows(dropped: Iterable[Dropped]) -> Iterable[dict[str, object]]:
    for one in dropped:
        yield {
            "source": one.source,
            "start": one.start,
            "end": one.end,
            "score": round(one.score, 4),
            "reason": one.reason,
        }
