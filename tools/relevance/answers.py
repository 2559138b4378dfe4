"""Answers: what kind of thing a question asks for, and which texts hold one."""

import re
from collections.abc import Callable, Sequence
from typing import Final, Literal

from shoestring.tools.words.names import names
from shoestring.tools.words.words import words

__all__ = ["asks_for", "holds_answer"]

Kind = Literal["time", "amount", "person"]

_WHEN = re.compile(
    r"\b(?:when|(?:what|which) (?:year|date|time|day|month)|how (?:long|old)"
    r"|wann|quand|cu[aá]ndo|quando|когда)\b|いつ|什么时候",
    re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"\b(?:how (?:many|much|far|high|tall|big|large|deep|often|fast|heavy)"
    r"|what (?:percentage|percent|number|amount|share)"
    r"|wie ?viele?|combien|cu[aá]nt[oa]s?|quant[oiae]s?|сколько)\b|多少|いくつ",
    re.IGNORECASE,
)
_WHO = re.compile(r"\b(?:who|whose|whom)\b", re.IGNORECASE)

_KINDS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("time", _WHEN),
    ("amount", _AMOUNT),
    ("person", _WHO),
)

_TIME = re.compile(
    r"\b(?:1[5-9]|20)\d\d\b|\b\d{1,2}(?:st|nd|rd|th)\b"
    r"|\b(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|yesterday|today|last"
    r"|years?|months?|weeks?|days?|hours?)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|hundred|thousand"
    r"|million|billion|half|twice|dozen)\b",
    re.IGNORECASE,
)


def holds_answer(query: str, texts: Sequence[str]) -> list[bool]:
    """Say which texts hold a thing of the kind that a question asks for.

    Times for "when", numbers for "how many", a name of several words that the question does not
    hold for "who". Of a conversation the last line is the question.

    Args:
        query: What is asked, in English; "when" and "how many" in some other languages too. Any
            other question asks for no kind.
        texts: What may answer it.

    Returns:
        One entry a text; all False where no kind is asked for.

    >>> holds_answer("Who built it?", ["It was built by Ada Lovelace.", "It was built in 1843."])
    [True, False]
    >>> holds_answer("When was it built?", ["Ada Lovelace built it.", "It was built in 1843."])
    [False, True]
    """
    holds = _kind(query)
    return [holds is not None and holds(text) for text in texts]


def asks_for(question: str) -> Kind | None:
    """Return the kind of thing a question asks for; None where it is none of the three.

    >>> asks_for("How many eggs are there?"), asks_for("Is it true?")
    ('amount', None)
    """
    for kind, pattern in _KINDS:
        if pattern.search(question):
            return kind
    return None


def _kind(query: str) -> Callable[[str], bool] | None:
    match asks_for(query.strip().rsplit("\n", 1)[-1]):
        case "time":
            return lambda text: _TIME.search(text) is not None
        case "amount":
            return lambda text: _NUMBER.search(text) is not None
        case "person":
            said = frozenset(words(query))
            return lambda text: any(
                " " in name and not said.issuperset(words(name)) for name in names(text)
            )
        case None:
            return None
