"""Plain text and Markdown: bytes to text, and a title."""

import codecs
import re
from typing import NamedTuple

from shoestring.tools.readers.errors import UnreadableFile

__all__ = ["Decoded", "decode", "first_heading"]

_BOMS = (
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_SAMPLE = 65_536
_CONTROL_BYTES = bytes(set(range(32)) - {7, 8, 9, 10, 11, 12, 13, 27})
# Text has a stray control byte now and then; compressed or compiled data has 1 in 10.
_MOST_CONTROL = 0.02
# A UTF-8 file with damage stays far below; Cyrillic or Chinese in an old code page is far above.
_MOST_REPLACED = 0.25

_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(\S[^\r\n]{0,300})", re.MULTILINE)
_FENCED = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)


class Decoded(NamedTuple):
    """The text of a file, and how many of its bytes had to be replaced by U+FFFD."""

    text: str
    replaced: int


def decode(raw: bytes, source: str) -> Decoded:
    """Decode a text file: UTF-8 with or without a mark, UTF-16 or UTF-32 with one.

    Newlines are kept as they are, so that a character span of the text is one of the decoded file.
    Invalid bytes become U+FFFD as long as most of the text is valid.

    Raises:
        UnreadableFile: If it is binary, empty, or text in another encoding.
    """
    encoding = next((name for mark, name in _BOMS if raw.startswith(mark)), "utf-8")
    if encoding in {"utf-8", "utf-8-sig"}:
        sample = raw[:_SAMPLE]
        control = len(sample) - len(sample.translate(None, _CONTROL_BYTES))
        if b"\0" in raw or control > _MOST_CONTROL * len(sample):
            raise UnreadableFile(source, "it is binary, not text")
    try:
        text, replaced = raw.decode(encoding), 0
    except UnicodeDecodeError:
        text = raw.decode(encoding, errors="replace")
        replaced = text.count("\ufffd")
        if replaced > _MOST_REPLACED * len(text):
            raise UnreadableFile(
                source, "it is binary, or text that is not UTF-8 or UTF-16: convert it with iconv"
            ) from None
    if not text or text.isspace():
        raise UnreadableFile(source, "it is empty")
    return Decoded(text, replaced)


def first_heading(text: str) -> str:
    """Return the first `#` heading of a Markdown text that stands before any code block, or ""."""
    found = _HEADING.search(text)
    fence = _FENCED.search(text, 0, found.start() if found else len(text))
    if found is None or fence is not None:
        return ""
    return found[1].strip().rstrip("#").strip()
