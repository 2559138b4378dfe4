"""What a question is answered from: the index of some paths, and their outline where it is needed."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from shoestring.cli.progress import counting, waiting
from shoestring.cli.skipped import tell_skipped

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings

    from shoestring.tools import Index, Outline, Skipped

LARGEST_EMBEDDED = 4_000_000
"""Characters that are embedded on a laptop within minutes; more is searched by words alone."""

_CHARACTERS = 4  # of a token, about


@dataclass(frozen=True, slots=True)
class Corpus:
    """The index of some paths, and their outline: None where no route needs one."""

    index: Index
    outline: Outline | None


@contextmanager
def open_corpus(
    paths: list[Path], where: Path | None, *, model: bool, outlined: bool
) -> Generator[Corpus]:
    """Bring the index of these paths up to date, and their outline; then tell what was not read.

    The outline stands beside the folder of the index. It is made where a document is long, since a
    model may then be led through it, or where it is asked for. Without a chat model nothing is led,
    and no model is loaded to embed either: who asks for quotes wants them at once.

    Args:
        paths: Files and folders.
        where: The folder of the index; None for one in the user's cache.
        model: Whether a chat model answers.
        outlined: Whether an outline is asked for.
    """
    from shoestring.tools import Index

    reading = _Reading(paths)
    embeddings = _embeddings() if model and reading.small else None
    home = where or _home(paths, embeddings)
    with ExitStack() as stack:
        index = stack.enter_context(Index.open(home, embeddings))
        with counting("Indexing", "passages") as advance:
            index.update(reading.documents(), progress=advance)
        outline = None
        if model and (outlined or reading.long):
            outline = stack.enter_context(_outline(reading, home))
        if not reading.small:
            size = f"more than {LARGEST_EMBEDDED:,} characters"
            typer.echo(f"{size}: searched by words, not by meaning", err=True)
        tell_skipped(reading.skipped)
        yield Corpus(index, outline)


class _Reading:
    """The documents of some paths: few are held, many are read anew each time."""

    def __init__(self, paths: list[Path]) -> None:
        from shoestring.tools import read

        self.skipped: list[Skipped] = []
        self._paths = paths
        self._lengths = Counter[str]()
        self._rest = read(paths, on_skip=self.skipped.append)
        self._held: list[Document] = []
        self._read = False
        characters = 0
        for document in self._rest:
            self._held.append(document)
            characters += len(document.page_content)
            if characters > LARGEST_EMBEDDED:
                break
        self.small = characters <= LARGEST_EMBEDDED
        """Whether the documents are few enough to embed."""

    @property
    def long(self) -> bool:
        """Whether one of the documents, all read by now, is long enough to be read by its outline."""
        from shoestring.graphs.planning import LONG

        return max(self._lengths.values(), default=0) >= LONG * _CHARACTERS

    def documents(self) -> Iterator[Document]:
        """Yield all; the second time those that are not held are read again."""
        if self.small:
            found: Iterator[Document] = iter(self._held)
        elif self._read:
            from shoestring.tools import read

            found = read(self._paths, on_skip=lambda _: None)
        else:
            found, self._held = chain(self._held, self._rest), []
        first, self._read = not self._read, True
        for document in found:
            if first:
                self._lengths[str(document.metadata["source"])] += len(document.page_content)
            yield document


def _outline(reading: _Reading, home: Path) -> Outline:
    from shoestring.tools import Outline

    with waiting("Outlining"):
        return Outline.build(reading.documents(), home.with_name(f"{home.name}.outline.sqlite3"))


def _embeddings() -> Embeddings | None:
    """Return the packaged embedder, or None: without it the index is lexical."""
    from shoestring.models import MissingExtra, local_embeddings

    try:
        with waiting("Loading the embedder"):
            return local_embeddings()
    except MissingExtra:
        return None


def _home(paths: list[Path], embeddings: Embeddings | None) -> Path:
    """Return the folder of the index of these paths in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    named = "\0".join([*sorted(str(path.resolve()) for path in paths), repr(embeddings is None)])
    digest = hashlib.sha256(named.encode(errors="surrogateescape")).hexdigest()
    return cache / "shoestring" / "index" / digest[:16]
