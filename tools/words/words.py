"""Words: the terms that lexical search compares, for any script."""

import re
import unicodedata
from functools import cache

__all__ = ["has_unspaced", "words"]

# Beyond this an identifier is data (base64, a hash chain): its parts would only be noise.
_LONGEST_IDENTIFIER = 80

_ASCII_WORD = re.compile(r"[A-Za-z0-9]+(?:_+[A-Za-z0-9]+)*")
_COMPOUND = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]|[A-Za-z0-9]_+[A-Za-z0-9]")
_SEAM = re.compile(r"_+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

# Scripts written without spaces between words (Hangul has spaces, but glues particles to nouns).
_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED = re.compile(
    f"([{_HAN}\u3041-\u30ff\u3105-\u312f\u31f0-\u31ff\u1100-\u11ff\uac00-\ud7a3"
    "\u0e01-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff]+)"
)
_IS_HAN = re.compile(f"[{_HAN}]")


@cache
def _any_word() -> re.Pattern[str]:
    """Compile the pattern of a word in any script, on the first text that is not ASCII.

    Python's word class leaves out combining marks, so Hindi or Tamil would be cut at vowel signs.
    """
    marks = [c for c in map(chr, range(0x300, 0x20000)) if unicodedata.category(c)[0] == "M"]
    letter = f"(?:[^\\W_]|[{''.join(marks)}])"
    return re.compile(f"{letter}+(?:_+{letter}+)*")


def words(text: str) -> list[str]:
    """Split a text into the terms that lexical search compares.

    Terms are casefolded after Unicode NFKC. An identifier (`snake_case`, `camelCase`) gives itself
    without its seams, then its parts, so either spelling finds the other. Chinese, Japanese,
    Korean, Thai, Lao, Khmer and Burmese runs give overlapping character pairs, as these scripts do
    not separate words by spaces; a Chinese character also stands alone, since it often is a word.

    Args:
        text: Any text; control characters, lone surrogates and empty text are fine.

    Returns:
        Terms in reading order, with repeats; none is empty. Time is linear in the text.

    >>> words("Straße: call getUserName() or user_id")
    ['strasse', 'call', 'getusername', 'get', 'user', 'name', 'or', 'userid', 'user', 'id']
    >>> words("東京タワー")
    ['東', '京', '東京', '京タ', 'タワ', 'ワー']
    """
    if text.isascii():
        if _COMPOUND.search(text) is None:
            return _ASCII_WORD.findall(text.lower())
        found: list[str] = []
        for word in _ASCII_WORD.findall(text):
            _add(word, found)
        return found
    found = []
    for word in _any_word().findall(unicodedata.normalize("NFKC", text)):
        if word.isascii():
            _add(word, found)
            continue
        # The separators captured by split stand at the odd places.
        for place, piece in enumerate(_UNSPACED.split(word)):
            if place % 2:
                found.extend(_IS_HAN.findall(piece) if len(piece) > 1 else [piece])
                found.extend(piece[i : i + 2] for i in range(len(piece) - 1))
            elif piece := piece.strip("_"):
                _add(piece, found)
    return found


def has_unspaced(text: str) -> bool:
    """Say whether a text has words of scripts that write no spaces between them.

    >>> has_unspaced("Москва"), has_unspaced("in 東京")
    (False, True)
    """
    return _UNSPACED.search(text) is not None


def _add(word: str, found: list[str]) -> None:
    if word.islower() and "_" not in word:  # the common case, and the cheap one
        found.append(word.casefold())
        return
    found.append(word.replace("_", "").casefold())
    if len(word) > _LONGEST_IDENTIFIER:
        return
    parts = _SEAM.split(word)
    if len(parts) > 1:
        found.extend(part.casefold() for part in parts)
