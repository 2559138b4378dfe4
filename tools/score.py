"""Scores: how much each unit tells about a query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shoestring.tools import loglines
from shoestring.tools.bm25 import Postings, Vocabulary
from shoestring.tools.words import words

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

__all__ = ["RELEVANT", "STOP_WORDS", "Scores", "Text", "score"]

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

_PASSAGE = 1_500  # characters; longer documents are scored in windows of about this size
_FIRST_PICKS = 8  # units of the first round that expand the query (field measurement)
_EXPANSION = 12  # terms they add
_EXPANSION_WEIGHT = 0.1  # of an added term; the query's own weigh 1 (dev: 0.3 is -0.3 points)
_TITLE = 0.3  # of a unit's own score (dev: 0.5 is -0.5 points)
_PASSAGE_TITLE = 0.5  # BM25 of the title, added to the passage's (dev: 0 is -0.7 points)
_DENSE = 300  # units that are encoded: the lexically best
_LOG_ASKED = 0.8  # weight of the log's own signs when the query asks for a failure
_LOG_ELSE = 0.15  # and otherwise
_REPEAT = 0.1  # what a repeated unit keeps of its score

STOP_WORDS = frozenset(
    """
    a about above after again all also am an and any are as at be because been before
    being below between both but by can could did do does doing down during each few for
    from further had has have having he her here hers him his how i if in into is it its
    itself just me more most my no nor not now of off on once only or other our out over
    own same she should so some such than that the their them then there these they this
    those through to too under until up very was we were what when where which while who
    whom whose why will with would you your
    """.split()  # noqa: SIM905 - a list of strings would fill a screen
)
"""Words of a query that say nothing about a text (English; rarity does the rest)."""


@dataclass(frozen=True, slots=True)
class Text:
    """One document's units, ready to be scored."""

    title: str
    """Its title; "" for none."""
    units: Sequence[str]
    """The text of each unit, in order; a table's row after its header."""
    lines: bool = False
    """Whether its units are mostly lines."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What scoring found, one entry a unit, over all documents in order."""

    values: Floats
    """Relevance in [0, 1]. Within a call it ranks; its height is the share of the query's words,
    weighted by rarity, that the best passage holds (with embeddings: or its best cosine)."""
    repeats: NDArray[np.bool_]
    """Whether a better placed unit says the same, word for word."""

    @property
    def relevant(self) -> NDArray[np.bool_]:
        """Which units are relevant: at least `RELEVANT` of the best score, and no repeats."""
        best = float(self.values.max(initial=0.0))
        return (self.values >= max(RELEVANT * best, 1e-9)) & ~self.repeats


