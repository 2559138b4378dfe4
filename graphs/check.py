"""Whether a draft stands on its sources."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoestring.graphs.prompts import join_pieces, passages
from shoestring.tools.words.stems import stem
from shoestring.tools.words.stop_words import STOP_WORDS
from shoestring.tools.words.words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.documents import Document

CITATION = re.compile(r"\[(\d{1,4})\]")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
THOUSANDS = re.compile(r",(?=\d{3}(?!\d))")
WORD = re.compile(r"\w+")
DECLINED = re.compile(
    r"\b(?:sources?|texts?|passages?|context|documents?) (?:do|does|did)(?: not|n['’]t) "
    r"(?:\w+ )?(?:say|state|mention|contain|hold|provide|specify|give|include|answer)\b"
)
"""An admission that the sources hold no answer, in the words asked for or near them (English)."""

QUOTED = re.compile(r"[\"'`“‘«]([^\"'`“”‘’«»]{1,80})[\"'`”’»]")

SHORTEST_NAME = 3
"""Characters; "I" and the capitals of initials and headings say little."""

SENTENCE_END = tuple(".!?:。！？\n")

SUPPORT = 0.5
"""Share of the answer's words that must stand in the question or in what the model was shown.

Half: a true paraphrase of one sentence keeps its nouns and verbs; text made up from nothing does not.
"""

VERDICTS = frozenset({"yes", "no"})
"""Answers that need not stand in the sources word for word (English)."""

OPENERS = frozenset(
    {"according", "based", "given", "hence", "however", "overall", "therefore", "thus", "using"}
)
"""Words that open a sentence and name nothing (English; stop words and adverbs in -ly aside)."""

HEDGES = frozenset({"answer", "question", "source", "sources", "text"})
"""Words about answering, not an answer."""

LOOP = 12
"""Runs of four words from which an answer may be a loop: a short one may say a thing twice."""

MOST_SOURCES = 3
"""Sources named for an answer that cites none itself."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check found.

    Args:
        problems: One line each; empty where the draft stands.
        cited: The pieces the draft rests on, in reading order.
    """

    problems: tuple[str, ...]
    cited: tuple[Document, ...]


def check(
    answer: str,
    *,
    question: str,
    context: Sequence[Document],
    shown: Sequence[Document],
    truncated: bool = False,
) -> Verdict:
    """Check a generated answer against what its model was shown.

    The draft passes when it is not empty, not truncated, no loop and no admission that the sources hold no answer;
    when every `[n]` in it names a source; when its names, numbers and identifiers stand in the cited
    spans (in all that was shown, where it cites none) or in the question; when at least `SUPPORT` of
    its words do ("yes" and "no" aside); and when it says more than the question did. It compares words,
    not meanings: a "not" that the sources do not have passes.

    Args:
        answer: The model's text.
        question: What was asked.
        context: The pieces of the answering call, as numbered by `render_sources`.
        shown: All pieces the route showed the model.
        truncated: Whether the model was cut off.
    """
    text = CITATION.sub("", answer).strip()
    problems: list[str] = []
    if not words(text):
        return Verdict(("the answer is empty",), ())
    if truncated:
        problems.append("the answer was cut off")
    if _loops(words(text)):
        problems.append("the answer repeats itself")
    if DECLINED.search(plain(text)):
        return Verdict((*problems, "the model found no answer in the sources"), ())
    sources = passages(context)
    numbers = list(dict.fromkeys(int(match) for match in CITATION.findall(answer)))
    missing = [number for number in numbers if not 1 <= number <= len(sources)]
    problems += [f"source [{number}] does not exist" for number in missing]
    cited = [piece for number in numbers if number not in missing for piece in sources[number - 1]]
    ground = [question, *(_whole(piece) for piece in cited or shown)]
    known = _Known("\n".join(ground))
    problems += [
        f"{fact!r} does not stand in the sources" for fact in _facts(text) if not known.holds(fact)
    ]
    said = [word for word in words(text) if word not in VERDICTS]
    if said and _echoes(text, said, question):
        problems.append("the answer says no more than the question")
    share = sum(word in known.terms for word in said) / len(said) if said else 1.0
    if share < SUPPORT:
        problems.append(f"only {share:.0%} of the answer's words stand in the sources")
    return Verdict(tuple(problems), tuple(cited or _closest(said, shown)))


def _loops(said: Sequence[str]) -> bool:
    """Whether most runs of four words come again: lists differ somewhere in four words, loops do not."""
    runs = [tuple(said[at : at + 4]) for at in range(len(said) - 3)]
    return len(runs) >= LOOP and 2 * len(set(runs)) < len(runs)


def _echoes(text: str, said: Sequence[str], question: str) -> bool:
    """Whether an answer has only words of the question; what it puts in quotes is a word, too."""
    asked = {stem(word) for word in words(question)}
    known = plain(question)
    return all(
        stem(word) in asked or word in STOP_WORDS or word in HEDGES for word in said
    ) and all(plain(quoted) in known for quoted in QUOTED.findall(text))


class _Known:
    """The words, numbers and terms of a text."""

    def __init__(self, text: str) -> None:
        known = plain(text)
        self.terms = set(words(known))
        self._words = set(WORD.findall(known))
        self._numbers = {_number(match) for match in NUMBER.findall(known)}

    def holds(self, fact: str) -> bool:
        """Whether a fact stands in the text as a whole word or number, thousands separators aside."""
        wanted = plain(fact)
        return wanted in self._words or _number(wanted) in self._numbers


def _number(text: str) -> str:
    """Return a number without thousands separators; a decimal comma stays what it is."""
    return THOUSANDS.sub("", text)


def _facts(text: str) -> list[str]:
    """Return the numbers, identifiers and names of a text, each once.

    An identifier has an underscore, a digit or a capital inside. A capital letter in front makes a
    name; at the start of a sentence only of a word that does not commonly stand there.
    """
    found = NUMBER.findall(text)
    for match in WORD.finditer(text):
        word = match.group()
        if not word.isascii() and not word[0].isupper():
            continue  # a run of a script without spaces: its numbers are in already
        inside = word[1:]
        identifies = "_" in word.strip("_") or (inside != inside.lower() and not word.isupper())
        named = word[0].isupper() and len(word) >= SHORTEST_NAME
        in_place = named and (_in_sentence(text, match.start()) or not _opens(word.casefold()))
        if identifies or in_place:
            found.append(word)
    return list(dict.fromkeys(found))


def _opens(word: str) -> bool:
    """Whether a word at the start of a sentence is no name (English)."""
    return word in STOP_WORDS or word in VERDICTS or word in OPENERS or word.endswith("ly")


def _in_sentence(text: str, start: int) -> bool:
    """Whether the word at `start` continues a sentence."""
    before = text[max(0, start - 8) : start].rstrip(" \t\"'“”«»(*`")
    return bool(before) and not before.endswith(SENTENCE_END)


def _closest(said: Sequence[str], shown: Sequence[Document]) -> list[Document]:
    """Return the pieces that hold most of the answer's words, in reading order."""
    wanted = set(said)
    overlap = [len(wanted.intersection(words(piece.page_content))) for piece in shown]
    best = sorted(range(len(shown)), key=lambda i: (-overlap[i], i))[:MOST_SOURCES]
    least = max(overlap, default=0) / 2
    return [shown[i] for i in sorted(best) if overlap[i] and overlap[i] >= least] or list(shown[:1])


def _whole(piece: Document) -> str:
    return f"{piece.metadata.get('title', '')} {join_pieces([piece])}"


def plain(text: str) -> str:
    """Return a text as it is compared: NFKC, case folded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
