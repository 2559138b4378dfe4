"""Text of unknown origin on its way out: plain on a terminal, byte for byte in a pipe."""

from __future__ import annotations

import re
import sys

# Control characters move the cursor, set titles and fill clipboards; bidirectional overrides show
# a text as another one; lone surrogates cannot be encoded.
_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return a text with all that a terminal would obey, and not show, replaced.

    >>> printable("a\x1b[31mb\n\tc") == "a\N{REPLACEMENT CHARACTER}[31mb\n\tc"
    True
    """
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def one_line(text: str, longest: int) -> str:
    r"""Return a text on one printable line of `longest` characters at most.

    >>> one_line("two\n  lines", 20), one_line("long", 3)
    ('two lines', 'lo…')
    """
    line = printable(" ".join(text.split()))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def write(text: str) -> None:
    """Write a text to stdout, with a last newline.

    As UTF-8 whatever the locale: the terminal's encoding must not decide what a pipe carries.
    """
    if sys.stdout.isatty():
        text = printable(text)
    ending = "" if text.endswith("\n") else "\n"
    sys.stdout.buffer.write(f"{text}{ending}".encode(errors="replace"))
    sys.stdout.buffer.flush()
