"""Chats: turns, each with its speaker."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from shoestring.tools.trimming.units import LONGEST, Unit, units

__all__ = ["Chat", "speaker", "turns"]

_SPEAKER = re.compile(
    r"[ \t]*(?:\[[^\]\n]{1,40}\][ \t]*)?([^\W\d_][^\n:.!?,;()\"/=<>]{0,30}):[ \t]+(?=\S)"
)
_LEVEL = re.compile(r"(?i:debug|info|notice|warn(?:ing)?|error|fatal|trace|note|hint)\Z")
_FEWEST = 4  # turns that show a chat
_SAMPLE = 40  # lines of a text that are looked at
_SPOKEN = 0.5  # of the lines begin a turn, at least
_TURNS = 0.8  # of the documents are turns, at least
_CHANGES = 0.5  # of the turns are another speaker's than the one before, at least


class Chat:
    """A transcript: lines that begin with the name of who speaks, in turns."""

    name = "chat"

    def units(self, text: str, source: str) -> list[Unit] | None:
        """Split a transcript into its turns; see `Kind`."""
        del source
        if _SPEAKER.match(text) is None:
            return None
        lines = [m.span() for m in re.finditer(r"[^\n]+", text) if m[0].strip()]
        sample = [speaker(text[start:end]) for start, end in lines[:_SAMPLE]]
        if not _is_talk([who for who in sample if who], _SPOKEN * len(sample)):
            return None
        starts = [start for start, end in lines if speaker(text[start:end])]
        found: list[Unit] = []
        for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
            turn = text[start:end].rstrip()
            if len(turn) <= LONGEST:
                found.append(Unit(start, start + len(turn), "turn"))
            else:
                first = len(found)
                for part in units(turn):
                    header = part.header + first if part.header >= 0 else -1
                    found.append(Unit(part.start + start, part.end + start, part.kind, header))
        return found


def turns(texts: Sequence[str]) -> list[bool]:
    """Say which texts are each one turn of a chat, where they are turns for the most part.

    >>> turns(["Ada: Hello!", "Bob: Hi.", "Ada: How are you?", "Bob: Fine.", "Later that day"])
    [True, True, True, True, False]
    """
    speakers = [speaker(text) if len(text) <= 2 * LONGEST else "" for text in texts]
    if not _is_talk([who for who in speakers if who], _TURNS * len(texts)):
        return [False] * len(texts)
    return [bool(who) for who in speakers]


def speaker(text: str) -> str:
    """Give the speaker whom a line begins with; "" for a line of another kind."""
    match = _SPEAKER.match(text)
    return "" if match is None or _LEVEL.match(match[1]) else match[1]


def _is_talk(speakers: Sequence[str], fewest: float) -> bool:
    """Say whether speakers, turn by turn, are people who speak with each other."""
    changes = sum(who != before for before, who in pairwise(speakers))
    return (
        len(speakers) >= max(fewest, _FEWEST)
        and changes >= _CHANGES * (len(speakers) - 1)
        and len(speakers) >= 2 * len(Counter(speakers))
    )
