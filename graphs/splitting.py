"""Splitting a question: into those that a model writes, or by the names and numbers it holds."""

from __future__ import annotations

import re
from typing import TypedDict

from shoestring.tools.words.names import names

_LONGEST = 8_000  # characters of a reply that are read
_ASKED = re.compile(r"[^?？\n\"“”]{2,300}[?？]")
_BULLET = re.compile(r"^(?:[\s\-*•–—#>`'\[\],:;)(]|\d{1,2}[.):]|[Qq]\d{0,2}[.:)])+")
_NUMBER = re.compile(r"\b\d[\d.,]*\b")
_FEWEST_WORDS = 2


class Asked(TypedDict):
    """One of the questions that a question was split into; plain data.

    `query` is what is looked for, `question` what the model is asked.
    """

    query: str
    question: str


def asked_in(reply: str, question: str, most: int) -> list[Asked]:
    r"""Read the questions out of a reply, whatever is written around them; the question itself is none.

    >>> [one["question"] for one in asked_in("Sure:\n1. Who built it?\n- Where is it?", "", 2)]
    ['Who built it?', 'Where is it?']
    """
    seen = {_plain(question)}
    found: list[Asked] = []
    for match in _ASKED.finditer(reply[:_LONGEST]):
        text = " ".join(_BULLET.sub("", match[0]).split())
        plain = _plain(text)
        if len(plain.split()) >= _FEWEST_WORDS and plain not in seen:
            seen.add(plain)
            found.append(Asked(query=text, question=text))
    return found[:most]


def asked_by_names(question: str, most: int) -> list[Asked]:
    """Split a question by what it names, or else by its numbers: about each the rest of it.

    Returns:
        One for each of two names and more; the question itself where there are fewer.

    >>> [one["query"] for one in asked_by_names("Which is older, the Eiffel Tower or Big Ben?", 3)]
    ['Eiffel Tower Which is older, the or ?', 'Big Ben Which is older, the or ?']
    """
    for things in (names(question), _NUMBER.findall(question)):
        kept = list(dict.fromkeys(things))
        if len(kept) > 1:
            rest = question
            for thing in kept:
                rest = rest.replace(thing, " ")
            return [
                Asked(
                    query=f"{thing} {' '.join(rest.split())}",
                    question=f"What do the sources say of {thing} that helps to answer: {question}",
                )
                for thing in kept[:most]
            ]
    return [Asked(query=question, question=question)]


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
