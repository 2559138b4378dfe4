"""Shape: what kind of text a document is, as far as its outline is concerned."""

import re
from collections.abc import Sequence
from typing import Literal

from shoestring.tools.relevance.loglines import is_log
from shoestring.tools.splitting.blocks import is_code
from shoestring.tools.trimming.kinds.chat import Chat, speaker, turns

__all__ = ["Shape", "shape_of"]

Shape = Literal["prose", "chat", "log", "code"]

_SPOTS, _SPOT = 20, 8_000  # where a text is looked at; characters each
_TURNS = 200  # pieces that are looked at, whether each is a turn
_ABOVE = 12  # lines that may stand above the first turn of a chat
_HEADINGS = 0.02  # of the lines of a log begin like a heading of Markdown, at most
_HASHES = re.compile(r"#{1,6}[ \t]+\S")


def shape_of(texts: Sequence[str], source: str) -> Shape:
    r"""Say what kind of text the pieces of a document are; looks at no more than 160,000 characters.

    >>> shape_of(["Ada: Hello!\nBob: Hi.\nAda: How are you?\nBob: Fine.\n"], "talk.txt")
    'chat'
    """
    spots = [spot for text in texts[:: max(1, len(texts) // _SPOTS)] for spot in _spots(text)]
    lines = [line for spot in spots[:_SPOTS] for line in spot.splitlines() if line.strip()]
    headings = sum(_HASHES.match(line) is not None for line in lines)
    if headings <= _HEADINGS * len(lines) and is_log(lines):
        return "log"
    if is_code(source):
        return "code"
    talk = len(texts) > 1 and all(turns(texts[:_TURNS]))
    if talk or Chat().units(_first_turn(spots[0]), source) is not None:
        return "chat"
    return "prose"


def _first_turn(text: str) -> str:
    """Leave out the lines above the first turn: a date, a heading."""
    at = 0
    for line in text.splitlines(keepends=True)[:_ABOVE]:
        if speaker(line):
            return text[at:]
        at += len(line)
    return ""


def _spots(text: str) -> list[str]:
    """Take stretches from all over a text."""
    if len(text) <= _SPOTS * _SPOT:
        return [text]
    step = (len(text) - _SPOT) // (_SPOTS - 1)
    return [text[at : at + _SPOT] for at in range(0, len(text) - _SPOT + 1, step)]
