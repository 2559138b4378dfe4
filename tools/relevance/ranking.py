"""Ranking: units by the query's words, as units and as passages, in two rounds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoestring.tools.relevance.answers import holds_answer
from shoestring.tools.relevance.bm25 import Postings, Vocabulary
from shoestring.tools.words.common_words import weight
from shoestring.tools.words.names import bare_title, linking_names
from shoestring.tools.words.related_words import related
from shoestring.tools.words.stop_words import STOP_WORDS
from shoestring.tools.words.words import words

__all__ = ["Ranking", "Text", "scaled"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_PASSAGE = 1_500  # characters; longer documents are scored in windows of about this size
_TALK = 700  # characters of a window of chat: the turns that a turn answers, and that answer it
_FIRST_PICKS = 8  # units of the first round that expand the query (field measurement)
_EXPANSION = 12  # terms they add
_EXPANSION_WEIGHT = 0.1  # of an added term; the query's own weigh 1 (dev: 0.3 is -0.3 points)
_RELATED = 0.3  # of a word near in meaning to one of the query, times its nearness
_RELATED_LEFT = 0.5  # of one near to a word that the best picks left open
_TITLE = 0.3  # of a unit's own score (dev: 0.5 is -0.5 points)
_PASSAGE_TITLE = 0.5  # BM25 of the title, added to the passage's (dev: 0 is -0.7 points)
_ANSWERED = 3  # best picks whose words of the query count as found (dev: 1 and 8 are the same)
_NAMED = 0.7  # of a link to a passage that holds a name; to a title: 1 (dev: 0.6 and 0.8 are -0.5
# and 0 points on the sets of several hops)
_ONE_WORD = 0.5  # of a link by a name of one word (dev: 0.8 is the same)
_ANSWERING = 0.6  # added to a unit's own score if it holds the kind of thing that is asked for
_ANSWERS_READ = 200  # units that are looked at for it: those with the best scores of their own
_REPLY = 0.8  # of a question's own score for the turn after it (dev: 1.5 points on long chats; 0.5:
# half a point)
_PASSAGE_SHARE = 0.5  # of a score; the rest is the unit's own
_SHORT_SHARE = 0.2  # more of it for the shortest units, since few words tell little by themselves
_SHORT = 80.0  # characters from which a unit is not short
_LINE_SHARE = 0.3  # more of it where units are lines: figures without their label, halves of
# sentences (dev: 4 points on filings)
_LINES = (50.0, 150.0)  # characters up to which a line leans on its passage so much, and not at all


@dataclass(frozen=True, slots=True)
class Text:
    """One document's units, ready to be scored."""

    title: str
    """Its title; "" for none."""
    units: Sequence[str]
    """The text of each unit, in order; a table's row after its header."""
    lines: bool = False
    """Whether its units are mostly lines."""
    turn: bool = False
    """Whether it is one turn of a chat."""
    data: bool = False
    """Whether its units are mostly JSON values."""
    talk: bool = False
    """Whether its units are mostly turns of a chat."""