def score(
    texts: Sequence[Text], query: str, room: float, *, embeddings: "Embeddings | None" = None
) -> Scores:
    """Score units by a rule of two levels and two rounds.

    First round: half the unit's own BM25 and its title's, half its passage's and its title's, each
    scaled by its maximum. The best units that fit half the room then expand the query by their
    rarest terms, and passages whose titles they name rank with the best (dev: following titles is
    worth 3 points of answer recall over seven sets, 14 on the one most of two hops). Logs are
    scored by `loglines`, more so when the query asks for a failure. Embeddings, if given, weigh in
    where the query's own words are missing from the texts, and at least a quarter.

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
    lexical = _Lexical(texts, flat, document)
    values, height = lexical.score(query, room)
    if embeddings is not None:
        values, height = _with_meaning(values, height, flat, query, embeddings)
    values, height = _with_logs(
        values, height, texts=texts, flat=flat, document=document, query=query
    )
    return _damp_repeats(values * height, flat)


class _Lexical:
    """The words of all units, counted as units, as passages and as titles."""

    def __init__(self, texts: Sequence[Text], flat: Sequence[str], document: Ints) -> None:
        self._flat = flat
        self._sizes = np.array([len(unit) for unit in flat], np.int64)
        self._vocabulary = Vocabulary()
        ids, counts = self._vocabulary.read(flat)
        unit = np.repeat(np.arange(len(flat)), counts)
        self._units = Postings(ids, unit, len(flat))
        self._passage = _windows(self._sizes, document)
        self._passages = Postings(ids, self._passage[unit], int(self._passage[-1]) + 1)
        place = {title: i for i, title in enumerate(dict.fromkeys(text.title for text in texts))}
        self._names = [words(title) for title in place]
        self._titles = Postings.of_texts(self._vocabulary, list(place))
        self._title = np.array([place[text.title] for text in texts], np.int64)[document]

    def score(self, query: str, room: float) -> tuple[Floats, float]:
        """Score all units against the query; also say how much of the query was found."""
        terms = list(dict.fromkeys(words(query)))
        terms = [term for term in terms if term not in STOP_WORDS] or terms
        known = self._vocabulary.find(terms)
        weights = dict.fromkeys(known.values(), 1.0)
        first = self._round(weights)
        picks = self._picks(first, room)
        if not picks:
            return first, 0.0
        added, linked = self._hints(picks, first, weights)
        values = _scaled(self._round(weights | added, linked))
        return values, self._found(weights, len(terms) - len(known))

    def _round(self, weights: Mapping[int, float], linked: Ints | None = None) -> Floats:
        titles = self._titles.score(weights)[self._title]
        own = _scaled((1 - _TITLE) * self._units.score(weights) + _TITLE * titles)
        if self._passages.groups == 1:  # nothing to tell apart
            return own
        passage = self._passages.score(weights)[self._passage] + _PASSAGE_TITLE * titles
        passage = _scaled(passage)
        if linked is not None and len(linked):
            passage[np.isin(self._title, linked)] = 1.0
        return 0.5 * own + 0.5 * passage

    def _picks(self, values: Floats, room: float) -> list[int]:
        """Pick the best units that fit half the room, the very best in any case."""
        left = room / 2
        picks: list[int] = []
        for unit in np.argsort(-values, kind="stable")[: 10 * _FIRST_PICKS].tolist():
            if values[unit] <= 0 or len(picks) == _FIRST_PICKS:
                break
            if self._sizes[unit] <= left or not picks:
                left -= float(self._sizes[unit])
                picks.append(unit)
        return picks

    def _hints(
        self, picks: Sequence[int], values: Floats, weights: Mapping[int, float]
    ) -> tuple[dict[int, float], Ints]:
        """Find the terms that the first picks add, and the titles they name."""
        gain: dict[int, float] = {}
        named: list[int] = []
        for unit in picks:
            sequence = words(self._flat[unit])
            for term, number in self._vocabulary.find(dict.fromkeys(sequence)).items():
                if number not in weights and term not in STOP_WORDS and len(term) > 1:
                    idf = self._passages.idf(number)
                    gain[number] = gain.get(number, 0.0) + float(values[unit]) * idf
            named.extend(self._named(sequence))
        best = sorted(gain, key=lambda number: (-gain[number], number))[:_EXPANSION]
        return dict.fromkeys(best, _EXPANSION_WEIGHT), np.array(sorted(set(named)), np.int64)

    def _named(self, sequence: list[str]) -> list[int]:
        """Find the titles that a sequence of words names in full."""
        numbers = self._vocabulary.find(dict.fromkeys(sequence)).values()
        held = [self._titles.holding(number) for number in numbers]
        line = f" {' '.join(sequence)} "
        return (
            [
                title
                for title in np.unique(np.concatenate(held)).tolist()
                if any(len(word) > 3 for word in self._names[title])  # noqa: PLR2004 - names, not "it"
                and f" {' '.join(self._names[title])} " in line
            ]
            if held
            else []
        )

    def _found(self, weights: Mapping[int, float], unknown: int) -> float:
        """Give the share of the query, weighted by rarity, that the best passage holds."""
        held = np.zeros(self._passages.groups)
        title = np.zeros(self._passages.groups, np.int64)
        title[self._passage] = self._title
        total = unknown * float(np.log1p((self._passages.groups + 0.5) / 0.5))
        for number in weights:
            idf = self._passages.idf(number)
            total += idf
            holds = np.zeros(self._passages.groups, np.bool_)
            holds[self._passages.holding(number)] = True
            holds |= np.isin(title, self._titles.holding(number))
            held += idf * holds
        return float(held.max(initial=0.0)) / total if total > 0 else 0.0


def _scaled(values: Floats) -> Floats:
    top = float(values.max(initial=0.0))
    return values / top if top > 0 else values


def _windows(sizes: Ints, document: Ints) -> Ints:
    """Number the passages: short documents whole, long ones in windows of some units."""
    total = np.cumsum(sizes) - sizes
    first = np.searchsorted(document, document, side="left")
    window = (total - total[first]) // _PASSAGE
    key = document * (int(window.max()) + 1) + window
    return np.unique(key, return_inverse=True)[1].astype(np.int64)


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
    mixed[chosen] += weight * _scaled(cosine)
    return _scaled(mixed), max(height, float(cosine.max(initial=0.0)))


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
    places = np.flatnonzero(lined)
    lines = [flat[i] for i in places.tolist()]
    if not loglines.is_log(lines):
        return values, height
    weight = _LOG_ASKED if loglines.asks_for_failure(query) else _LOG_ELSE
    mixed = values.copy()
    mixed[places] = (1.0 - weight) * values[places] + weight * loglines.score_lines(lines)
    return _scaled(mixed), max(height, weight)


def _damp_repeats(values: Floats, keys: Sequence[str]) -> Scores:
    """Leave the best of units that say the same as it is, and damp the others."""
    order = np.argsort(-values, kind="stable")
    place: dict[int, int] = {}
    same = np.array(
        [place.setdefault(hash(" ".join(key.split())), len(place)) for key in keys], np.int64
    )
    repeats = np.ones(len(keys), np.bool_)
    repeats[order[np.unique(same[order], return_index=True)[1]]] = False
    return Scores(np.where(repeats, _REPEAT * values, values), repeats)
