"""Reading measured: the passages of a case as the documents they were cut from."""

from __future__ import annotations

import re
from bisect import bisect_right
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document

from shoestring.tools import Outline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Reader", "as_documents"]

_PAGE = re.compile(r"(.*?)[\s,:|-]*\bpage (\d{1,6})", re.IGNORECASE | re.DOTALL)

Places = dict[str, list[tuple[int, int]]]


def as_documents(passages: Sequence[Document]) -> tuple[list[Document], Places]:
    """Put passages together to documents.

    Passages that follow each other under one title, or under titles that differ in the number of
    their page only ("Report page 7"), are parts of one document.

    Args:
        passages: With a `title`.

    Returns:
        The parts of the documents, and for each document where its passages begin: the first
        character and the number of each passage.
    """
    parts: list[Document] = []
    places: Places = {}
    before: str | None = None
    source, at = "", 0
    for number, passage in enumerate(passages):
        title = str(passage.metadata.get("title", ""))
        page = _PAGE.fullmatch(title)
        name = page[1] if page else title
        if name != before:
            source, at, before = f"document {len(places) + 1}", 0, name
            places[source] = []
        metadata = {"source": source, "title": name, "start": at}
        if page:
            metadata["page"] = int(page[2])
        parts.append(Document(passage.page_content, metadata=metadata))
        places[source].append((at, number))
        at += len(passage.page_content) + 1
    return parts, places


class Reader:
    """Keeps of passages what `Outline.read` does; cases over the same passages share an outline."""

    def __init__(self) -> None:
        self._texts: list[tuple[str, str]] = []
        self._built: tuple[Outline, Places] | None = None

    def __call__(
        self,
        passages: Sequence[Document],
        query: str,
        tokens: int,
        count: Callable[[str], int],
    ) -> list[Document]:
        """Read: a method to measure. Each piece says as `passage` which one it stands in."""
        texts = [(str(p.metadata.get("title", "")), p.page_content) for p in passages]
        if self._built is None or texts != self._texts:
            parts, places = as_documents(passages)
            self._texts, self._built = texts, (Outline.build(parts, count=count), places)
        outline, places = self._built
        kept = outline.read(query, tokens, fill="budget")
        return [_placed(piece, places) for piece in kept.documents]


def _placed(piece: Document, places: Places) -> Document:
    """Say of a piece of a document where it stands in its passage."""
    begins = places[piece.metadata["source"]]
    start = int(piece.metadata["start"])
    begin, number = begins[bisect_right(begins, start, key=itemgetter(0)) - 1]
    metadata: dict[str, Any] = {**piece.metadata, "passage": number, "start": start - begin}
    if "spans" in metadata:
        metadata["spans"] = [(left - begin, right - begin) for left, right in metadata["spans"]]
    return Document(piece.page_content, metadata=metadata)
