"""Write the words that `tools/words/related_words.py` takes for each other's neighbours in meaning.

Taken are the common words of `tools/words/common_words.txt` in plain letters, their forms together, and
WordLlama's static vectors (MIT licence, `shoestring[offline]`): of each word the five whose vectors are
nearest, if the cosine is 0.5 or more and it is among their own nearest, too. The vectors are put together of
pieces of words, so words that look alike ("doctor", "sector") come out near whatever they mean: those count
only if one goes on where the other ends ("die", "died"; "nation", "national").

    python benchmarks/related_words.py > tools/words/related_words.txt
"""

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import numpy as np

from shoestring.models import static_embeddings
from shoestring.tools.words import common_words
from shoestring.tools.words.stems import stem
from shoestring.tools.words.stop_words import STOP_WORDS

LEAST, MOST = 0.5, 5
SHORTEST = 3  # letters of a word
ALIKE = 3  # letters at the beginning or the end
ONE_ROOT = 5  # letters at the beginning that words of one root share


def share_a_piece_only(one: str, other: str) -> bool:
    """Say whether stems look alike though neither word is formed from the other.

    >>> [share_a_piece_only(*two) for two in (("die", "diesel"), ("die", "died"), ("dad", "father"))]
    [True, False, False]
    """
    if one[:ALIKE] != other[:ALIKE] and one[-ALIKE:] != other[-ALIKE:]:
        return False
    pairs = zip(one, other, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    short, long = sorted((len(one), len(other)))
    return same < ONE_ROOT and not (same == short >= long - short // 2)


def related() -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Give words with their neighbours and the cosines, the nearest first; of forms the commonest."""
    listed = Path(common_words.__file__).with_suffix(".txt").read_text(encoding="utf-8").split()
    words = [
        word
        for word in listed
        if word.isascii() and len(word) >= SHORTEST and word not in STOP_WORDS
    ]
    forms: dict[str, str] = {}
    for word in words:
        forms.setdefault(stem(word), word)
    vectors = np.array(static_embeddings().embed_documents(words), np.float32)
    near = vectors @ vectors.T
    found: dict[str, dict[str, float]] = {}
    for place, word in enumerate(words):
        own = stem(word)
        for other in np.flatnonzero(near[place] >= LEAST).tolist():
            key = stem(words[other])
            if key == own or share_a_piece_only(own, key):
                continue
            close = found.setdefault(own, {})
            close[key] = max(close.get(key, 0.0), float(near[place, other]))
    nearest = {
        key: sorted(close.items(), key=lambda item: (-item[1], item[0]))[:MOST]
        for key, close in found.items()
    }
    for key, close in sorted(nearest.items()):
        mutual = [(forms[other], cosine) for other, cosine in close if key in dict(nearest[other])]
        if mutual:
            yield forms[key], mutual


if __name__ == "__main__":
    for word, close in related():
        print(word, *(f"{other}:{round(100 * cosine)}" for other, cosine in close))
