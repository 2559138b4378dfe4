"""Rendering: the text that is sent, and counted."""

from collections.abc import Sequence

from langchain_core.documents import Document

__all__ = ["render", "title_of"]

_LONGEST_TITLE = 200  # characters; titles come from documents, and must not eat the room
_TITLE_READ = 10 * _LONGEST_TITLE  # characters of it that are looked at


def title_of(document: Document) -> str:
    """Give a document's title on one line, shortened; "" where it has none."""
    title = document.metadata.get("title")
    if not isinstance(title, str):
        return ""
    # Asked for at every measurement, so a title of megabytes must not be read to its end.
    return " ".join(title[:_TITLE_READ].split())[:_LONGEST_TITLE].rstrip()


def render(documents: Sequence[Document]) -> str:
    """Write documents as one text.

    A title stands once, on its own line, above the pieces that follow each other under it. Pieces
    of one source under one title stand on lines of their own, anything else after a blank line: a
    line break is the cheapest mark between pieces that were not neighbours, and one that tables,
    logs and code survive.

    Args:
        documents: Pieces in the order they are read.

    Returns:
        The text; "" for no documents.

    >>> pieces = [
    ...     Document("One.", metadata={"source": "a", "title": "A"}),
    ...     Document("Three.", metadata={"source": "a", "title": "A"}),
    ...     Document("Four.", metadata={"source": "b", "title": "B"}),
    ... ]
    >>> print(render(pieces))
    A
    One.
    Three.
    <BLANKLINE>
    B
    Four.
    """
    parts: list[str] = []
    before: tuple[object, str] | None = None
    for document in documents:
        source, title = document.metadata.get("source"), title_of(document)
        if before is not None:
            together = source is not None and before == (source, title)
            parts.append("\n" if together else "\n\n")
        if title and (before is None or before[1] != title):
            parts.append(f"{title}\n")
        parts.append(document.page_content)
        before = (source, title)
    return "".join(parts)
