"""The curves as pictures for papers and READMEs, and as data for the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shoestring.budget.extras import require
from shoestring.evals.report.text import shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shoestring.evals.report.summary import Series, Summary

__all__ = ["AXES", "charted", "draw"]

AXES = {
    "tokens": "tokens a question",
    "usd": "dollars a question",
    "calls": "calls a question",
    "seconds": "seconds a question",
    "wh": "watt-hours a question",
}
_COLOURS = ("#0b625a", "#b4552d", "#3d5a98", "#8a6d1d", "#7a3b69", "#4a4a4a")
_MARKERS = "osD^vP"
_LOGARITHMIC = 8  # times the least spend from which the axis is logarithmic


def charted(summary: Summary) -> dict[str, Any]:
    """Return the curves as plain data: the axes that are known, and the series with their points."""
    axes = [axis for axis in AXES if any(_known(one, axis) for one in summary.series)]
    return {
        "axes": [[axis, AXES[axis]] for axis in axes],
        "series": [
            {
                "name": shown(one.name),
                "baseline": one.baseline,
                "points": [
                    {
                        "budget": shown(point.budget),
                        "accuracy": point.accuracy,
                        "low": point.low,
                        "high": point.high,
                        "spend": dict(point.spend),
                    }
                    for point in one.points
                ],
            }
            for one in summary.series
        ],
    }


def draw(summary: Summary, files: Sequence[Path]) -> None:
    """Draw accuracy against mean tokens, with 95 % intervals, to files of any format (.svg, .png).

    Args:
        summary: The figures.
        files: Where to; the ending says how.

    Raises:
        MissingExtra: If matplotlib is not installed.
    """
    require("matplotlib", "report")
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings: Any = {  # matplotlib types its keys one by one
        "svg.hashsalt": "shoestring",  # the same figures are the same bytes
        "svg.fonttype": "none",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with rc_context(settings):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        spends = [point.spend["tokens"] for one in summary.series for point in one.points]
        for number, one in enumerate(summary.series):
            x = [point.spend["tokens"] for point in one.points]
            y = [100 * point.accuracy for point in one.points]
            below = [max(0.0, 100 * (point.accuracy - point.low)) for point in one.points]
            above = [max(0.0, 100 * (point.high - point.accuracy)) for point in one.points]
            axes.errorbar(
                x,
                y,
                yerr=[below, above],
                label=_label(one.name),
                color=_COLOURS[number % len(_COLOURS)],
                marker=_MARKERS[number % len(_MARKERS)],
                linestyle="--" if one.baseline else "-",
                capsize=3,
                linewidth=1.4,
                markersize=5,
            )
        if min(spends) > 0 and max(spends) > _LOGARITHMIC * min(spends):
            axes.set_xscale("log")
        axes.set_xlabel(f"mean {AXES['tokens']}")
        axes.set_ylabel(f"{_label(summary.info.scorers[0])}, %")
        axes.set_ylim(0, 100)
        axes.grid(visible=True, axis="y", linewidth=0.5, alpha=0.4)
        axes.legend(frameon=False, fontsize=9)
        for file in files:
            kind = file.suffix.removeprefix(".")
            dated = {"Date": None} if kind == "svg" else {"Software": None}
            figure.savefig(file, format=kind, dpi=160, metadata=dated)


def _label(name: str) -> str:
    """Return a name that matplotlib takes for no formula, and for no name to hide."""
    text = shown(name).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _known(series: Series, axis: str) -> bool:
    return all(axis in point.spend for point in series.points) and any(
        point.spend[axis] > 0 for point in series.points
    )
