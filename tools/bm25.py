"""BM25 over several groupings of the same words, in numpy."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shoestring.tools.stems import stem
from shoestring.tools.words import words

__all__ = ["Postings", "Vocabulary"]

# Robertson and Zaragoza, "The probabilistic relevance framework" (2009): the usual values.
_K1 = 1.2
_B = 0.75

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class _Numbers(dict[str, int]):
    """Words to the numbers of their stems; each word is stemmed once."""

    def __init__(self) -> None:
        self.stems: dict[str, int] = {}

    def __missing__(self, word: str) -> int:
        number = self[word] = self.stems.setdefault(stem(word), len(self.stems))
        return number


class Vocabulary:
    """Numbers for words, by their stems, given as they are first seen."""

    def __init__(self) -> None:
        self._ids = _Numbers()

    def read(self, texts: Iterable[str]) -> tuple[Ints, Ints]:
        """Number the words of texts.

        Args:
            texts: The texts, one after the other.

        Returns:
            The words' numbers, all texts in one array, and how many words each text has.
        """
        ids: list[Ints] = []
        counts: list[int] = []
        number = self._ids.__getitem__
        for text in texts:
            terms = words(text)
            counts.append(len(terms))
            if terms:
                ids.append(np.fromiter(map(number, terms), np.int64, len(terms)))
        flat = np.concatenate(ids) if ids else np.zeros(0, np.int64)
        return flat, np.array(counts, np.int64)

    def find(self, terms: Iterable[str]) -> dict[str, int]:
        """Look words up without adding them; those without a known stem are left out."""
        known = ((term, self._ids.stems.get(stem(term))) for term in terms)
        return {term: number for term, number in known if number is not None}


class Postings:
    """Which groups (sentences, passages, titles) hold which words, for scoring by BM25.

    A library such as bm25s indexes one list of texts; here the same words are scored as sentences
    and as passages and with weighted terms, so the postings are made from the numbers directly.
    """

    def __init__(self, ids: Ints, group: Ints, groups: int) -> None:
        """Count the words of each group.

        Args:
            ids: The words' numbers.
            group: The group each word stands in, in `[0, groups)`.
            groups: How many groups there are.
        """
        self.groups = groups
        length = np.bincount(group, minlength=groups).astype(np.float64)
        mean = length.sum() / max(1, np.count_nonzero(length))
        self._norm: Floats = _K1 * (1 - _B + _B * length / max(mean, 1.0))
        # Sorted by term, then group: a term's postings are one slice.
        key, count = np.unique(ids * groups + group, return_counts=True)
        self.term: Ints = key // max(groups, 1)
        self.group: Ints = key - self.term * groups
        self.count: Floats = count.astype(np.float64)

    @classmethod
    def of_texts(cls, vocabulary: Vocabulary, texts: Sequence[str]) -> Self:
        """Make the postings of texts, one group each."""
        ids, counts = vocabulary.read(texts)
        return cls(ids, np.repeat(np.arange(len(texts)), counts), len(texts))

    def _slice(self, term: int) -> slice:
        low, high = np.searchsorted(self.term, [term, term + 1])
        return slice(int(low), int(high))

    def idf(self, term: int) -> float:
        """Weigh how rare a term is: log(1 + (N - n + 0.5) / (n + 0.5)), above 0."""
        found = self._slice(term)
        n = found.stop - found.start
        return float(np.log1p((self.groups - n + 0.5) / (n + 0.5)))

    def holding(self, term: int) -> Ints:
        """Give the groups that hold a term, in order."""
        return self.group[self._slice(term)]

    def score(self, weights: Mapping[int, float]) -> Floats:
        """Score every group by BM25.

        Args:
            weights: The query's terms by number, each with its weight.

        Returns:
            One score a group, 0 where no term stands in it.
        """
        scores = np.zeros(self.groups)
        for term, weight in weights.items():
            found = self._slice(term)
            group, count = self.group[found], self.count[found]
            gain = count * (_K1 + 1) / (count + self._norm[group])
            scores[group] += weight * self.idf(term) * gain
        return scores
