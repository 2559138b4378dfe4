"""Pieces: documents as units, and chosen units as documents again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.documents import Document

from shoestring.tools.render import title_of
from shoestring.tools.score import Text
from shoestring.tools.units import Unit, units

__all__ = ["Choice", "Pieces"]

_HEADER = 300  # characters of a table's header that are scored with each of its rows


@dataclass(slots=True)
class Choice:
    """What is kept: units, some of them cut short, some documents without their title."""

    units: list[int] = field(default_factory=list)
    """Units by number, best first."""
    cuts: dict[int, int] = field(default_factory=dict)
    """How many characters are kept of a unit that is cut short."""
    untitled: set[int] = field(default_factory=set)
    """Documents whose title had no room."""

    def with_cut(self, unit: int, length: int, *, untitled: int | None = None) -> "Choice":
        """Give the choice with one more unit, of which `length` characters are kept."""
        bare = self.untitled if untitled is None else self.untitled | {untitled}
        return Choice([*self.units, unit], self.cuts | {unit: length}, bare)


class Pieces:
    """The units of all documents, numbered in reading order."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = [_normal(document, i) for i, document in enumerate(documents)]
        self.units: list[Unit] = []
        self.owner: list[int] = []
        self.headers: set[int] = set()
        self._texts: list[Text] = []
        for number, document in enumerate(self.documents):
            first = len(self.units)
            text = document.page_content
            found = units(text)
            for unit in found:
                if unit.header >= 0:
                    unit = unit._replace(header=first + unit.header)  # noqa: PLW2901 - renumbered
                    self.headers.add(unit.header)
                self.units.append(unit)
            self.owner += [number] * len(found)
            self._texts.append(_text(document, found))

    def __len__(self) -> int:
        return len(self.units)

    @property
    def texts(self) -> list[Text]:
        """The documents for scoring."""
        return self._texts

    def content(self, unit: int) -> str:
        """Give the text of a unit."""
        span = self.units[unit]
        return self.documents[self.owner[unit]].page_content[span.start : span.end]

    def may_stand(self, unit: int) -> bool:
        """Say whether a unit may be chosen: a table's header comes with its rows only."""
        return unit not in self.headers

    def may_be_cut(self, unit: int) -> bool:
        """Say whether a unit may be cut short."""
        return self.units[unit].kind in ("sentence", "line")

    def kept(self, choice: Choice) -> list[int]:
        """Give the chosen units with the headers they need, in reading order."""
        needed = {self.units[unit].header for unit in choice.units}
        return sorted(needed.difference((-1,)).union(choice.units))

    def assemble(
        self, choice: Choice, describe: Callable[[Sequence[int]], Mapping[str, Any]]
    ) -> list[Document]:
        """Make documents of the chosen units: one for each run of neighbours.

        Args:
            choice: What is kept.
            describe: Further metadata for a run of units.

        Returns:
            Documents in reading order; each one's text stands at `start` to `end` in its source.
        """
        pieces: list[Document] = []
        run: list[int] = []
        for unit in self.kept(choice):
            if run and not (
                run[-1] + 1 == unit
                and self.owner[run[-1]] == self.owner[unit]
                and run[-1] not in choice.cuts
            ):
                pieces.append(self._piece(run, choice, describe(run)))
                run = []
            run.append(unit)
        if run:
            pieces.append(self._piece(run, choice, describe(run)))
        return pieces

    def _piece(self, run: Sequence[int], choice: Choice, extra: Mapping[str, Any]) -> Document:
        owner = self.owner[run[0]]
        document = self.documents[owner]
        start, end = self.units[run[0]].start, self.units[run[-1]].end
        if run[-1] in choice.cuts:
            end = self.units[run[-1]].start + choice.cuts[run[-1]]
        offset = int(document.metadata["start"])
        metadata = {**document.metadata, "start": offset + start, "end": offset + end, **extra}
        if owner in choice.untitled:
            metadata["title"] = ""
        return Document(page_content=document.page_content[start:end], metadata=metadata)


def _normal(document: Document, number: int) -> Document:
    """Give a document whose metadata says source, title and span."""
    source = document.metadata.get("source")
    start = document.metadata.get("start")
    if not isinstance(start, int) or isinstance(start, bool) or start < 0:
        start = 0
    title = document.metadata.get("title")
    metadata = {
        **document.metadata,
        "source": source if isinstance(source, str) and source else f"document {number + 1}",
        "start": start,
        "end": start + len(document.page_content),
        "title": title if isinstance(title, str) else "",
    }
    return Document(page_content=document.page_content, metadata=metadata)


def _text(document: Document, found: Sequence[Unit]) -> Text:
    text = document.page_content
    said: list[str] = []
    for unit in found:
        body = text[unit.start : unit.end]
        if unit.header >= 0:
            head = found[unit.header]
            body = f"{text[head.start : min(head.end, head.start + _HEADER)]}\n{body}"
        said.append(body)
    lines = sum(
        # A line of a log may hold a value.
        unit.kind == "line" or (unit.kind == "value" and text[unit.start] not in '{["\t ')
        for unit in found
    )
    return Text(title_of(document), said, lines=2 * lines > len(found))
