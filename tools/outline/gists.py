"""Gists: what a part is about, told by its own words."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from math import log, log1p
from typing import NamedTuple

from shoestring.tools.trimming.units import units
from shoestring.tools.words.common_words import weight
from shoestring.tools.words.stop_words import STOP_WORDS
from shoestring.tools.words.words import words

__all__ = ["BETWEEN", "Digest", "Rarity", "Sentence", "lead", "terms_of"]

BETWEEN = " — "
"""Stands between the terms of a gist and its sentence."""

_SAMPLES, _SAMPLE = 100, 2_000  # stretches of a document that tell how rare its words are
_READ = 400  # characters of a passage whose sentences may stand for it
_READ_ALL, _READ_EACH = 8, 4  # passages of a part that are all read for them; then each fourth
_PER_PASSAGE = 3  # sentences of them
_SENTENCE = (40, 240)  # characters
_LETTERS = 0.6  # of a sentence's characters are letters and blanks, at least
_TERMS = 6
_SHORTEST = 3  # characters of an ASCII term; a character of another script may be a word
_LONGEST = 30
_KEPT_SENTENCES = 24
_MOST_SENTENCES = 96  # until the worse ones are let go
_HANDED_UP = 60  # terms, and
_HANDED_SENTENCES = 3  # sentences, that a part hands to the one it stands in
_MOST_TERMS = 20_000  # different ones of a part, until the rarer ones are let go
_MOST_KNOWN = 100_000  # words whose weight is kept
_MOST_SHARED = 2**15  # runs between blanks whose words all documents share
_SHORT = 8.0  # words that a sentence is taken to have besides its own, against short ones


class Rarity(dict[str, float]):
    """Says how much a word of one document tells, by how rare it is in it and in the language."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Read samples from all over the document's pieces."""
        super().__init__()
        self._found: Counter[str] = Counter()
        self._telling = _Telling(self)
        self._samples = 1
        for self._samples, spot in enumerate(_samples(texts), start=1):
            self._found.update(set(chain.from_iterable(map(_words_of, spot.split()))))

    def __missing__(self, word: str) -> float:
        shortest = _SHORTEST if word.isascii() else 1
        told = 0.0
        if word not in STOP_WORDS and shortest <= len(word) <= _LONGEST and not word[0].isdigit():
            share = (self._found[word] + 0.5) / (self._samples + 1.0)
            told = weight(word) ** 2 * log(1.0 + 1.0 / share)
        if len(self) > _MOST_KNOWN:
            self.clear()
        self[word] = told
        return told

    def telling(self, text: str) -> list[str]:
        """Give the words of a text that tell something, in order."""
        return list(chain.from_iterable(map(self._telling.__getitem__, text.split())))


class _Telling(dict[str, tuple[str, ...]]):
    """The telling words of runs between blanks: most come again and again, and are looked at once."""

    def __init__(self, rarity: Rarity) -> None:
        super().__init__()
        self._rarity = rarity

    def __missing__(self, run: str) -> tuple[str, ...]:
        if len(self) > _MOST_KNOWN:
            self.clear()
        rarity = self._rarity
        found = self[run] = tuple([word for word in _words_of(run) if rarity[word] > 0])
        return found


@lru_cache(_MOST_SHARED)
def _words_of(run: str) -> tuple[str, ...]:
    return tuple(words(run))


class Sentence(NamedTuple):
    """A sentence that may stand for a part, with its telling words."""

    text: str
    words: frozenset[str]


