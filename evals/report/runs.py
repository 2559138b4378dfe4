"""Pages of one run: what a trim kept, and how an answer came about."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from shoestring.evals.looks import Stretch, looked, looks_of
from shoestring.evals.report.page import page
from shoestring.evals.report.waterfall import waterfall
from shoestring.evals.report.xray import xray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.documents import Document

    from shoestring.budget import Ledger
    from shoestring.tools.trimming.trim import Trimmed

__all__ = ["answer_page", "trim_page"]

_Figure = dict[str, str | float | None]


def trim_page(documents: Sequence[Document], query: str, trimmed: Trimmed) -> str:
    """Return the X-ray of a trim, as one HTML file.

    Args:
        documents: What was trimmed.
        query: What it was needed for.
        trimmed: What came of it.

    Raises:
        MissingExtra: If Jinja2 is not installed.
    """
    kept, dropped = len(trimmed.documents), len(trimmed.dropped)
    note = f"{trimmed.tokens:,} of {trimmed.limit:,} tokens of room used"
    look = looked("trim", note, trimmed.documents, map(asdict, trimmed.dropped))
    figures: list[_Figure] = [
        _used("tokens", trimmed.tokens, trimmed.limit),
        {
            "name": "pieces kept",
            "value": f"{kept:,}",
            "of": f"of {kept + dropped:,}",
            "share": None,
        },
        {"name": "best chance", "value": f"{trimmed.score:.2f}", "of": "", "share": None},
    ]
    if trimmed.certificate is not None:
        share = f"{trimmed.certificate:.0%}"
        figures.append(
            {"name": "of the best packing", "value": share, "of": "at least", "share": None}
        )
    return page(
        "run.html",
        scripts=["drawing.js", "run.js"],
        data={"xray": xray(documents, [look]), "waterfall": None},
        kicker="Trim",
        title=query,
        figures=figures,
        answer=None,
        sent=trimmed.text,
    )


def answer_page(result: Mapping[str, Any], ledger: Ledger) -> str:
    """Return how the assistant came to an answer, as one HTML file.

    Args:
        result: The assistant's answer with the keys of its state `documents` and `trims`:
            `assistant.invoke(…, output_keys=[*Answer.__annotations__, "documents", "trims"])`.
        ledger: The account that paid.

    Raises:
        MissingExtra: If Jinja2 is not installed.
    """
    looks = looks_of(result["trims"])
    cited = [Stretch(s["source"], s["start"], s["end"], "cited") for s in result["sources"]]
    lines = [{**line.as_dict(), "dropped": line.dropped} for line in ledger.receipt.lines]
    return page(
        "run.html",
        scripts=["drawing.js", "run.js"],
        data={
            "xray": xray(result["documents"], looks, cited, called="cited"),
            "waterfall": waterfall(lines, ledger.limit.tokens),
        },
        kicker="Answer",
        title=result["question"],
        figures=_spent(ledger),
        answer={key: result[key] for key in ("answer", "kind", "route", "stopped_by", "sources")},
        sent=None,
    )


def _spent(ledger: Ledger) -> list[_Figure]:
    spent, limit = ledger.spent, ledger.limit
    figures = [
        _used("tokens", spent.tokens, limit.tokens),
        _used("calls", spent.calls, limit.calls),
    ]
    if spent.nanodollars or limit.usd is not None:
        cap = None if limit.usd is None else float(limit.usd)
        figures.append(_used("dollars", float(spent.usd), cap, "${:,.6f}"))
    figures.append(_used("seconds", ledger.elapsed, limit.seconds, "{:,.1f}"))
    return figures


def _used(name: str, value: float, cap: float | None, form: str = "{:,}") -> _Figure:
    """Return a figure with its cap, and the share of it that was used."""
    share = None if cap is None else min(1.0, value / cap) if cap else 1.0
    of = "" if cap is None else f"of {form.format(cap)}"
    return {"name": name, "value": form.format(value), "of": of, "share": share}
