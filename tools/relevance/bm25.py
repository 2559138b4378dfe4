"""BM25 over several groupings of the same words, in numpy."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shoestring.tools.words.stems import stem
from shoestring.tools.words.words import words

__all__ = ["Postings", "Vocabulary"]

# Robertson and Zaragoza, "The probabilistic relevance framework" (2009): the usual values.
_K1 = 1.2
_B = 0.75

_MARK = "\0"  # stands between texts
# Whatever parts two words of an ASCII text, as blanks.
_ASCII_BLANKS = {
    point: " " for point in range(1, 128) if not (chr(point).isalnum() or chr(point) == "_")
}

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class _Numbers(dict[str, int]):
    """Runs of characters between blanks to the numbers of their stems; each is looked at once."""

    def __init__(self) -> None:
        super().__init__({_MARK: -1})
        self.stems: dict[str, int] = {}
        self.several: list[Ints] = []
        """What holds no word or more than one is numbered -2, -3, … and stands here."""

    def __missing__(self, run: str) -> int:
        stems = self.stems
        found = [stems.setdefault(stem(word), len(stems)) for word in words(run)]
        if len(found) == 1:
            number = found[0]
        else:
            number = -2 - len(self.several)
            self.several.append(np.array(found, np.int64))
        self[run] = number
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
        # No word reaches over a blank, and most runs between blanks come again and again.
        runs: list[str] = []
        for ascii_only, some in groupby(texts, str.isascii):
            joined = f" {_MARK} ".join([text.replace(_MARK, " ") for text in some])
            runs += (joined.translate(_ASCII_BLANKS) if ascii_only else joined).split()
            runs.append(_MARK)
        numbers = np.fromiter(map(self._ids.__getitem__, runs), np.int64, len(runs))
        marks = numbers == -1
        text = np.cumsum(marks) - marks
        lengths = np.where(marks, 0, 1)
        others = numbers < -1
        if others.any():
            several = [self._ids.several[-2 - number] for number in numbers[others].tolist()]
            lengths[others] = [len(found) for found in several]
            flat = np.repeat(numbers, lengths)
            flat[flat < -1] = np.concatenate(several)
        else:
            flat = numbers[~marks]
        counts = np.bincount(text, weights=lengths, minlength=int(marks.sum()))
        return flat, counts.astype(np.int64)

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