class Digest:
    """Gathers what the passages of a part say, in bounded memory."""

    def __init__(self) -> None:
        self.terms: Counter[str] = Counter()
        """How often each telling word was met."""
        self._sentences: list[Sentence] = []
        self._ordered = True  # the sentences, by how central they are
        self._passages = 0

    def add(self, text: str, told: Sequence[str], rarity: Rarity) -> None:
        """Add a passage, with its telling words."""
        self.terms.update(told)
        self._ordered = False
        self._passages += 1
        if self._passages <= _READ_ALL or self._passages % _READ_EACH == 0:
            self._sentences += [
                Sentence(line, frozenset(rarity.telling(line)))
                for line in _sentences(text, _PER_PASSAGE)
            ]
        self._bound(rarity)

    def merge(self, part: "Digest", rarity: Rarity) -> None:
        """Add a part with what it is mostly about."""
        self.terms.update(dict(part.terms.most_common(_HANDED_UP)))
        self._sentences += part.central(rarity)[:_HANDED_SENTENCES]
        self._ordered = False
        self._bound(rarity)

    def gist(self, title: str, rarity: Rarity) -> str:
        """Write the gist: the part's own terms, those of its title aside, and its best sentence."""
        said = set(words(title))
        scores = {
            term: count * rarity[term] for term, count in self.terms.items() if term not in said
        }
        best = sorted(
            (term for term, score in scores.items() if score > 0),
            key=lambda term: (-scores[term], term),
        )
        central = self.central(rarity)
        terms = ", ".join(_distinct(best, _TERMS))
        sentence = next((one.text for one in central if not one.words <= said), "")
        return BETWEEN.join(part for part in (terms, sentence) if part)

    def central(self, rarity: Rarity) -> list[Sentence]:
        """Order the sentences by how much of what the part is about they hold."""

        def height(sentence: Sentence) -> float:
            terms = self.terms
            told = sum([log1p(terms[word]) * rarity[word] for word in sentence.words])
            return told / (len(sentence.words) + _SHORT)

        if not self._ordered:
            self._sentences.sort(key=height, reverse=True)
            self._ordered = True
        return self._sentences

    def _bound(self, rarity: Rarity) -> None:
        """Let go of what says least, where too much has been gathered."""
        if len(self._sentences) > _MOST_SENTENCES:
            del self.central(rarity)[_KEPT_SENTENCES:]
        if len(self.terms) > _MOST_TERMS:
            best = sorted(self.terms, key=lambda term: -self.terms[term] * rarity[term])
            self.terms = Counter({term: self.terms[term] for term in best[: _MOST_TERMS // 2]})


def lead(text: str) -> str:
    """Give the first sentence of a passage that can stand for it, or its first words."""
    found = next(iter(_sentences(text, 1)), "")
    return found or " ".join(text[: _SENTENCE[1]].split())


def terms_of(gist: str) -> str:
    """Give the terms of a gist; all of it where it has no sentence, or where a model wrote it."""
    return gist.split(BETWEEN, 1)[0]


def _distinct(terms: Iterable[str], most: int) -> list[str]:
    """Leave out terms that are part of a better one ("note", "notes")."""
    kept: list[str] = []
    for term in terms:
        if len(kept) == most:
            break
        if not any(term in other or other in term for other in kept):
            kept.append(term)
    return kept


def _sentences(text: str, most: int) -> list[str]:
    """Give the first sentences that can stand by themselves; lines where there are none."""
    text = text[:_READ]
    kinds: dict[bool, list[str]] = {True: [], False: []}
    for unit in units(text):
        whole = unit.kind in ("sentence", "turn")
        size = unit.end - unit.start
        if not _SENTENCE[0] <= size <= _SENTENCE[1] or unit.end == _READ:
            continue
        if whole or (unit.kind == "line" and len(kinds[False]) < most):
            line = text[unit.start : unit.end]
            if _spoken(line) >= _LETTERS:
                kinds[whole].append(" ".join(line.split()))
        if len(kinds[True]) == most:
            break
    return kinds[True] or kinds[False]


_LETTER = re.compile(r"[^\W\d_]|[ \t]")


def _spoken(line: str) -> float:
    return len(_LETTER.findall(line)) / len(line)


def _samples(texts: Sequence[str]) -> Iterable[str]:
    """Take stretches from all over the pieces of a document."""
    total = sum(map(len, texts))
    step = max(_SAMPLE, total // _SAMPLES)
    due = 0
    at = 0
    for text in texts:
        while due < at + len(text):
            yield text[due - at : due - at + _SAMPLE]
            due += step
        at += len(text)
