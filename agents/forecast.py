"""What routes will cost and whether they will work, learned from what earlier runs did."""

from __future__ import annotations

import json
import math
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from shoestring.agents.estimates import (
    BadEstimate,
    Chance,
    Quantiles,
    Spread,
    numbers,
    rounded,
)
from shoestring.agents.features import FEATURES, QUESTION
from shoestring.budget import Amount
from shoestring.tools.files.bounded_json import BadJSON, read_json
from shoestring.tools.files.lock import LockHeld, locked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shoestring.agents.estimates import Floats
    from shoestring.agents.features import Task
    from shoestring.agents.route import Forecast

HIGH = 0.9
"""The share of runs that stay within the high figures."""

FEWEST = 10
"""Runs from which costs are forecast from runs alone: fewer cannot tell what nine in ten stay within."""

CALL_SECONDS = 0.5
"""Prior: seconds until a hosted model begins to answer."""

TOKEN_SECONDS = 0.02
"""Prior: seconds an output token takes, at 50 tokens a second."""

_FIGURES = ("input_tokens", "output_tokens", "tokens", "nanodollars", "seconds")
_NOISE = 0.1  # prior variance of a log-ratio around its line: a factor of 1.4
_FURTHEST = math.log(1_000)
_FORMAT = "shoestring forecasts"
_VERSION = 1
_LARGEST = 4 * 2**20  # bytes of a file
_LONGEST_NAME = 200
_WAIT = 10.0  # seconds for another process that writes the file


class BadForecasts(ValueError):  # noqa: N818 - it names what is wrong
    """A file of forecasts is not what it should be, or cannot be read or written; the message says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a route came to.

    Args:
        route: The route's name.
        task: What was known when it was chosen.
        prior: What the route itself had stated; costs are learned as shares of it.
        spent: What it cost.
        seconds: How long it took; None if nobody looked.
        right: Whether its answer was right; None if nobody knows.
        model: The model's name; "" for routes without one.

    Raises:
        ValueError: If the seconds are negative or not finite.
    """

    route: str
    task: Task
    prior: Forecast
    spent: Amount
    seconds: float | None = None
    right: bool | None = None
    model: str = ""

    def __post_init__(self) -> None:
        if self.seconds is not None and not 0 <= self.seconds < math.inf:
            raise ValueError(f"a run took {self.seconds} seconds: give a finite time")


