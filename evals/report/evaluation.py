"""The report of an evaluation: one page, its figures as Markdown, and its curve as pictures."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoestring.budget.extras import require
from shoestring.evals.report.charts import charted, draw, pictures
from shoestring.evals.report.markdown import cost, markdown, money, sentences
from shoestring.evals.report.packing import pack_cases, squeezed
from shoestring.evals.report.page import page, ready, save
from shoestring.evals.report.summary import Summary, summarise
from shoestring.evals.running.folder import RunFolder

if TYPE_CHECKING:
    from shoestring.evals.report.summary import Series

__all__ = ["report_page", "write_report"]


def write_report(run: RunFolder | Path | str, out: Path | str) -> list[Path]:
    """Write the report of a run.

    Args:
        run: A folder that `sweep` has filled; a run that is not finished is reported as far as it is.
        out: The page, such as `report.html`. `report.md`, `curve.svg` and `curve.png` are written beside it,
            the first named like the page.

    Returns:
        The files that were written.

    Raises:
        BrokenRun: If the folder holds no run, or nothing is finished in it.
        MissingExtra: If a package is missing, with the pip command.
        OSError: If a file cannot be written.
    """
    ready()
    folder = run if isinstance(run, RunFolder) else RunFolder(run)
    out = Path(out)
    pictures = [out.with_name("curve.svg"), out.with_name("curve.png")]
    summary = summarise(folder)
    html = report_page(summary, folder)
    draw(summary, pictures)
    text = out.with_suffix(".md")
    for file, content in ((text, markdown(summary, pictures[0].name)), (out, html)):
        save(file, content)
    return [out, text, *pictures]


def report_page(summary: Summary, run: RunFolder) -> str:
    """Return the page of a report.

    Raises:
        MissingExtra: If Jinja2 or plotly is not installed.
    """
    packed = pack_cases(summary, run.traces)
    blocks = packed.pop("blocks"), packed.pop("contexts")
    info = summary.info
    plotly = _plotly()
    return page(
        "report.html",
        scripts=["drawing.js", "report.js"],
        later=[plotly],
        data={**packed, "chart": charted(summary), "scorer": info.scorers[0]},
        kicker="Evaluation",
        title=f"{info.target} on {info.suite}",
        told=list(sentences(summary)),
        pictures=pictures(summary),
        best=max((p for one in summary.series for p in one.points), key=lambda p: p.accuracy),
        series=[_rows(one, summary) for one in summary.series],
        hurt=summary.hurt,
        compared=summary.compared,
        blocks=blocks[0],
        contexts=blocks[1],
        plotly=squeezed(plotly.encode()),
        shown=len(packed["cases"]),
        of=packed["of"],
        scorer=info.scorers[0],
        span=summary.span,
        version=info.version,
    )


def _rows(one: Series, summary: Summary) -> dict[str, Any]:
    chosen = summary.choice[1] if summary.choice is not None else None
    return {
        "name": one.name,
        "baseline": one.baseline,
        "area": one.area,
        "points": [
            {
                "budget": point.budget,
                "cases": point.cases,
                "accuracy": 100 * point.accuracy,
                "low": 100 * point.low,
                "high": 100 * point.high,
                "spend": point.spend,
                "usd": money(point.spend["usd"]),
                "pass": cost(point.cost_of_pass["tokens"]),
                "abstained": 100 * point.abstained,
                "failed": 100 * point.failed,
                "over": point.over,
                "front": any(point is best for best in summary.front),
                "chosen": point is chosen,
            }
            for point in one.points
        ],
    }


def _plotly() -> str:
    require("plotly", "report")
    return files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
