"""Scores: how much of what is needed survived, and how much could have."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from shoestring.evals.cases import Case

if TYPE_CHECKING:
    import tiktoken

__all__ = ["answer_oracle", "answer_recall", "gold_oracle", "gold_recall", "plain"]

Count = Callable[[str], int]
Spans = Sequence[tuple[int, int]]


def plain(text: str) -> str:
    r"""Write a text for comparison: NFKC, casefold, white space collapsed.

    >>> plain("STRASSE  of\nJava\N{TRADE MARK SIGN}") == plain("Straße of JavaTM")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def answer_recall(case: Case, text: str) -> float | None:
    """Say whether the required strings stand in a trimmed text.

    Any of the answers; all of them where the case demands it (`all_answers_required`); every one of
    `evidence_strings` where given. A log with `gold_lines` scores the share of those lines that
    survive. Compared by `plain`.

    Args:
        case: The case, with its marks.
        text: What was kept, as rendered.

    Returns:
        0 to 1, or None where the case has no such strings (`extractive` is not set).
    """
    needed = _needed(case)
    if needed is None:
        return None
    kept = plain(text)
    if lines := _gold_lines(case):
        return sum(plain(line) in kept for line in lines) / len(lines)
    return float(any(all(plain(part) in kept for part in way) for way in needed))


def answer_oracle(case: Case, limit: int, count: Count) -> float | None:
    """Give the best answer recall that a method could have within a limit.

    The required strings that stand in the passages, on their own, without titles or neighbours,
    fit the limit (the shortest of them, where any will do), spelt as given or as `plain` does,
    whichever has fewer tokens. For a log, as many gold lines as fit, the cheapest first and
    the last one in part; what stands in it twice is kept once. Strings that overlap are counted
    apart, so where those decide a method may do better.
    """
    needed = _needed(case)
    if needed is None:
        return None
    if lines := _gold_lines(case):
        copies = Counter(map(plain, lines))
        costs = {plain(line): _fewest([line], count) for line in lines}
        room, fitting = float(limit), 0.0
        for line in sorted(costs, key=lambda line: costs[line] / copies[line]):
            share = min(1.0, room / costs[line])
            room -= share * costs[line]
            fitting += share * copies[line]
        return fitting / len(lines)
    whole = plain("\n".join(part for p in case.passages for part in (p.title, p.text)))
    for way in needed:
        spelt = {plain(part): part for part in way}
        apart = [
            part
            for key, part in spelt.items()
            if not any(key != other and key in other for other in spelt)
        ]
        if all(key in whole for key in spelt) and _fewest(apart, count) <= limit:
            return 1.0
    return 0.0


def _fewest(parts: Sequence[str], count: Count) -> int:
    text = " ".join(" ".join(parts).split())
    return min(count(text), count(plain(text)))


def gold_recall(
    case: Case, kept: Mapping[int, Spans], encoding: "tiktoken.Encoding"
) -> float | None:
    """Give the share of the gold passages' tokens that stand inside kept spans.

    Args:
        case: The case, with its marks.
        kept: Kept character spans by the place of their passage in the case.
        encoding: The vocabulary tokens are counted in. A token stands where its last character
            stands, since most begin with the space before their word.

    Returns:
        0 to 1, or None where no passage is gold.
    """
    total = inside = 0
    for place, passage in enumerate(case.passages):
        if not passage.gold:
            continue
        ends = _token_ends(passage.text, encoding)
        total += len(ends)
        held = np.zeros(len(ends), np.bool_)
        for start, end in kept.get(place, ()):
            first = len(passage.text[:start].encode(errors="replace"))
            last = first + len(passage.text[start:end].encode(errors="replace"))
            held |= (ends > first) & (ends <= last)
        inside += int(held.sum())
    return inside / total if total else None


def gold_oracle(case: Case, limit: int, encoding: "tiktoken.Encoding") -> float | None:
    """Give the best gold recall possible: room over gold tokens, at most 1."""
    total = sum(len(_token_ends(p.text, encoding)) for p in case.passages if p.gold)
    return min(1.0, limit / total) if total else None


def _token_ends(
    text: str, encoding: "tiktoken.Encoding"
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Give where each token ends, in bytes."""
    tokens = encoding.encode_ordinary(text.encode(errors="replace").decode())
    lengths = [len(part) for part in encoding.decode_tokens_bytes(tokens)]
    return np.cumsum(np.array(lengths, np.int64))


def _needed(case: Case) -> list[tuple[str, ...]] | None:
    """Give the ways to be right: any of them, with all of its strings; None if there are none."""
    if case.meta.get("extractive") is not True:
        return None
    evidence = case.meta.get("evidence_strings")
    if isinstance(evidence, list) and evidence:
        return [tuple(str(part) for part in evidence)]
    if lines := _gold_lines(case):
        return [tuple(lines)]
    answers = tuple(answer for answer in case.answers if plain(answer))  # "" stands in any text
    if case.meta.get("all_answers_required") is True:
        return [answers] if answers else None
    return [(answer,) for answer in answers] or None


def _gold_lines(case: Case) -> list[str]:
    """Give the marked lines of a log that are not blank; their numbers count from 1."""
    marks = case.meta.get("gold_lines")
    if not isinstance(marks, list) or not marks:
        return []
    lines = [line for passage in case.passages for line in passage.text.split("\n")]
    found: list[str] = []
    for mark in marks if isinstance(marks[0], list) else [marks]:
        if (
            isinstance(mark, list)
            and len(mark) == 2  # noqa: PLR2004 - the first line and the last
            and all(isinstance(number, int) for number in mark)
        ):
            found += [line for line in lines[max(0, mark[0] - 1) : mark[1]] if line.strip()]
    return found
