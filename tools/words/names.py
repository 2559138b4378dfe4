"""Names: what a text calls people, places and works, by their capital letters."""

import re
from itertools import pairwise

__all__ = ["bare_title", "linking_names", "names"]

_WORD = r"(?:[A-Z][\w'’.-]*\w|[A-Z]\.)"
_NAME = re.compile(
    rf"{_WORD}(?:(?: (?:of|the|de|and|von|la|di|da|van|du|for))? (?:{_WORD}|\d{{1,4}}\b))*"
)
_ADDITION = re.compile(r"\s*\([^()]*\)\s*$")
_SENTENCE_END = (". ", ".\n", "? ", "! ")


def names(text: str) -> list[str]:
    """Find the names in a text, in order; one capital word at the start of a sentence is none.

    >>> names("The film was made by Kim Sung-su. He won in Berlin.")
    ['Kim Sung-su', 'Berlin']
    """
    return [
        match[0]
        for match in _NAME.finditer(text)
        if " " in match[0] or not _begins_sentence(text, match.start())
    ]


def linking_names(text: str) -> list[str]:
    """Find the names in a text, and within those of three words and more each two that follow.

    What stands beside a name often has a capital too ("Doctor", a role, a list's next entry), and
    elsewhere the name stands alone.

    >>> linking_names("He met Tod Kurt Russell as Copper.")
    ['Tod Kurt Russell', 'Copper', 'Tod Kurt', 'Kurt Russell']
    """
    found = names(text)
    return found + [
        f"{first} {second}"
        for name in found
        if name.count(" ") > 1
        for first, second in pairwise(name.split())
        if first[0].isupper() and second[0].isupper()
    ]


def bare_title(title: str) -> str:
    """Give a title without what tells it from its namesakes.

    >>> bare_title("Musa (film)")
    'Musa'
    """
    return _ADDITION.sub("", title) or title


def _begins_sentence(text: str, at: int) -> bool:
    return at == 0 or text[max(0, at - 2) : at] in _SENTENCE_END
