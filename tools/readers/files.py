"""Read files and folders into LangChain documents that remember where they come from.

The text of a source is: for text and Markdown the decoded file (byte-order mark removed, newlines
as they are); for HTML the visible text of the page (`readers.html`); for PDF the text of the pages
joined by a form feed. `metadata["start"]` and `["end"]` are a character span in that text.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from langchain_core.documents import Document

from shoestring.budget.extras import MissingExtra
from shoestring.tools.readers.errors import NothingToRead, UnreadableFile
from shoestring.tools.readers.html import page_text
from shoestring.tools.readers.pdf import pdf_text
from shoestring.tools.readers.text import decode, first_heading

__all__ = ["NothingToRead", "Skipped", "UnreadableFile", "read"]

PAGE_BREAK = "\f"
"""Stands between the pages of a PDF in the text that spans refer to."""

_HTML_SUFFIXES = {".html", ".htm", ".xhtml"}
_MARKDOWN_SUFFIXES = {".md", ".markdown", ".mdown", ".mkd", ".mdx"}
_INSTALLED = {"node_modules", "bower_components", "site-packages", "__pycache__"}
_LONGEST_TITLE = 200
_NAMED_IN_ERROR = 5
_OPEN_FLAGS = (
    os.O_RDONLY
    # Opening a named pipe would wait for its writer otherwise.
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or a part of one, that was not read, and why."""

    source: str
    reason: str


def read(
    paths: str | Path | Iterable[str | Path],
    *,
    max_bytes: int = 200_000_000,
    on_skip: Callable[[Skipped], None] | None = None,
) -> Iterator[Document]:
    """Read files and folders: text of any kind, Markdown, HTML and PDF.

    Folders are read in name order. Left out and reported: hidden files and folders, virtual
    environments and installed packages, links to folders, links that lead outside, and what cannot
    be read. A file reached twice is read once. One file is held in memory at a time.

    Args:
        paths: Files and folders. A file named here must be readable; in a folder, what is not
            readable is skipped.
        max_bytes: The largest file read, in bytes.
        on_skip: Told of everything left out, also within a file that is read (bytes that are not
            UTF-8, replaced by U+FFFD; pages of a PDF without text).

    Yields:
        One document a file, or a page of a PDF, with metadata `source` (the path as given, or
        folder/path), `start` and `end` (its character span in the text of the source), `title`
        (first heading or the document's own title, else the file name); for PDF also `page`,
        from 1.

    Raises:
        UnreadableFile: If a file named in `paths` is missing, unreadable, special, binary, empty,
            too large, or broken.
        MissingExtra: If a PDF is named in `paths` and pypdf is not installed.
        NothingToRead: If a folder named in `paths` has no readable file, or `paths` is empty.
        ValueError: If `max_bytes` is not positive.
    """
    if max_bytes <= 0:
        raise ValueError(f"max_bytes must be positive, not {max_bytes}")
    named = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    if not named:
        raise NothingToRead("nothing to read: name at least one file or folder")
    return _read(named, max_bytes, on_skip or (lambda _: None))


def _read(
    named: list[Path], max_bytes: int, on_skip: Callable[[Skipped], None]
) -> Iterator[Document]:
    seen: set[tuple[int, int]] = set()
    for path in named:
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except (OSError, ValueError) as error:
            raise UnreadableFile(_name(path), _os_reason(error)) from None
        if is_folder:
            yield from _read_folder(path, max_bytes, on_skip, seen)
        else:
            yield from _read_file(path, max_bytes, on_skip, seen)


def _read_folder(
    folder: Path,
    max_bytes: int,
    on_skip: Callable[[Skipped], None],
    seen: set[tuple[int, int]],
) -> Iterator[Document]:
    skipped: list[Skipped] = []
    count = 0
    found = False

    def skip(source: str, reason: str) -> None:
        nonlocal count
        count += 1
        entry = Skipped(source, reason)
        if len(skipped) < _NAMED_IN_ERROR:
            skipped.append(entry)
        on_skip(entry)

    for path in _files(folder, skip):
        try:
            yield from _read_file(path, max_bytes, on_skip, seen)
            found = True
        except UnreadableFile as error:
            skip(error.source, error.reason)
        except MissingExtra as error:
            skip(_name(path), str(error))
    if not found:
        listing = "; ".join(f"{entry.source}: {entry.reason}" for entry in skipped)
        more = f"; and {count - len(skipped)} more" if count > len(skipped) else ""
        raise NothingToRead(
            f"nothing readable in {_name(folder)!r}" + (f" ({listing}{more})" if count else "")
        )


