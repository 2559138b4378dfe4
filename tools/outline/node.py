"""Node: one section or passage of an outline."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Kind", "Node"]

Kind = Literal[
    "document", "section", "page", "clause", "table", "session", "phase", "topic", "passage"
]


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a document, by what it says of itself and where it stands.

    Its id is made of where it stands (the source, the titles above it) and, for a passage, of its
    text. So it is the same in every build of the same text, and an edit changes the ids of the
    passages it touches and of no section that keeps its title.
    """

    id: str
    """Ten characters, as `open` and `read` take it."""
    parent: str
    """The id of the node it stands in; "" for a document."""
    kind: Kind
    """What it is: "document"; a "section" under a heading, a "page", a numbered "clause", a captioned
    "table", a "session" of a chat, a "phase" of a log; a "topic" where nothing of the kind divides
    a long text; or a "passage", which has no parts but its sentences, lines and table rows."""
    title: str
    """Its heading; "" for a topic or a passage."""
    source: str
    """The document it stands in."""
    start: int
    """Its first character in the source."""
    end: int
    """One past its last."""
    tokens: int
    """Its own tokens, all parts together, in o200k_base unless the outline was built with another
    counter."""
    gist: str
    """What it is about: its own terms, and its most central sentence; "" where it has no words."""
