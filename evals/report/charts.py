"""The curves as pictures for papers and READMEs, and as data for the page."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from shoestring.budget.extras import require
from shoestring.evals.report.text import shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from shoestring.evals.figures import Point
    from shoestring.evals.report.summary import Series, Summary

__all__ = ["AXES", "charted", "draw", "pictures"]

AXES = {
    "tokens": "tokens a question",
    "usd": "dollars a question",
    "calls": "calls a question",
    "seconds": "seconds a question",
    "wh": "watt-hours a question",
}
_WIDE, _NARROW = (6.4, 4.0), (3.4, 3.4)  # inches; the narrow one is for phones


@dataclass(frozen=True, slots=True)
class _Ink:
    """Colours of a picture; those of the page in page.css."""

    text: str
    grid: str
    lines: tuple[str, ...]


_LIGHT = _Ink(
    "#1f1c18", "#dcd7cc", ("#0b625a", "#a4471f", "#33549a", "#7d6114", "#7a3b69", "#4a4a4a")
)
_DARK = _Ink(
    "#ece8df", "#3a3731", ("#62c6b8", "#eb9a72", "#93b3f0", "#d8bd62", "#d99ac7", "#c9c4ba")
)
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
                    for point in _bought(one)
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
    for file in files:
        kind = file.suffix.removeprefix(".")
        file.write_bytes(_picture(summary, kind, _WIDE, _LIGHT, paper=True))


def pictures(summary: Summary) -> list[dict[str, str]]:
    """Return the curve as a page shows it at once: for wide and narrow screens, light and dark.

    Each as `media`, which is empty for the last, and `data`, a URL that holds an SVG picture.

    Raises:
        MissingExtra: If matplotlib is not installed.
    """
    dark, narrow = "(prefers-color-scheme: dark)", "(max-width: 34rem)"
    kinds = (
        (f"{dark} and {narrow}", _NARROW, _DARK),
        (narrow, _NARROW, _LIGHT),
        (dark, _WIDE, _DARK),
        ("", _WIDE, _LIGHT),
    )
    return [
        {
            "media": media,
            "data": f"data:image/svg+xml;base64,{b64encode(_picture(summary, 'svg', size, ink)).decode()}",
        }
        for media, size, ink in kinds
    ]


def _picture(
    summary: Summary, kind: str, size: tuple[float, float], ink: _Ink, *, paper: bool = False
) -> bytes:
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
        **dict.fromkeys(
            ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color"), ink.text
        ),
        "ytick.color": ink.text,
        "grid.color": ink.grid,
    }
    content = BytesIO()
    with rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        # On a page of its own it stands on paper, wherever it is shown; in the report on the page's.
        figure.patch.set_alpha(1 if paper else 0)
        FigureCanvasAgg(figure)
        axes = figure.add_subplot(facecolor="none")
        _draw(summary, axes, ink)
        rows = len(summary.series) if size == _NARROW else 2
        figure.legend(
            loc="outside upper left",
            frameon=False,
            fontsize=9,
            ncols=-(-len(summary.series) // rows),
        )
        dated = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(content, format=kind, dpi=160, metadata=dated)
    return content.getvalue()


def _draw(summary: Summary, axes: Axes, ink: _Ink) -> None:
    from matplotlib.ticker import LogLocator

    spends = [point.spend["tokens"] for one in summary.series for point in _bought(one)]
    for number, one in enumerate(summary.series):
        points = _bought(one)
        below = [max(0.0, 100 * (point.accuracy - point.low)) for point in points]
        above = [max(0.0, 100 * (point.high - point.accuracy)) for point in points]
        axes.errorbar(
            [point.spend["tokens"] for point in points],
            [100 * point.accuracy for point in points],
            yerr=[below, above],
            label=_label(one.name),
            color=ink.lines[number % len(ink.lines)],
            marker=_MARKERS[number % len(_MARKERS)],
            linestyle="--" if one.baseline else "-",
            capsize=3,
            linewidth=1.4,
            markersize=5,
        )
    if spends and min(spends) > 0 and max(spends) > _LOGARITHMIC * min(spends):
        axes.set_xscale("log", subs=[])
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel(f"mean {AXES['tokens']}")
    axes.set_ylabel(f"{_label(summary.info.scorers[0])}, %")
    axes.set_ylim(0, 100)
    axes.grid(visible=True, axis="y", linewidth=0.5)


def _label(name: str) -> str:
    """Return a name that matplotlib takes for no formula, and for no name to hide."""
    text = shown(name).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _bought(series: Series) -> list[Point]:
    """Return the points that are drawn: where nothing could be paid, there is nothing to see."""
    return [p for p in series.points if p.accuracy > 0 or p.failed < 1 or p.spend["tokens"] > 0]


def _known(series: Series, axis: str) -> bool:
    return all(axis in point.spend for point in series.points) and any(
        point.spend[axis] > 0 for point in series.points
    )
