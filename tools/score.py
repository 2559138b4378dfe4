"""Scores: how much each unit tells about a query."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shoestring.tools import identifiers, loglines
from shoestring.tools.ranking import Ranking, Text, scaled

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

__all__ = ["RELEVANT", "Scores", "Text", "score"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

RELEVANT = 0.35
"""A unit is relevant from this share of the best unit's score on.

Chosen on dev cases (six sets of 30, room 512): 0.3 / 0.35 / 0.4 / 0.45 give 65 / 62 / 59 / 54 %
answer recall in 71 / 63 / 57 / 52 % of the room, 0.3 gaining over 0.35 on one set only. Checked on
50 other cases each of six other sets: 86 / 86 / 85 / 84 % in 75 / 70 / 65 / 60 % of the room, and 77
/ 75 / 73 / 71 % of the gold tokens. It lies below 0.5, the most a unit gets for its passage alone:
neighbours of what matches often hold the answer.
"""

_DENSE = 300  # units that are encoded: the lexically best
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
    """Relevance in [0, 1]. Within a call it ranks; its height is the share of the query's words,
    weighted by rarity, that the best passage holds (with embeddings: or its best cosine)."""
    repeats: NDArray[np.bool_]
    """Whether a better placed unit says the same, word for word."""
    said: Sequence[tuple[float, Ints]] = ()
    """The query's words that were found: each with its rarity and the units it stands in."""

    @property
    def relevant(self) -> NDArray[np.bool_]:
        """Which units are relevant: at least `RELEVANT` of the best score, and no repeats."""
        best = float(self.values.max(initial=0.0))
        return (self.values >= max(RELEVANT * best, 1e-9)) & ~self.repeats


def score(
    texts: Sequence[Text], query: str, room: float, *, embeddings: "Embeddings | None" = None
) -> Scores:
    """Score units by their words (`Ranking`), and by what their kind of text shows without them.

    Logs are scored by `loglines`, more so when the query asks for a failure; JSON values by their
    `identifiers`. Embeddings, if given, weigh in where the query's own words are missing from the
    texts, and at least a quarter.

    Args:
        texts: The documents.
        query: What is asked; not empty.
        room: The room in characters, roughly; it says how many units the first round may pick.
        embeddings: Any LangChain embeddings; the lexically best few hundred units are encoded.

    Returns:
        One score a unit.
    """
    flat = [unit for text in texts for unit in text.units]
    if not flat:
        return Scores(np.zeros(0), np.zeros(0, np.bool_))
    document = np.repeat(np.arange(len(texts)), [len(text.units) for text in texts])
    ranking = Ranking(texts, flat, document)
    values, height = ranking.score(query, room)
    if embeddings is not None:
        values, height = _with_meaning(values, height, flat, query, embeddings)
    values, height = _with_logs(
        values, height, texts=texts, flat=flat, document=document, query=query
    )
    values, height = _with_identifiers(values, height, texts, flat, document)
    return replace(_damp_repeats(values * height, flat), said=ranking.said(query))


def _with_meaning(
    values: Floats, height: float, flat: Sequence[str], query: str, embeddings: "Embeddings"
) -> tuple[Floats, float]:
    """Mix in cosine similarity, by how little of the query's own words was found."""
    if values.any():
        chosen = np.sort(np.argsort(-values, kind="stable")[:_DENSE])
    else:  # no word in common: look everywhere
        chosen = np.unique(np.linspace(0, len(flat) - 1, min(len(flat), _DENSE)).astype(np.int64))
    encoded = np.array(
        embeddings.embed_documents([str(flat[i]) for i in chosen.tolist()]), np.float64
    )
    asked = np.array(embeddings.embed_query(query), np.float64)
    lengths = np.linalg.norm(encoded, axis=1) * np.linalg.norm(asked)
    cosine = np.clip((encoded @ asked) / np.where(lengths > 0, lengths, 1.0), 0.0, 1.0)
    weight = max(0.25, 0.5 * (1.0 - height))
    mixed = (1.0 - weight) * values
    mixed[chosen] += weight * scaled(cosine)
    return scaled(mixed), max(height, float(cosine.max(initial=0.0)))


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


def _damp_repeats(values: Floats, keys: Sequence[str]) -> Scores:
    """Leave the best of units that say the same as it is, and damp the others."""
    order = np.argsort(-values, kind="stable")
    place: dict[int, int] = {}
    same = np.array(
        [place.setdefault(hash(_in_one_line(key)), len(place)) for key in keys], np.int64
    )
    repeats = np.ones(len(keys), np.bool_)
    repeats[order[np.unique(same[order], return_index=True)[1]]] = False
    return Scores(np.where(repeats, _REPEAT * values, values), repeats)


def _in_one_line(text: str) -> str:
    """Write white space as single blanks; most texts are written so, which is quick to see."""
    text = text.strip()
    return text if "  " not in text and text.isprintable() else " ".join(text.split())
