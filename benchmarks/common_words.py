"""Write the words that `tools/words/common_words.py` calls common, the commonest first.

A byte-pair vocabulary is learnt from a large mixture of languages and code, the most frequent pieces
first, so the place of a whole word in it is a measure of how common the word is. Taken are the
words among the first 40,000 entries of o200k_base (MIT licence): with 15,000 the sets of several
hops lose 3 points of answer recall, 80,000 are as good.

    python benchmarks/common_words.py > tools/words/common_words.txt
"""

from shoestring.models.counting.vocabularies import encoding
from shoestring.tools.words.words import words

ENTRIES = 40_000


def common_words() -> list[str]:
    """Return the common words as `words` gives them, the commonest first."""
    vocabulary = encoding("o200k_base")
    found: dict[str, None] = {}
    for number in range(ENTRIES):
        try:
            entry = vocabulary.decode_single_token_bytes(number).decode()
        except (KeyError, UnicodeDecodeError):
            continue
        word = entry[1:]
        # A whole word is learnt with the space before it. Scripts without spaces give none.
        if entry[0] == " " and len(word) > 1 and word.isalpha() and len(terms := words(word)) == 1:
            found[terms[0]] = None
    return list(found)


if __name__ == "__main__":
    print("\n".join(common_words()))
