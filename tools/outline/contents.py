"""Contents: the table of contents of an outline, at the depth that fits."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shoestring.tools.outline.gists import terms_of
from shoestring.tools.outline.node import Node
from shoestring.tools.outline.store import DOCUMENT, Held, Store
from shoestring.tools.trimming.pack import longest_prefix

__all__ = ["Contents", "contents", "line", "name_of"]

_LEAST = 8  # tokens of a line: its id alone has about five
_TERMS = 60  # characters of a gist in a short line,
_GIST = 240  # and in a long one
_FEWEST = 3  # parts of a node that are shown, where not all are
_ROOM = 0.7  # of the tokens for names and terms; the rest is for gists

Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Contents:
    """A table of contents, within the tokens given."""

    text: str
    """A line a node, indented by its depth; "" where not even one fits."""
    tokens: int
    """The tokens of `text`; 0 when it is empty, since nothing is sent."""
    limit: int
    """The tokens there were."""
    nodes: tuple[Node, ...]
    """The nodes that have a line, in reading order."""
    hidden: int
    """How many nodes, passages included, have none: deeper ones, and those there was no room for."""


def contents(store: Store, under: Held | None, tokens: int, count: Count) -> Contents:
    """Write the contents of a node, or of all documents.

    The largest part is divided first, and so on while there is room, so that what is shown is about
    equally rough everywhere; each node has the terms of its gist. What room is left goes to whole
    gists, of the largest nodes first. Of parts that do not all fit the largest are shown, and a line
    says how many more there are.
    """
    total = store.size(under)
    table = _Table(store, under, tokens, count)
    table.divide()
    text = table.text()
    return Contents(
        text=text,
        tokens=count(text) if text else 0,
        limit=tokens,
        nodes=tuple(held.node for held in table.shown) if text else (),
        hidden=total - (len(table.shown) if text else 0),
    )


class _Table:
    """The nodes that are shown, and how they are written."""

    def __init__(self, store: Store, under: Held | None, tokens: int, count: Count) -> None:
        self._store = store
        self._under = under
        self._tokens = tokens
        self._count = count
        self._base = 0 if under is None else under.depth + 1
        self._used = 0.0
        self._order: dict[int, int] = {}  # of the documents
        self._hidden: dict[int, tuple[Held, int]] = {}  # parts not shown, by the last one shown
        self._full: set[int] = set()  # nodes with their whole gists
        self.shown: list[Held] = []
        """In reading order."""

    def divide(self) -> None:
        """Divide the largest node again and again while there is room; then add gists."""
        steps = [self._parts(self._under, self._tokens)]
        self._order = {held.at // DOCUMENT: place for place, held in enumerate(steps[0])}
        waiting = self._waiting(steps[0])
        while waiting and self._used < _ROOM * self._tokens:
            _, _, held = heapq.heappop(waiting)
            parts = self._parts(held, _ROOM * self._tokens)
            steps.append(parts)
            for entry in self._waiting(parts):
                heapq.heappush(waiting, entry)
        self._show(steps)
        # Counts of lines do not add up to that of the text.
        while len(steps) > 1 and self._size() > self._tokens:
            steps.pop()
            self._show(steps)
        first = steps[0]
        while len(steps) == 1 and first and self._size() > self._tokens:
            first.pop()
            if first:
                self._hide(first[-1], self._under, len(first))
            self._show(steps)
        self._add_gists()

    def text(self) -> str:
        """Write the table."""
        lines: list[str] = []
        for held in self.shown:
            lines.append(line(held, self._base, _GIST if held.at in self._full else _TERMS))
            if held.at in self._hidden:
                at, number = self._hidden[held.at]
                lines.append(f"{'  ' * (at.depth - self._base)}… and {number:,} more")
        return "\n".join(lines)

    def _size(self) -> int:
        return self._count(self.text())

    def _parts(self, of: Held | None, room: float) -> list[Held]:
        """Give the parts of a node that fit, all or the largest, in reading order."""
        left = room - self._used
        largest = self._store.largest(of, int(left / _LEAST) + 1)
        number = self._store.size(of, directly=True)
        kept: list[Held] = []
        cost = float(_LEAST if len(largest) < number else 0)
        for held in largest:
            own = self._count(line(held, self._base, _TERMS)) + 1
            if cost + own > left:
                break
            cost += own
            kept.append(held)
        if len(kept) < min(number, _FEWEST) and of is not self._under:
            return []
        self._used += cost
        kept.sort(key=lambda held: held.at if of else (held.place, held.at))
        if kept and len(kept) < number:
            self._hide(kept[-1], of, len(kept))
        return kept

    def _hide(self, last: Held, of: Held | None, shown: int) -> None:
        number = self._store.size(of, directly=True) - shown
        self._hidden[last.at] = (last, number)

    def _waiting(self, parts: Sequence[Held]) -> list[tuple[int, int, Held]]:
        return [(-part.node.tokens, part.at, part) for part in parts if part.node.kind != "passage"]

    def _show(self, steps: Sequence[Sequence[Held]]) -> None:
        found = [held for step in steps for held in step]
        self.shown = sorted(found, key=lambda held: (self._order[held.at // DOCUMENT], held.at))

    def _add_gists(self) -> None:
        order = sorted(self.shown, key=lambda held: (-held.node.tokens, held.at))

        def fits(number: int) -> bool:
            self._full = {held.at for held in order[:number]}
            return self._size() <= self._tokens

        good = longest_prefix(len(order), 1, fits)
        self._full = {held.at for held in order[:good]}


def line(held: Held, base: int, gist: int) -> str:
    """Write a node's line: its id, its name, its tokens, and so many characters of its gist."""
    node = held.node
    told = terms_of(node.gist) if gist <= _TERMS else node.gist
    if len(told) > gist:
        told = f"{told[: gist - 1].rstrip()}…"
    name = name_of(node)
    said = f": {told}" if told else ""
    return f"{'  ' * (held.depth - base)}[{node.id}] {name} ({node.tokens:,} tokens){said}"


def name_of(node: Node) -> str:
    """Give what a node is called: its title, or its kind; a document without one, its source."""
    if node.title:
        return node.title
    return node.source if node.kind == "document" else node.kind
