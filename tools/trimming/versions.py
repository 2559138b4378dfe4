"""Versions: what an older version of a document says that a newer one says anew.

Only documents that state it are taken for versions of one another: they have the same title (or,
without one, the same source), and each a `version`, or an `updated`, or a `date` in its metadata.
Of these an older one's sentence, line or row yields to one of a newer version that says it in about
the same words, whatever numbers and names it gives. What the newer version says nothing about is
kept as it is.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from shoestring.tools.words.words import words

__all__ = ["outdated"]

Stamp = tuple[str, tuple[float, ...]]

_VERSION = re.compile(r"\s*v?(\d{1,9}(?:\.\d{1,9}){0,5})\s*", re.IGNORECASE)
_ALIKE = 0.7  # of all different words of two units are words of both, at least
_FEWEST = 3  # words of a unit, numbers aside
_COMMON = 200  # units that hold a word, from which on it no longer tells units apart


def outdated(
    documents: Sequence[tuple[Mapping[str, Any], Sequence[str]]],
) -> list[tuple[int, int]]:
    """Find the units of older versions that newer ones say anew.

    Args:
        documents: The metadata of each document, and the texts of its units.

    Returns:
        The document and the place in it of each such unit.
    """
    groups: defaultdict[tuple[str, str], list[tuple[tuple[float, ...], int]]] = defaultdict(list)
    for place, (metadata, _) in enumerate(documents):
        stamp = _stamp(metadata)
        if stamp is not None:
            name = metadata.get("title") or metadata.get("source")
            groups[str(name), stamp[0]].append((stamp[1], place))
    found: list[tuple[int, int]] = []
    for members in groups.values():
        if len({stamp for stamp, _ in members}) > 1:
            found += _said_anew(sorted(members, reverse=True), documents)
    return sorted(found)


def _said_anew(
    members: Sequence[tuple[tuple[float, ...], int]],
    documents: Sequence[tuple[Mapping[str, Any], Sequence[str]]],
) -> list[tuple[int, int]]:
    """Go from the newest to the oldest, and compare each unit with those of newer versions."""
    found: list[tuple[int, int]] = []
    newer: list[frozenset[str]] = []
    holding: defaultdict[str, list[int]] = defaultdict(list)
    waiting: list[frozenset[str]] = []
    before: tuple[float, ...] = ()
    for stamp, place in members:
        if stamp != before:  # documents of one version do not make each other old
            for said in waiting:
                for word in said:
                    holding[word].append(len(newer))
                newer.append(said)
            waiting, before = [], stamp
        for unit, text in enumerate(documents[place][1]):
            said = frozenset(word for word in words(text) if not word[0].isdigit())
            if len(said) < _FEWEST:
                continue
            waiting.append(said)
            shared = Counter(
                other for word in said if len(holding[word]) <= _COMMON for other in holding[word]
            )
            if any(
                len(said & newer[other]) >= _ALIKE * len(said | newer[other])
                for other, _ in shared.most_common(_FEWEST)
            ):
                found.append((place, unit))
    return found


def _stamp(metadata: Mapping[str, Any]) -> Stamp | None:
    """Read how new a document says it is; None if it does not say, or not in a way we know."""
    version = metadata.get("version")
    if isinstance(version, int | float) and not isinstance(version, bool):
        return ("version", (float(version),)) if math.isfinite(version) else None
    if isinstance(version, str) and (match := _VERSION.fullmatch(version)):
        return "version", tuple(map(float, match[1].split(".")))
    for key in ("updated", "date"):
        moment = _moment(metadata.get(key))
        if moment is not None:
            return key, (moment,)
    return None


def _moment(value: object) -> float | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        try:
            return aware.timestamp()
        except (OverflowError, ValueError):
            return None
    return float(value.toordinal()) * 86_400 - 719_163 * 86_400 if isinstance(value, date) else None
