"""Whether a draft stands on its sources."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoestring.graphs.prompts import NO_ANSWER, join_pieces, passages
from shoestring.tools.words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.documents import Document

CITATION = re.compile(r"\[(\d{1,4})\]")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
IDENTIFIER = re.compile(r"\w*(?:_\w|[a-z][A-Z]|\d[^\W\d]|[^\W\d]\d)\w*")
WORD = re.compile(r"\b[^\W\d_]\w{2,}")
SENTENCE_END = re.compile(r"[.!?。！？:]\s*$")

SUPPORT = 0.5
"""Share of the answer's words that must stand in the question or in what the model was shown.

Half: a true paraphrase of one sentence keeps its nouns and verbs; text made up from nothing does not.
"""

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

    The draft passes when it is not empty, not truncated and no admission that the sources hold no answer;
    when every `[n]` in it names a source; when its names, numbers and identifiers stand in the cited
    spans (in all that was shown, where it cites none) or in the question; and when at least `SUPPORT`
    of its words do.

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
    if _plain(NO_ANSWER).rstrip(".") in _plain(text):
        return Verdict((*problems, "the model found no answer in the sources"), ())
    sources = passages(context)
    numbers = list(dict.fromkeys(int(match) for match in CITATION.findall(answer)))
    missing = [number for number in numbers if not 1 <= number <= len(sources)]
    problems += [f"source [{number}] does not exist" for number in missing]
    cited = [piece for number in numbers if number not in missing for piece in sources[number - 1]]
    ground = cited or list(shown)
    known = _plain(question + "\n" + "\n".join(_whole(piece) for piece in ground))
    known_words = set(words(known))
    problems += [
        f"{fact!r} does not stand in the sources" for fact in _facts(text) if not _stands(fact, known)
    ]
    said = words(text)
    share = sum(word in known_words for word in said) / len(said)
    if share < SUPPORT:
        problems.append(f"only {share:.0%} of the answer's words stand in the sources")
    return Verdict(tuple(problems), tuple(cited or _closest(said, shown)))


def _facts(text: str) -> list[str]:
    """Return the numbers, identifiers and names of a text, each once.

    A capital letter makes a name only inside a sentence: at its start it means nothing.
    """
    found = [*NUMBER.findall(text), *(m.group() for m in IDENTIFIER.finditer(text))]
    for match in WORD.finditer(text):
        word = match.group()
        before = text[: match.start()].rstrip(" \t\"'“”«»(*`")
        if word[0].isupper() and before and not SENTENCE_END.search(before) and before[-1] != "\n":
            found.append(word)
    return list(dict.fromkeys(found))


def _stands(fact: str, known: str) -> bool:
    """Whether a fact stands in a text as a whole word, thousands separators aside."""
    plain = _plain(fact)
    if re.search(rf"(?<!\w){re.escape(plain)}(?!\w)", known):
        return True
    bare = plain.replace(",", "")
    return bare != plain and bare.isdigit() and bool(re.search(rf"(?<!\w){bare}(?!\w)", known))


def _closest(said: Sequence[str], shown: Sequence[Document]) -> list[Document]:
    """Return the pieces that hold most of the answer's words, in reading order."""
    wanted = set(said)
    overlap = [len(wanted.intersection(words(piece.page_content))) for piece in shown]
    best = sorted(range(len(shown)), key=lambda i: (-overlap[i], i))[:MOST_SOURCES]
    least = max(overlap, default=0) / 2
    return [shown[i] for i in sorted(best) if overlap[i] and overlap[i] >= least]


def _whole(piece: Document) -> str:
    return f"{piece.metadata.get('title', '')} {join_pieces([piece])}"


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
