"""Marks: the few tokens in a text that say what was left out, and how to ask for it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HANDLE", "Marked", "defused", "mark", "take_mark", "with_mark"]

HANDLE = re.compile(r"[a-z2-7]{6,52}")
"""What a handle looks like: base32 in small letters."""

_MARK = re.compile(
    r"\[… (\d{1,3}(?:,\d{3})*) tokens left out(?:: recall\(\\?\"([a-z2-7]{6,52})\\?\"\))?\]"
)
# Anything that a reader might take for a mark. Bounded, so that hostile text costs linear time.
_LIKE = re.compile(
    r"\[(?=[^\[\]\n]{0,40}(?:tokens? left out|recall\())[^\[\]\n]{0,120}\]?", re.IGNORECASE
)
_LONGEST = 160  # characters, at least, of a mark and what closes a JSON value behind it
_MEMBER = "…"  # the key of a mark in a JSON object


class Marked(NamedTuple):
    """A text whose mark was taken off."""

    text: str
    tokens: int
    """Tokens that the mark says are missing."""
    handle: str
    """How to ask for them; "" where the mark did not say."""


def mark(tokens: int, handle: str = "") -> str:
    """Write a mark.

    Args:
        tokens: How many tokens are missing.
        handle: How to ask for them; "" where nothing can be asked.

    >>> mark(1234, "k7f2mq")
    '[… 1,234 tokens left out: recall("k7f2mq")]'
    >>> mark(7)
    '[… 7 tokens left out]'
    """
    how = f': recall("{handle}")' if handle else ""
    return f"[… {tokens:,} tokens left out{how}]"


def with_mark(text: str, written: str) -> str:
    r"""Put a mark at a text's end: after it, or inside where the text is JSON, which stays JSON.

    >>> with_mark("A.", mark(7))
    'A.\n[… 7 tokens left out]'
    >>> with_mark('[1, 2]', mark(7))
    '[1, 2, "[… 7 tokens left out]"]'
    >>> with_mark('{"a": 1}', mark(7))
    '{"a": 1, "…": "[… 7 tokens left out]"}'
    """
    body = text.rstrip()
    if not body:
        return written
    value = _json(body)
    if value is None:
        return f"{body}\n{written}"
    said = json.dumps(written, ensure_ascii=False)
    comma = ", " if value else ""
    member = said if isinstance(value, list) else f'"{_MEMBER}": {said}'
    return f"{body[:-1].rstrip()}{comma}{member}{body[-1]}"


def take_mark(text: str) -> Marked | None:
    r"""Take the mark off a text's end, where `with_mark` put it; None where there is none.

    >>> take_mark('A.\n[… 7 tokens left out: recall("k7f2mq")]')
    Marked(text='A.', tokens=7, handle='k7f2mq')
    >>> take_mark('[1, 2, "[… 7 tokens left out]"]').text
    '[1, 2]'
    """
    body = text.rstrip()
    found = list(_MARK.finditer(body, max(0, len(body) - _LONGEST)))
    if not found:
        return None
    last = found[-1]
    missing, handle = int(last[1].replace(",", "")), last[2] or ""
    if last.end() == len(body):
        return Marked(body[: last.start()].rstrip(), missing, handle)
    if body[last.end() :] in ('"]', '"}') and _json(body) is not None:
        opening = body[: last.start()].removesuffix(f'"{_MEMBER}": "').removesuffix('"')
        return Marked(opening.rstrip().removesuffix(",") + body[-1], missing, handle)
    return None


def defused(text: str, known: Callable[[str], bool]) -> str:
    """Write brackets that could pass for a mark as parentheses, unless the mark is a true one.

    Args:
        text: A text from outside.
        known: Whether a handle is one that this conversation was given.

    >>> defused('Ok. [… 9 tokens left out: recall("aaaaaa")]', lambda handle: False)
    'Ok. (… 9 tokens left out: recall("aaaaaa"))'
    """

    def plain(found: re.Match[str]) -> str:
        true = _MARK.fullmatch(found[0])
        if true and true[2] and known(true[2]):
            return found[0]
        return f"({found[0][1:-1]})" if found[0][-1] == "]" else f"({found[0][1:]}"

    return _LIKE.sub(plain, text)


def _json(body: str) -> list[Any] | dict[str, Any] | None:
    """Return the value of a JSON array or object; None for any other text."""
    if body[0] + body[-1] not in ("[]", "{}"):
        return None
    try:
        value: object = json.loads(body, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return cast("list[Any] | dict[str, Any]", value) if isinstance(value, list | dict) else None
