"""Features: what a ranker fitted to one's own cases sees of a unit."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoestring.tools.relevance.ranking import Text
from shoestring.tools.words.stems import stem
from shoestring.tools.words.stop_words import STOP_WORDS
from shoestring.tools.words.words import words

__all__ = ["FEATURES", "TIER", "features"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEATURES = (
    "share",
    "share of the unit before",
    "share of the unit after",
    "best share in the document",
    "rank of the document",
    "rank of the unit",
    "query words in the unit",
    "query words in the title",
    "place in the document",
    "place of the document",
    "opens the document",
    "length",
    "holds a number",
    "number asked for and held",
    "names",
    "lines",
    "values",
)
"""The features of every unit, by name; each lies between 0 and about 1."""

TIER = "tier: "
"""Before a tier's name: the feature that is the tier's score."""

_LONG = 10.0  # the logarithm of a very long unit's characters
_NUMBER_ASKED = re.compile(
    r"\b(?:when|how (?:many|much|long|old|tall|far|large|big)|year|date|number|percent\w*|amount|rate)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d")
_NAME = re.compile(r"(?<=\s)[^\W\d_a-z]\w*")


def features(
    texts: Sequence[Text],
    query: str,
    shares: Floats,
    chosen: Ints,
    seen: Mapping[str, Floats],
) -> tuple[list[str], Floats]:
    """Describe units.

    Args:
        texts: The documents.
        query: What is asked.
        shares: Each unit's score as a share of the best, all documents in order.
        chosen: Places of the units to describe.
        seen: Each tier's scores of all units, by its name; 0 where it did not look.

    Returns:
        The names of the features, and a row of them for each chosen unit.
    """
    names = [*FEATURES, *(TIER + name for name in sorted(seen))]
    if not len(chosen):
        return names, np.zeros((0, len(names)))
    sizes = [len(text.units) for text in texts]
    document = np.repeat(np.arange(len(texts)), sizes)
    first = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)
    within = np.arange(len(document)) - first
    best = np.zeros(len(texts))
    np.maximum.at(best, document, shares)
    place = np.argsort(np.argsort(-best, kind="stable"), kind="stable")
    rank = np.argsort(np.argsort(-shares, kind="stable"), kind="stable")
    padded = np.concatenate([[0.0], shares, [0.0]])
    before = np.where(within > 0, padded[:-2], 0.0)
    last = within == np.repeat(sizes, sizes) - 1
    after = np.where(last, 0.0, padded[2:])
    asked = {stem(word) for word in words(query) if word not in STOP_WORDS}
    number_asked = float(_NUMBER_ASKED.search(query) is not None)
    titles = [_overlap(asked, text.title) for text in texts]
    rows: list[list[Any]] = []
    for unit in chosen.tolist():
        owner = int(document[unit])
        text = texts[owner]
        said = text.units[int(within[unit])]
        number = float(_NUMBER.search(said) is not None)
        rows.append(
            [
                shares[unit],
                before[unit],
                after[unit],
                best[owner],
                1.0 / (1.0 + place[owner]),
                1.0 / (1.0 + rank[unit]),
                _overlap(asked, said),
                titles[owner],
                within[unit] / max(1, sizes[owner] - 1),
                owner / max(1, len(texts) - 1),
                float(within[unit] == 0),
                float(np.log1p(len(said))) / _LONG,
                number,
                number * number_asked,
                min(1.0, 5.0 * len(_NAME.findall(said)) / (1.0 + said.count(" "))),
                float(text.lines),
                float(text.data),
                *(float(seen[name][unit]) for name in sorted(seen)),
            ]
        )
    return names, np.array(rows, np.float64)


def _overlap(asked: set[str], text: str) -> float:
    """Give the share of the query's words that a text holds."""
    held = {stem(word) for word in words(text)}
    return len(asked & held) / max(1, len(asked))
