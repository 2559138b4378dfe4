"""PDF: the text of each page, through pypdf."""

import logging
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from shoestring.budget.extras import require
from shoestring.tools.readers.errors import UnreadableFile

if TYPE_CHECKING:
    from pypdf import PdfReader

__all__ = ["MOST_PAGES", "PdfText", "pdf_text"]

# Real books stay below; a page tree can name one page object any number of times.
MOST_PAGES = 20_000
_MOST_CHARACTERS = 100_000_000
_LONGEST_STREAM = 20_000_000  # bytes, decompressed: a page of text has some thousands

_ENCRYPTED = "it is encrypted: save a copy without the password"
_NO_TEXT = "it has no text: it may be scanned; run OCR (for example ocrmypdf) and read the result"

# It reports each flaw it mends; without a handler those lines would reach the user's terminal.
logging.getLogger("pypdf").addHandler(logging.NullHandler())


class PdfText(NamedTuple):
    """The title in the file's own metadata ("" if none), and the text of each page, in order."""

    title: str
    pages: tuple[str, ...]


def pdf_text(raw: bytes, source: str) -> PdfText:
    """Read the text of a PDF.

    Raises:
        UnreadableFile: If it is encrypted, broken, without text, or beyond the limits on pages,
            characters and decompressed size.
        MissingExtra: If pypdf is not installed.
    """
    pypdf = require("pypdf", "retrieval")
    try:
        with pypdf.apply_configuration(
            zlib_maximum_output_length=_LONGEST_STREAM,
            lzw_maximum_output_length=_LONGEST_STREAM,
            run_length_maximum_output_length=_LONGEST_STREAM,
        ):
            reader = pypdf.PdfReader(BytesIO(raw), strict=False)
            pages = tuple(_pages(reader, source))
            title = _title(reader)
    except UnreadableFile:
        raise
    except pypdf.errors.DependencyError as error:  # an encryption that needs another package
        raise UnreadableFile(source, _ENCRYPTED) from error
    except Exception as error:  # a broken file may raise anything inside the parser
        raise UnreadableFile(source, f"it is a broken PDF ({type(error).__name__})") from error
    if not any(page and not page.isspace() for page in pages):
        raise UnreadableFile(source, _NO_TEXT)
    return PdfText(title, pages)


def _pages(reader: "PdfReader", source: str) -> Iterator[str]:
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnreadableFile(source, _ENCRYPTED)
    characters = 0
    for number, page in enumerate(reader.pages, start=1):
        if number > MOST_PAGES:
            raise UnreadableFile(source, f"it has more than {MOST_PAGES:,} pages: split it")
        text = page.extract_text()
        # Fonts without a Unicode table can yield half of a surrogate pair.
        text = text.encode("utf-8", "replace").decode("utf-8")
        characters += len(text)
        if characters > _MOST_CHARACTERS:
            raise UnreadableFile(source, f"it has more than {_MOST_CHARACTERS:,} characters")
        yield text


def _title(reader: "PdfReader") -> str:
    title = reader.metadata.title if reader.metadata else None
    return title.strip() if isinstance(title, str) else ""