class Ranking:
    """The words of all units, counted as units, as passages and as titles.

    A unit's score has two halves: its own BM25 and its title's, and its passage's and its title's,
    each scaled by its maximum; the shorter a unit, the more its passage's half weighs. The query's
    words count the less, the commoner they are in the language; words near to them in meaning count
    a little too. The best units of a first round that fit half the room lead to a second one, for
    questions that one passage does not answer. Their rarest terms expand the query; passages with
    their names in the title or the text rank with them (`_links`); and what a linked unit says of
    the words that the best picks left open counts for it. So does holding the kind of thing that is
    asked for, and being the turn of a chat that follows a question. On 8 dev sets of 100 cases the
    links are worth 2.5 points of answer recall, 13 on the one of most hops; on 10 sets of up to 120
    other cases the words near in meaning are worth 0.6, 4.5 on the one that asks for deaths and births.
    """

    def __init__(self, texts: Sequence[Text], flat: Sequence[str], document: Ints) -> None:
        """Count the words.

        Args:
            texts: The documents.
            flat: All their units.
            document: The document of each unit.
        """
        self._flat = flat
        self._sizes = np.array([len(unit) for unit in flat], np.int64)
        lines = np.array([text.lines for text in texts], np.bool_)[document]
        leaning = np.where(
            lines,
            _LINE_SHARE * np.clip((_LINES[1] - self._sizes) / (_LINES[1] - _LINES[0]), 0.0, 1.0),
            _SHORT_SHARE * np.clip(1.0 - self._sizes / _SHORT, 0.0, 1.0),
        )
        self._share: Floats = _PASSAGE_SHARE + leaning
        self._replies = _replies(texts, flat, document)
        self._vocabulary = Vocabulary()
        ids, counts = self._vocabulary.read(flat)
        unit = np.repeat(np.arange(len(flat)), counts)
        self._units = Postings(ids, unit, len(flat))
        self.passage = _passages(texts, self._sizes, document)
        groups = int(self.passage[-1]) + 1
        self._passages = Postings(ids, self.passage[unit], groups)
        place = {title: i for i, title in enumerate(dict.fromkeys(text.title for text in texts))}
        self._names = [words(bare_title(title)) for title in place]
        self._titles = Postings.of_texts(self._vocabulary, list(place))
        self._title = np.array([place[text.title] for text in texts], np.int64)[document]
        self._title_of_passage = np.zeros(groups, np.int64)
        self._title_of_passage[self.passage] = self._title

    def score(self, query: str, room: float) -> tuple[Floats, float]:
        """Score all units against the query; also say how much of the query was found.

        Args:
            query: What is asked.
            room: The room in characters, roughly; it says how many units the first round may pick.
        """
        terms = list(dict.fromkeys(words(query)))
        terms = [term for term in terms if term not in STOP_WORDS] or terms
        known = self._vocabulary.find(terms)
        weights = {number: weight(term) for term, number in known.items()}
        near = self._near(terms, weights, _RELATED)
        own, passage = self._halves(near | weights)
        first = 0.5 * own + 0.5 * passage
        picks = self._picks(first, room)
        if not picks:
            return first, 0.0
        own, passage = self._halves(self._expansion(picks, first, weights) | near | weights)
        link = self._links(picks, first, weights)[self.passage]
        left = self._units.score(self._unanswered(picks, terms, weights))
        own = scaled(self._answering(own + scaled(left) * link, query))
        asked, reply = self._replies
        own[reply] = np.maximum(own[reply], _REPLY * own[asked])
        values = (1 - self._share) * own + self._share * np.maximum(passage, link)
        return scaled(values), self._found(weights, len(terms) - len(known))

    def said(self, query: str) -> list[tuple[float, Ints]]:
        """Give the words of the query that are found: each with its rarity and the units it is in.

        Rarity is that in the units times that in the language.
        """
        terms = list(dict.fromkeys(words(query)))
        terms = [term for term in terms if term not in STOP_WORDS] or terms
        known = self._vocabulary.find(terms)
        weights = {number: weight(term) for term, number in known.items()}
        found = [
            (weights[number] * self._units.idf(number), self._units.holding(number))
            for number in sorted(weights)
        ]
        return [(rarity, units) for rarity, units in found if len(units)]

    def _halves(self, weights: Mapping[int, float]) -> tuple[Floats, Floats]:
        """Score units by themselves and by their passages, each to 1."""
        titles = self._titles.score(weights)[self._title]
        own = scaled((1 - _TITLE) * self._units.score(weights) + _TITLE * titles)
        if self._passages.groups == 1:  # nothing to tell apart
            return own, own
        passage = self._passages.score(weights)[self.passage] + _PASSAGE_TITLE * titles
        return own, scaled(passage)

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

    def _expansion(
        self, picks: Sequence[int], values: Floats, weights: Mapping[int, float]
    ) -> dict[int, float]:
        """Find the terms that the first picks add."""
        gain: dict[int, float] = {}
        for unit in picks:
            terms = dict.fromkeys(words(self._flat[unit]))
            for term, number in self._vocabulary.find(terms).items():
                if number not in weights and term not in STOP_WORDS and len(term) > 1:
                    idf = self._passages.idf(number)
                    gain[number] = gain.get(number, 0.0) + float(values[unit]) * idf
        best = sorted(gain, key=lambda number: (-gain[number], number))[:_EXPANSION]
        return dict.fromkeys(best, _EXPANSION_WEIGHT)

    def _unanswered(
        self, picks: Sequence[int], terms: Sequence[str], weights: Mapping[int, float]
    ) -> Mapping[int, float]:
        """Give the words of the query that the best picks do not hold, and those near to them."""
        said = [word for unit in picks[:_ANSWERED] for word in words(self._flat[unit])]
        held = set(self._vocabulary.find(said).values())
        known = self._vocabulary.find(terms)
        left = [term for term in terms if known.get(term) not in held]
        return self._near(left, weights, _RELATED_LEFT) | {
            number: weight for number, weight in weights.items() if number not in held
        }

    def _near(
        self, terms: Iterable[str], weights: Mapping[int, float], share: float
    ) -> dict[int, float]:
        """Weigh what else the texts may call what is asked for: "died" for a question's "death"."""
        near: dict[str, float] = {}
        for term in terms:
            for word, nearness in related(term):
                near[word] = max(near.get(word, 0.0), share * nearness * weight(term))
        found: dict[int, float] = {}
        for word, number in self._vocabulary.find(near).items():
            if number not in weights:
                found[number] = max(found.get(number, 0.0), near[word])
        return found

    def _answering(self, own: Floats, query: str) -> Floats:
        """Raise the best units that hold the kind of thing that is asked for."""
        best = np.argsort(-own, kind="stable")[:_ANSWERS_READ]
        units: list[int] = best.tolist()
        holds = holds_answer(query, [self._flat[unit] for unit in units])
        raised = own.copy()
        raised[best[holds]] *= 1.0 + _ANSWERING
        return raised

    def _links(self, picks: Sequence[int], values: Floats, weights: Mapping[int, float]) -> Floats:
        """Say how strongly the picks lead to each passage, in [0, 1], by the names they hold.

        A name that one other passage holds leads there surely; the more hold it, the less it says.
        """
        link = np.zeros(self._passages.groups)
        best = max(float(values[unit]) for unit in picks)
        seen: dict[str, float] = {}
        for unit in picks:
            height = float(values[unit]) / best
            sequence = words(self._flat[unit])
            titled = np.isin(self._title_of_passage, self._named(sequence))
            link[titled] = np.maximum(link[titled], height)
            for name in linking_names(self._flat[unit]):
                parts = words(name)
                key = " ".join(parts)
                if seen.get(key, 0.0) >= height:
                    continue
                seen[key] = height
                known = self._vocabulary.find(part for part in parts if part not in STOP_WORDS)
                if all(number in weights for number in known.values()):
                    continue
                holding = self._holding(known.values())
                others = holding[holding != self.passage[unit]]
                share = _NAMED * height / max(1, len(others)) ** 0.5
                share *= _ONE_WORD if len(parts) == 1 else 1.0
                link[others] = np.maximum(link[others], share)
        return link

    def _holding(self, terms: Iterable[int]) -> Ints:
        """Give the passages that hold all of some terms, in the text or the title."""
        found = np.ones(self._passages.groups, np.bool_)
        for term in terms:
            holds = np.isin(self._title_of_passage, self._titles.holding(term))
            holds[self._passages.holding(term)] = True
            found &= holds
        return np.flatnonzero(found)

    def _named(self, sequence: list[str]) -> Ints:
        """Find the titles that a sequence of words names in full."""
        numbers = self._vocabulary.find(dict.fromkeys(sequence)).values()
        held = [self._titles.holding(number) for number in numbers]
        if not held:
            return np.zeros(0, np.int64)
        line = f" {' '.join(sequence)} "
        return np.array(
            [
                title
                for title in np.unique(np.concatenate(held)).tolist()
                if any(len(word) > 3 for word in self._names[title])  # noqa: PLR2004 - names, not "it"
                and f" {' '.join(self._names[title])} " in line
            ],
            np.int64,
        )

    def _found(self, weights: Mapping[int, float], unknown: int) -> float:
        """Give the share of the query, weighted by rarity, that the best passage holds."""
        held = np.zeros(self._passages.groups)
        total = unknown * float(np.log1p((self._passages.groups + 0.5) / 0.5))
        for number in weights:
            idf = self._passages.idf(number)
            total += idf
            held[self._holding([number])] += idf
        return float(held.max(initial=0.0)) / total if total > 0 else 0.0