class Forecaster:
    """Forecasts what routes cost and whether they work, and learns from every run.

    Costs are learned as shares of what a route states, on a line over the features of the question;
    how far runs lay from that line gives the quantiles, each counted before it was learned from. The
    chance of a right answer is a logistic curve over the features of the question, of what was
    retrieved and of a draft already there; it begins at the route's prior. All is kept in about 4 KB
    a route and model.

    Args:
        path: Where it is kept: read now if it is there, written after each `learn`. Processes may
            share it. None keeps it in memory.

    Raises:
        BadForecasts: If the file is there and is not what it should be.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = None if path is None else Path(path)
        self._lock = Lock()
        self._known: dict[tuple[str, str], _Known] = {}
        if self.path is not None and self.path.exists():
            self._known = _read(self.path)

    def forecast(self, route: str, task: Task, prior: Forecast, *, model: str = "") -> Forecast:
        """Return the prior with all that runs of this route and model have taught.

        With fewer than 10 runs the costs stay as stated, at their bounds.
        """
        with self._lock:
            known = self._known.get((route, model))
            return prior if known is None else known.forecast(np.array(task.features), prior)

    def learn(self, runs: Iterable[Run]) -> None:
        """Take in runs, in the order given; then write the file, if there is one.

        Raises:
            BadForecasts: If the file was damaged meanwhile, or cannot be written.
        """
        runs = tuple(runs)
        with self._lock:
            if self.path is None:
                _learn(self._known, runs)
                return
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with locked(self.path.with_name(f"{self.path.name}.lock"), _WAIT):
                    # Others may have written since: their runs count too.
                    known = _read(self.path) if self.path.exists() else {}
                    _learn(known, runs)
                    _write(self.path, known)
            except LockHeld as error:
                raise BadForecasts(f"{self.path}: another process is writing it") from error
            except OSError as error:
                raise BadForecasts(f"{self.path}: cannot be written: {error.strerror}") from error
            self._known = known


@dataclass(slots=True)
class _Known:
    """What is known about one route with one model."""

    success: Chance
    spread: Spread = field(default_factory=lambda: Spread.prior(len(QUESTION)))
    means: Floats = field(default_factory=lambda: np.zeros((len(_FIGURES), len(QUESTION))))
    rests: dict[str, Quantiles] = field(
        default_factory=lambda: {figure: Quantiles() for figure in _FIGURES}
    )
    runs: int = 0

    def learn(self, run: Run) -> None:
        features = np.array(run.task.features)
        seen = features[: len(QUESTION)]
        stated, found = _figures(run.prior.bound or run.prior.likely), _figures(run.spent)
        found["seconds"] = run.seconds
        step = self.spread.gain(seen, _NOISE)
        for place, figure in enumerate(_FIGURES):
            value = found[figure]
            if value is None:
                continue
            distance = _ratio(value, stated[figure]) - float(self.means[place] @ seen)
            self.rests[figure].add(distance)
            self.means[place] += step * distance
        self.runs += 1
        if run.right is not None:
            self.success.learn(features, happened=run.right)

    def forecast(self, features: Floats, prior: Forecast) -> Forecast:
        chance = self.success.of(features) if self.success.seen else prior.success
        if self.runs < FEWEST:
            return replace(prior, success=chance)
        seen = features[: len(QUESTION)]
        stated = _figures(prior.bound or prior.likely)
        half: dict[str, float] = {}
        most: dict[str, float] = {}
        for place, figure in enumerate(_FIGURES):
            middle = float(self.means[place] @ seen)
            for share, values in ((0.5, half), (HIGH, most)):
                rest = self.rests[figure].at(share)
                if rest is not None:
                    values[figure] = _times(stated[figure] or 0.0, middle + rest)
        calls = (prior.bound or prior.likely).calls
        return replace(
            prior,
            likely=_amount(half, calls),
            high=_amount(most, calls),
            bound=prior.bound or prior.likely,
            success=chance,
            seconds=(half["seconds"], most["seconds"]) if "seconds" in most else None,
            runs=self.runs,
        )


def _learn(known: dict[tuple[str, str], _Known], runs: Iterable[Run]) -> None:
    for run in runs:
        key = run.route, run.model
        if key not in known:
            known[key] = _Known(Chance.prior(len(FEATURES), run.prior.success))
        known[key].learn(run)


def _figures(amount: Amount) -> dict[str, float | None]:
    return {
        "input_tokens": amount.input_tokens,
        "output_tokens": amount.output_tokens,
        "tokens": amount.tokens,
        "nanodollars": amount.nanodollars,
        "seconds": CALL_SECONDS * amount.calls + TOKEN_SECONDS * amount.output_tokens,
    }


def _ratio(value: float, stated: float | None) -> float:
    # One more of each, so that what costs nothing has a ratio too.
    ratio = math.log((value + 1) / ((stated or 0.0) + 1))
    return max(-_FURTHEST, min(_FURTHEST, ratio))


def _times(stated: float, ratio: float) -> float:
    return max(0.0, (stated + 1) * math.exp(max(-_FURTHEST, min(_FURTHEST, ratio))) - 1)


def _amount(values: Mapping[str, float], calls: int) -> Amount:
    """Return the figures as an amount whose tokens, read and written, come to what all tokens do."""
    read, written, tokens = (math.ceil(values[figure]) for figure in _FIGURES[:3])
    written = round(tokens * written / (read + written)) if read + written else 0
    return Amount(tokens - written, written, round(values["nanodollars"]), calls)


def _write(path: Path, known: Mapping[tuple[str, str], _Known]) -> None:
    """Put a new file in the old one's place, in one step."""
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "features": FEATURES,
        "figures": _FIGURES,
        "routes": [
            {
                "route": route,
                "model": model,
                "runs": one.runs,
                "judged": one.success.seen,
                "success": rounded(one.success.mean),
                "success_spread": one.success.spread.as_list(),
                "costs": [rounded(row) for row in one.means],
                "costs_spread": one.spread.as_list(),
                "rests": [one.rests[figure].as_dict() for figure in _FIGURES],
            }
            for (route, model), one in sorted(known.items())
        ],
    }
    data = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _read(path: Path) -> dict[tuple[str, str], _Known]:
    try:
        content = read_json(path, _LARGEST)
    except BadJSON as error:
        raise BadForecasts(f"{path}: {error}: if it is damaged, delete it to begin anew") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise BadForecasts(f"{path}: holds no forecasts of shoestring")
    kept = (content.get("version"), content.get("features"), content.get("figures"))
    if kept != (_VERSION, list(FEATURES), list(_FIGURES)):
        raise BadForecasts(
            f"{path}: was written by another version of shoestring: delete it to begin anew"
        )
    try:
        return dict(map(_entry, _listed(content.get("routes"))))
    except BadEstimate as error:
        raise BadForecasts(f"{path}: {error}: delete it to begin anew") from error


def _entry(content: object) -> tuple[tuple[str, str], _Known]:
    entry: Mapping[str, Any] = content if isinstance(content, dict) else {}
    names = (entry.get("route"), entry.get("model"))
    route, model = names
    if (
        not isinstance(route, str)
        or not isinstance(model, str)
        or max(map(len, (route, model))) > _LONGEST_NAME
    ):
        raise BadEstimate("a route in it has no name")
    runs, judged = (
        int(number) for number in numbers([entry.get("runs"), entry.get("judged")], 2, 1e12)
    )
    rows, rests = _listed(entry.get("costs")), _listed(entry.get("rests"))
    if not len(rows) == len(rests) == len(_FIGURES):
        raise BadEstimate("figures are missing")
    return (route, model), _Known(
        Chance(
            numbers(entry.get("success"), len(FEATURES)),
            Spread.from_list(entry.get("success_spread"), len(FEATURES)),
            judged,
        ),
        Spread.from_list(entry.get("costs_spread"), len(QUESTION)),
        np.array([numbers(row, len(QUESTION)) for row in rows]),
        {f: Quantiles.from_dict(rest) for f, rest in zip(_FIGURES, rests, strict=True)},
        max(0, runs),
    )


def _listed(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise BadEstimate("a list is missing in it")
    return value
