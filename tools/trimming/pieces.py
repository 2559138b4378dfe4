"""Pieces: documents as units, and chosen units as documents again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, takewhile
from typing import Any

from langchain_core.documents import Document

from shoestring.tools.relevance.ranking import Text
from shoestring.tools.trimming.kinds import KINDS, Kind, units_of
from shoestring.tools.trimming.kinds.chat import turns
from shoestring.tools.trimming.kinds.json_data import enclosed
from shoestring.tools.trimming.render import title_of
from shoestring.tools.trimming.units import Hop, Unit
from shoestring.tools.trimming.versions import outdated

__all__ = ["Choice", "Pieces", "located", "more_like_this"]

_HEADER = 300  # characters of a header, or of a key path, that are scored with each of its units


@dataclass(slots=True)
class Choice:
    """What is kept: units, some of them cut short, some documents without their title."""

    units: list[int] = field(default_factory=list)
    """Units by number, best first."""
    cuts: dict[int, int] = field(default_factory=dict)
    """How many characters are kept of a unit that is cut short."""
    untitled: set[int] = field(default_factory=set)
    """Documents whose title had no room."""
    short: set[int] = field(default_factory=set)
    """Units that are kept in their short form."""

    def with_cut(self, unit: int, length: int, *, untitled: int | None = None) -> "Choice":
        """Give the choice with one more unit, of which `length` characters are kept."""
        bare = self.untitled if untitled is None else self.untitled | {untitled}
        return Choice([*self.units, unit], self.cuts | {unit: length}, bare, self.short)


class Pieces:
    """The units of all documents, numbered in reading order."""

    def __init__(
        self,
        documents: Sequence[Document],
        kinds: Sequence[Kind] = KINDS,
        *,
        look: Callable[[str], Sequence[tuple[int, int]] | None] | None = None,
    ) -> None:
        """Split documents by what kind of text each is; metadata `kind` names it where it is known.

        Args:
            documents: What to split.
            kinds: The kinds of text to look for.
            look: Says which stretches of a document to look at, each of them then a document of
                its own; None for the whole.

        Raises:
            ValueError: If a document's metadata names a kind that is not among `kinds`.
        """
        self.documents: list[Document] = []
        self.passed_over: list[tuple[int, str, int, int]] = []
        """Stretches that were not looked at: the document they stand before, source and span."""
        for place, document in enumerate(documents):
            self._add(located(document, place), look)
        self.units: list[Unit] = []
        self.owner: list[int] = []
        self.headers: set[int] = set()
        self._texts: list[Text] = []
        spoken = turns([document.page_content for document in self.documents])
        for number, document in enumerate(self.documents):
            first = len(self.units)
            found = _split(document, kinds, turn=spoken[number])
            for unit in found:
                if unit.header >= 0:
                    unit = unit._replace(header=first + unit.header)  # noqa: PLW2901 - renumbered
                    self.headers.add(unit.header)
                if unit.like >= 0:
                    unit = unit._replace(like=first + unit.like)  # noqa: PLW2901 - renumbered
                self.units.append(unit)
            self.owner += [number] * len(found)
            self._texts.append(_text(document, found))

    def __len__(self) -> int:
        return len(self.units)

    def _add(
        self,
        document: Document,
        look: Callable[[str], Sequence[tuple[int, int]] | None] | None,
    ) -> None:
        """Add a document, or the stretches of it to look at."""
        text = document.page_content
        spans = look(text) if look is not None else None
        if spans is None:
            self.documents.append(document)
            return
        source, offset = str(document.metadata["source"]), int(document.metadata["start"])
        at = 0
        for start, end in [*spans, (len(text), len(text))]:
            if start > at:
                skipped = (len(self.documents), source, offset + at, offset + start)
                self.passed_over.append(skipped)
            if start < end:
                where = {"start": offset + start, "end": offset + end}
                self.documents.append(
                    Document(page_content=text[start:end], metadata=document.metadata | where)
                )
            at = end

    @property
    def texts(self) -> list[Text]:
        """The documents for scoring."""
        return self._texts

    def content(self, unit: int) -> str:
        """Give the text of a unit."""
        span = self.units[unit]
        return self.documents[self.owner[unit]].page_content[span.start : span.end]

    def outdated(self) -> list[int]:
        """Give the units that a newer version of their document says anew (see `versions`)."""
        said = [
            (document.metadata, text.units)
            for document, text in zip(self.documents, self._texts, strict=True)
        ]
        old = set(outdated(said))
        if not old:
            return []
        firsts = list(accumulate((len(text.units) for text in self._texts), initial=0))
        return [firsts[place] + unit for place, unit in sorted(old)]

    def may_stand(self, unit: int) -> bool:
        """Say whether a unit may be chosen: a header comes with what it is needed for only.

        A table's caption may be a sentence that tells something by itself.
        """
        return unit not in self.headers or self.units[unit].kind != "header"

    def may_be_cut(self, unit: int) -> bool:
        """Say whether a unit may be cut short."""
        return self.units[unit].kind in ("sentence", "line", "turn")

    def headers_of(self, unit: int) -> list[int]:
        """Give the units that one brings along, the nearest first."""
        found: list[int] = []
        while (unit := self.units[unit].header) >= 0:
            found.append(unit)
        return found

    def path_of(self, unit: int) -> list[tuple[Hop, str]]:
        """Give what encloses a part of a JSON value, each with the text that opens it."""
        text = self.documents[self.owner[unit]].page_content
        return [(hop, text[hop.key : hop.start + 1]) for hop in self.units[unit].path]

    def kept(self, choice: Choice) -> list[int]:
        """Give the chosen units with the headers they need, in reading order."""
        needed = {header for unit in choice.units for header in self.headers_of(unit)}
        return sorted(needed.union(choice.units))

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
        runs: list[list[int]] = []
        for unit in self.kept(choice):
            if runs and self._together(runs[-1][-1], unit, choice):
                runs[-1].append(unit)
            else:
                runs.append([unit])
        ends = [-1, *(run[-1] for run in runs)]
        begins = [*(run[0] for run in runs[1:]), len(self.units)]
        return [
            self._piece(run, choice, {**self._alike(run, before, after), **describe(run)})
            for run, before, after in zip(runs, ends, begins, strict=False)
        ]

    def _together(self, unit: int, following: int, choice: Choice) -> bool:
        """Say whether two kept units stand in one piece."""
        if self.owner[unit] != self.owner[following]:
            return False
        before, after = self.units[unit], self.units[following]
        if before.path:
            return True  # parts of one value
        text = self.documents[self.owner[unit]].page_content
        if text[before.end : after.start].strip():  # tags
            return False
        return unit + 1 == following and unit not in choice.cuts

    def _alike(self, run: Sequence[int], before: int, after: int) -> dict[str, Any]:
        """Count the lines of a log that are left out around some, and say the same as they do.

        Args:
            run: Units that are kept, neighbours of each other.
            before: The last unit kept before them; -1 for none.
            after: The next unit kept.
        """
        first, last = self.units[run[0]].like, self.units[run[-1]].like
        above = run[0] - first if before < first else 0
        behind = range(run[-1] + 1, after) if last >= 0 else ()
        below = sum(1 for _ in takewhile(lambda unit: self.units[unit].like == last, behind))
        return {"more_like_this": (above, below)} if above or below else {}

    def _piece(self, run: Sequence[int], choice: Choice, extra: Mapping[str, Any]) -> Document:
        owner = self.owner[run[0]]
        document = self.documents[owner]
        text = document.page_content
        first, last = self.units[run[0]], self.units[run[-1]]
        start, end = first.start, last.end
        offset = int(document.metadata["start"])
        more: dict[str, Any] = dict(extra)
        if run[-1] in choice.cuts:
            end = last.start + choice.cuts[run[-1]]
        content = text[start:end]
        if first.path:
            content = enclosed(text, [self.units[unit] for unit in run])
            more["spans"] = [
                (offset + self.units[unit].start, offset + self.units[unit].end) for unit in run
            ]
        elif run[0] in choice.short:
            content = first.short
            more["shortened"] = True
        elif run[-1] not in choice.cuts and (left := more.get("more_like_this")):
            above, below = map(more_like_this, left)
            content = "\n".join(part for part in (above, content, below) if part)
        metadata = {**document.metadata, "start": offset + start, "end": offset + end, **more}
        if owner in choice.untitled:
            metadata["title"] = ""
        return Document(page_content=content, metadata=metadata)


def more_like_this(left: int) -> str:
    """Write how many lines of a log were left out that say the same; "" for none."""
    return f"[{left} more like this]" if left else ""


def _split(document: Document, kinds: Sequence[Kind], *, turn: bool) -> list[Unit]:
    text = document.page_content
    name = document.metadata.get("kind")
    named = isinstance(name, str) and bool(name)
    if turn and not named:
        start = len(text) - len(text.lstrip())
        return [Unit(start, start + len(text.strip()), "turn")]
    return units_of(text, str(document.metadata["source"]), kinds, name if named else None)


def located(document: Document, place: int) -> Document:
    """Give a document whose metadata says source, title and span.

    Args:
        document: Any.
        place: Which of the documents it is, from 0: what names it where its metadata does not.
    """
    source = document.metadata.get("source")
    start = document.metadata.get("start")
    if not isinstance(start, int) or isinstance(start, bool) or start < 0:
        start = 0
    title = document.metadata.get("title")
    metadata = {
        **document.metadata,
        "source": source if isinstance(source, str) and source else f"document {place + 1}",
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
        above = unit.header
        while above >= 0:
            head = found[above]
            body = f"{text[head.start : min(head.end, head.start + _HEADER)]}\n{body}"
            above = head.header
        if unit.path:
            keys = " ".join(text[hop.key : hop.start] for hop in unit.path)
            body = f"{keys[:_HEADER]}\n{body}"
        said.append(body)
    kinds = [unit.kind for unit in found]
    lines = kinds.count("line") + sum(
        # A line of a log may hold a value.
        unit.kind == "value" and text[unit.start] not in '{["\t '
        for unit in (found if "value" in kinds else ())
    )
    return Text(
        title_of(document),
        said,
        lines=2 * lines > len(found),
        turn=kinds == ["turn"],
        data=2 * kinds.count("value") > len(found),
        talk=2 * kinds.count("turn") > len(found),
    )