def _files(folder: Path, skip: Callable[[str, str], None]) -> Iterator[Path]:
    """Walk a folder in name order, without recursion; links to files come last."""
    root = folder.resolve()
    links: list[Path] = []
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        try:
            mode = path.lstat().st_mode
            if path != folder and stat.S_ISLNK(mode):
                links.append(path)
            elif path == folder or stat.S_ISDIR(mode):
                children = sorted(path.iterdir(), key=lambda child: child.name, reverse=True)
                waiting.extend(child for child in children if _wanted(child, skip))
            else:
                yield path
        except OSError as error:
            skip(_name(path), _os_reason(error))
    for path in links:
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: a loop, before Python 3.13
            skip(_name(path), "a link that leads nowhere")
            continue
        if not target.is_relative_to(root):
            skip(_name(path), "a link that leads outside the folder")
        elif target.is_dir():
            skip(_name(path), "a link to a folder")
        else:
            yield path


def _wanted(path: Path, skip: Callable[[str, str], None]) -> bool:
    if path.name.startswith("."):
        skip(_name(path), "hidden")
        return False
    if path.name in _INSTALLED or (path / "pyvenv.cfg").is_file():
        skip(_name(path), "installed packages or a cache")
        return False
    return True


def _read_file(
    path: Path,
    max_bytes: int,
    on_skip: Callable[[Skipped], None],
    seen: set[tuple[int, int]],
) -> Iterator[Document]:
    source = _name(path)
    raw = _bytes(path, source, max_bytes, seen)
    if raw is None:
        return
    suffix = path.suffix.lower()
    if suffix == ".pdf" or raw.startswith(b"%PDF-"):
        yield from _pdf_documents(raw, source, on_skip)
        return
    text, replaced = decode(raw, source)
    del raw
    if replaced:
        on_skip(Skipped(source, f"{replaced} invalid UTF-8 bytes replaced; the rest is read"))
    title = ""
    if suffix in _HTML_SUFFIXES or (not suffix and _looks_like_html(text)):
        title, text = page_text(text)
        if not text:
            raise UnreadableFile(source, "the page has no visible text")
    if suffix in _MARKDOWN_SUFFIXES or (suffix in _HTML_SUFFIXES and not title):
        title = first_heading(text)
    yield _document(text, source, 0, title)


def _bytes(path: Path, source: str, max_bytes: int, seen: set[tuple[int, int]]) -> bytes | None:
    """Return the content of a regular file, or None if it was read before."""
    try:
        with os.fdopen(os.open(path, _OPEN_FLAGS), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableFile(source, "it is not a regular file")
            if (status.st_dev, status.st_ino) in seen:
                return None
            raw = file.read(max_bytes + 1) if status.st_size <= max_bytes else None
            if raw is None or len(raw) > max_bytes:
                raise UnreadableFile(
                    source,
                    f"it is larger than {max_bytes:,} bytes: split it, or raise max_bytes",
                )
            seen.add((status.st_dev, status.st_ino))
            return raw
    except OSError as error:
        raise UnreadableFile(source, _os_reason(error)) from None


def _pdf_documents(
    raw: bytes, source: str, on_skip: Callable[[Skipped], None]
) -> Iterator[Document]:
    title, pages = pdf_text(raw, source)
    start = 0
    blank: list[int] = []
    for number, page in enumerate(pages, start=1):
        if page and not page.isspace():
            document = _document(page, source, start, title)
            document.metadata["page"] = number
            yield document
        else:
            blank.append(number)
        start += len(page) + len(PAGE_BREAK)
    if blank:
        listing = ", ".join(str(number) for number in blank[:_NAMED_IN_ERROR])
        more = " …" if len(blank) > _NAMED_IN_ERROR else ""
        on_skip(Skipped(source, f"pages without text (scanned?): {listing}{more}"))


def _document(text: str, source: str, start: int, title: str) -> Document:
    title = " ".join(title[: 2 * _LONGEST_TITLE].split())[:_LONGEST_TITLE]
    return Document(
        page_content=text,
        metadata={
            "source": source,
            "start": start,
            "end": start + len(text),
            "title": title or PurePath(source).name,
        },
    )


def _looks_like_html(text: str) -> bool:
    return text[:100].lstrip().lower().startswith(("<!doctype html", "<html"))


def _name(path: Path) -> str:
    # A file name may hold bytes that are not UTF-8; metadata must be storable text.
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def _os_reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file or folder"
    if isinstance(error, PermissionError):
        return "permission denied"
    return (error.strerror if isinstance(error, OSError) else None) or "not a possible file name"
