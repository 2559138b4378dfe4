"""Scores: how much each unit tells about a query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoestring.tools.relevance import loglines
from shoestring.tools.relevance.chance import LOG_MARK, MARK, chances, mark
from shoestring.tools.relevance.ranker import Ranker
from shoestring.tools.relevance.ranking import Ranking, Text, scaled
from shoestring.tools.relevance.tiers.fusing import fused
from shoestring.tools.relevance.tiers.tier import Tier
from shoestring.tools.words import identifiers

__all__ = ["Look", "Scores", "Text", "judged", "look", "score"]

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
    said: Sequence[tuple[float, Ints]]
    """The query's words that were found: each with its rarity and the units it stands in; none
    where the query asks a log what failed, since such words ("build", "log") tell nothing there."""


@dataclass(frozen=True, slots=True)
class Look:
    """What words, kinds and tiers say of the units, before it is made into chances."""

    shares: Floats
    """Each unit's score as a share of the best, in [0, 1]."""
    height: float
    """How much of the query the best passage holds, in [0, 1]."""
    repeats: NDArray[np.bool_]
    """As in `Scores`."""
    logged: bool
    """Whether the units are scored as lines of a log."""
    seen: Mapping[str, Floats]
    """Each tier's own scores; see `Fused`."""
    said: Sequence[tuple[float, Ints]]
    """As in `Scores`."""


def score(
    texts: Sequence[Text],
    query: str,
    room: float,
    *,
    tiers: Sequence[Tier] = (),
    ranker: Ranker | None = None,
) -> Scores:
    """Score units, and say which are relevant.

    Args:
        texts: The documents.
        query: What is asked; not empty.
        room: The room in characters, roughly; it says how many units the first round may pick.
        tiers: Dearer looks, cheapest first.
        ranker: Fitted to cases like these; it ranks the best units anew.

    Returns:
        One score a unit.
    """
    return judged(look(texts, query, room, tiers=tiers), texts, query, ranker=ranker)


def judged(
    found: Look, texts: Sequence[Text], query: str, *, ranker: Ranker | None = None
) -> Scores:
    """Say which of the units that were looked at are relevant; the arguments are those of `score`."""
    if ranker is not None:
        own = ranker.chances(texts, query, found.shares, found.seen)
        least = min(MARK, float(own.max(initial=0.0)))
        relevant = (own >= least) & (own > 0) & ~found.repeats
        values = np.where(found.repeats, _REPEAT * own, own)
        return Scores(values, own, relevant, found.repeats, found.said)
    least = LOG_MARK if found.logged else mark(found.height, len(found.shares))
    return Scores(
        values=found.shares * found.height,
        chances=chances(found.shares, found.height),
        relevant=(found.shares >= least) & ~found.repeats,
        repeats=found.repeats,
        said=found.said,
    )


def look(texts: Sequence[Text], query: str, room: float, *, tiers: Sequence[Tier] = ()) -> Look:
    """Score units by their words (`Ranking`), and by what their kind of text shows without them.

    Logs are scored by `loglines`, more so when the query asks for a failure; JSON values by their
    `identifiers`. Tiers look again at the units that their words rank best (`fused`). The arguments
    are those of `score`.
    """
    flat = [unit for text in texts for unit in text.units]
    if not flat:
        return Look(np.zeros(0), 0.0, np.zeros(0, np.bool_), logged=False, seen={}, said=())
    document = np.repeat(np.arange(len(texts)), [len(text.units) for text in texts])
    ranking = Ranking(texts, flat, document)
    values, height = ranking.score(query, room)
    values, height, seen = fused(values, height, flat, query, tiers)
    worded = values
    values, height = _with_logs(
        values, height, texts=texts, flat=flat, document=document, query=query
    )
    logged = values is not worded
    values, height = _with_identifiers(values, height, texts, flat, document)
    shares, repeats = _damp_repeats(scaled(values), flat)
    said = [] if logged and loglines.asks_for_failure(query) else ranking.said(query)
    return Look(shares, height, repeats, logged=logged, seen=seen, said=said)


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
    # Lines that say the same are one unit, so the lines themselves are looked at.
    plain = [said for unit in lines for said in unit.split("\n")]
    if not ((asked and lined.all() and len(plain) >= loglines.FEWEST) or loglines.is_log(plain)):
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