def _replies(texts: Sequence[Text], flat: Sequence[str], document: Ints) -> tuple[Ints, Ints]:
    """Give the turns of chats that ask something, and those that follow them."""
    talk = np.array([text.talk for text in texts], np.bool_)[document]
    spoken = np.flatnonzero(talk[:-1] & talk[1:])
    asked = [unit for unit in spoken.tolist() if flat[unit].rstrip().endswith(("?", "？", "؟"))]
    return np.array(asked, np.int64), np.array(asked, np.int64) + 1


def scaled(values: Floats) -> Floats:
    """Divide by the maximum, if that is above 0."""
    top = float(values.max(initial=0.0))
    return values / top if top > 0 else values


def _passages(texts: Sequence[Text], sizes: Ints, document: Ints) -> Ints:
    """Number the passages: short documents whole, long ones in windows of some units.

    Turns of a chat that follow each other under one title are read as one document.
    """
    group = np.zeros(len(texts), np.int64)
    for place in range(1, len(texts)):
        text, before = texts[place], texts[place - 1]
        same = text.turn and before.turn and text.title == before.title
        group[place] = group[place - 1] + (not same)
    whole = group[document]
    total = np.cumsum(sizes) - sizes
    first = np.searchsorted(whole, whole, side="left")
    turn = np.array([text.turn for text in texts], np.bool_)[document]
    window = (total - total[first]) // np.where(turn, _TALK, _PASSAGE)
    key = whole * (int(window.max()) + 1) + window
    return np.unique(key, return_inverse=True)[1].astype(np.int64)
