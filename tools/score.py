"""Scores: how much each unit tells about a query."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoestring.tools import identifiers, loglines
from shoestring.tools.chance import LOG_MARK, chances, mark
from shoestring.tools.ranking import Ranking, Text, scaled
from shoestring.tools.tiers.fusing import fused
from shoestring.tools.tiers.tier import Tier

__all__ = ["Scores", "Text", "score"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_LOG_ASKED = (
    0.9  # weight of the log's own signs when the query asks for a failure (dev: 0.8 as good)
)
_LOG_ELSE = 0.15  # and otherwise
_MOSTLY = 0.8  # of the units are lines: the text is one of lines
_IDENTIFIERS = 0.5  # weight of a JSON value's identifiers (dev: 0.3 and 0.7 are -6 and 0 points)
_REPEAT = 0.1  # what a repeated unit keeps of its score


@dataclass(frozen=True, slots=True)
class Scores:
    """What scoring found, one entry a unit, over all documents in order."""

    values: Floats
    """Relevance in [0, 1], to rank the units of one call by."""
    chances: Floats
    """Chance in [0, 1] that the unit holds evidence; see `chances`."""
    relevant: NDArray[np.bool_]
    """Whether it stands above the mark where relevance ends (`mark`), and is no repeat."""
    repeats: NDArray[np.bool_]
    """Whether a better placed unit says the same, word for word."""
    said: Sequence[tuple[float, Ints]] = ()
    """The query's words that were found: each with its rarity and the units it stands in."""


def score(texts: Sequence[Text], query: str, room: float, *, tiers: Sequence[Tier] = ()) -> Scores:
    """Score units by their words (`Ranking`), and by what their kind of text shows without them.

    Logs are scored by `loglines`, more so when the query asks for a failure; JSON values by their
    `identifiers`. Tiers look again at the units that their words rank best (`fused`).

    Args:
        texts: The documents.
        query: What is asked; not empty.
        room: The room in characters, roughly; it says how many units the first round may pick.
        tiers: Dearer looks, cheapest first.

    Returns:
        One score a unit.
    """
    flat = [unit for text in texts for unit in text.units]
    if not flat:
        return Scores(np.zeros(0), np.zeros(0), np.zeros(0, np.bool_), np.zeros(0, np.bool_))
    document = np.repeat(np.arange(len(texts)), [len(text.units) for text in texts])
    ranking = Ranking(texts, flat, document)
    values, height = ranking.score(query, room)
    values, height = fused(values, height, flat, query, tiers)
    worded = values
    values, height = _with_logs(
        values, height, texts=texts, flat=flat, document=document, query=query
    )
    logged = values is not worded
    values, height = _with_identifiers(values, height, texts, flat, document)
    shares, repeats = _damp_repeats(scaled(values), flat)
    least = LOG_MARK if logged else mark(height, len(flat))
    return Scores(
        values=shares * height,
        chances=chances(shares, height),
        relevant=(shares >= least) & ~repeats,
        repeats=repeats,
        said=ranking.said(query),
    )


def _with_logs(
    values: Floats,
    height: float,
    *,
    texts: Sequence[Text],
    flat: Sequence[str],
    document: Ints,
    query: str,
) -> tuple[Floats, float]:
    """Mix in what log lines tell without the query's words."""
    lined = np.array([text.lines for text in texts], np.bool_)[document]
    asked = loglines.asks_for_failure(query)
    if lined.mean() >= _MOSTLY:  # its few other units belong to it
        lined[:] = True
    places = np.flatnonzero(lined)
    lines = [flat[i] for i in places.tolist()]
    # Whoever asks what failed, of a text in lines, asks a log, even one without times and levels.
    if not ((asked and lined.all() and len(lines) >= loglines.FEWEST) or loglines.is_log(lines)):
        return values, height
    weight = _LOG_ASKED if asked else _LOG_ELSE
    mixed = values.copy()
    mixed[places] = (1.0 - weight) * values[places] + weight * loglines.score_lines(lines)
    return scaled(mixed), max(height, weight)


def _with_identifiers(
    values: Floats, height: float, texts: Sequence[Text], flat: Sequence[str], document: Ints
) -> tuple[Floats, float]:
    """Mix in how many identifiers JSON values hold."""
    places = np.flatnonzero(np.array([text.data for text in texts], np.bool_)[document])
    if not len(places):
        return values, height
    held = identifiers.score_values([flat[i] for i in places.tolist()])
    if not held.any():
        return values, height
    mixed = scaled(values)
    mixed[places] = (1.0 - _IDENTIFIERS) * mixed[places] + _IDENTIFIERS * held
    return scaled(mixed), max(height, _IDENTIFIERS * float(held.max()))


def _damp_repeats(values: Floats, keys: Sequence[str]) -> tuple[Floats, NDArray[np.bool_]]:
    """Leave the best of units that say the same as it is, damp the others, and say which they are."""
    order = np.argsort(-values, kind="stable")
    place: dict[int, int] = {}
    same = np.array(
        [place.setdefault(hash(_in_one_line(key)), len(place)) for key in keys], np.int64
    )
    repeats = np.ones(len(keys), np.bool_)
    repeats[order[np.unique(same[order], return_index=True)[1]]] = False
    return np.where(repeats, _REPEAT * values, values), repeats


def _in_one_line(text: str) -> str:
    """Write white space as single blanks; most texts are written so, which is quick to see."""
    text = text.strip()
    return text if "  " not in text and text.isprintable() else " ".join(text.split())
