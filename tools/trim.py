"""Trim: the words a query needs, in the tokens there are."""

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from langchain_core.documents import Document

from shoestring.tools.kinds import KINDS, Kind
from shoestring.tools.pack import longest_prefix, pack
from shoestring.tools.pieces import Choice, Pieces, more_like_this
from shoestring.tools.render import render as plain
from shoestring.tools.render import title_of
from shoestring.tools.score import Scores, score
from shoestring.tools.units import safe_cut

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

__all__ = ["Dropped", "Fill", "Trimmed", "trim"]

Fill = Literal["relevant", "budget"]

_FULL = 0.95  # of the room that fill="budget" uses wherever the text allows it
_TRIES = 48  # units that are tried for a last, shortened piece
_SAMPLE = 16  # units counted to learn how many characters a token has
_PROBE = 100_000  # characters; longer texts are first probed for whether they could fit at all
_CLEARLY_OVER = 4  # times the room in the probe alone: the whole is not counted


@dataclass(frozen=True, slots=True)
class Dropped:
    """A stretch of text that was left out."""

    source: str
    """The document it stood in."""
    start: int
    """Its first character in the source."""
    end: int
    """One past its last character."""
    score: float
    """The relevance of its best unit, in [0, 1]."""
    reason: str
    """"not relevant", "no room" or "duplicate"."""


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What was kept of documents, within the tokens given."""

    documents: tuple[Document, ...]
    """The kept pieces in their original order; metadata `source`, `start` and `end` say exactly
    where each stood, `title` its title, `score` its relevance, `reason` why it was kept: "all
    fits", "relevant" or "room left". Three are not verbatim: parts of a JSON value, written inside
    its brackets and keys, with `spans` where they stood; a tool's signature (`shortened`); and
    lines of a log with the count of those left out above and below them that differ in numbers only
    (`more_like_this`)."""
    text: str
    """The pieces as rendered; "" when nothing is kept."""
    tokens: int
    """The tokens of `text`; 0 when nothing is kept, since nothing is sent."""
    limit: int
    """The tokens there were."""
    dropped: tuple[Dropped, ...]
    """What was left out, in order."""
    score: float
    """The relevance of the best kept unit, in [0, 1]; 0 when nothing is kept."""


def trim(
    documents: Sequence[Document],
    query: str,
    tokens: int,
    *,
    count: Callable[[str], int] | None = None,
    render: Callable[[Sequence[Document]], str] | None = None,
    fill: Fill = "relevant",
    embeddings: "Embeddings | None" = None,
    kinds: Sequence[Kind] = KINDS,
) -> Trimmed:
    """Keep what tells most about a query, within a number of tokens.

    What is promised is measured: `count(render(kept)) <= tokens` for any text and any counter.
    Text is split by its kind: sentences, lines, turns of a chat, hunks and functions are kept whole,
    table rows with their header, JSON as values inside their brackets and keys. A sentence, line or
    turn may be cut short only to fill the room under `fill="budget"`, between words where that
    still fills it, and where nothing else would be kept at all. The same input gives the same
    result.

    Args:
        documents: What to choose from. Metadata `source`, `start` (the document's place in its
            source), `title` and `kind` (the name of a kind, or "text") are used where present.
        query: What is asked.
        tokens: Room, in model tokens. 0 keeps nothing.
        count: Counts the tokens of a text; o200k_base by default. Its errors pass through.
        render: Writes documents as the text that is sent; by default titles once, pieces on lines.
        fill: "relevant" stops where relevance ends; "budget" uses at least 95 % of the room where
            the text allows it, and returns what already fits unchanged, byte for byte.
        embeddings: Any LangChain embeddings, to find what is said in other words.
        kinds: The kinds of text to look for, in order; add your own in front.

    Returns:
        The kept pieces, their rendering and count, and what was dropped.

    Raises:
        ValueError: If `tokens` is negative, the query is empty, or `fill` or a kind is unknown.

    >>> page = Document("Ada wrote her notes in the year 1843. Babbage never built his engine.")
    >>> trim([page], "When did Ada write the notes?", 8, count=lambda text: len(text.split())).text
    'Ada wrote her notes in the year 1843.'
    """
    if tokens < 0:
        raise ValueError(f"tokens must be 0 or more, not {tokens}")
    if not query.strip():
        raise ValueError("the query is empty: say what the text is needed for")
    if fill not in ("relevant", "budget"):
        raise ValueError(f'fill must be "relevant" or "budget", not {fill!r}')
    if count is None:
        from shoestring.models.counting import counter

        count = counter("o200k_base").count
    return _Trim(
        documents,
        query,
        tokens,
        count=count,
        render=render or plain,
        fill=fill,
        embeddings=embeddings,
        kinds=kinds,
    ).run()


class _Trim:
    """One run: scores, the choice, and its measurements."""

    def __init__(
        self,
        documents: Sequence[Document],
        query: str,
        tokens: int,
        *,
        count: Callable[[str], int],
        render: Callable[[Sequence[Document]], str],
        fill: Fill,
        embeddings: "Embeddings | None",
        kinds: Sequence[Kind],
    ) -> None:
        self.pieces = Pieces(documents, kinds)
        self.limit = tokens
        self.count = count
        self.render = render
        self.fill = fill
        # About four characters a token: the first round only needs the order of magnitude.
        self.scores: Scores = score(self.pieces.texts, query, 4.0 * tokens, embeddings=embeddings)
        self.relevant = self.scores.relevant
        self.values: list[float] = self.scores.values.tolist()
        self._counts: dict[str, int] = {}
        self._texts: dict[int, int] = {}
        self._short: set[int] = set()
        self._per_token = 4.0

    def run(self) -> Trimmed:
        if self.limit == 0:
            return self._result([], Choice())
        if (whole := self._whole()) is not None:
            return whole
        # Repeats last: whatever else there is says more.
        order = np.lexsort((-self.scores.values, self.scores.repeats)).tolist()
        order = [
            unit
            for unit in order
            if self.pieces.may_stand(unit) and (self.fill == "budget" or self.relevant[unit])
        ]
        self._learn_size(order)
        chosen = pack(
            order,
            self.limit,
            cost=self._cost,
            shared=self._shared,
            measure=lambda units: self._measure(Choice(list(units), short=self._short)),
        )
        choice = self._top_up(Choice(chosen, short=self._short), order)
        return self._result(self._assemble(choice), choice)

    def _whole(self) -> Trimmed | None:
        """Give everything, if it fits and may stay."""
        if self.fill == "relevant" and not (len(self.pieces) and self.relevant.all()):
            return None
        choice = Choice(list(range(len(self.pieces))))
        best = [0.0] * len(self.pieces.documents)
        for unit, owner in enumerate(self.pieces.owner):
            best[owner] = max(best[owner], self.values[unit])
        documents = [
            Document(
                page_content=document.page_content,
                metadata={**document.metadata, "score": height, "reason": "all fits"},
            )
            for document, height in zip(self.pieces.documents, best, strict=True)
        ]
        text = self.render(documents)
        if len(text) > _PROBE and self.count(text[:_PROBE]) > _CLEARLY_OVER * self.limit:
            return None
        if self.count(text) > self.limit:
            return None
        return self._result(documents, choice)

    def _assemble(self, choice: Choice) -> list[Document]:
        def describe(run: Sequence[int]) -> dict[str, Any]:
            reason = "relevant" if any(self.relevant[unit] for unit in run) else "room left"
            return {"score": max(self.values[unit] for unit in run), "reason": reason}

        return self.pieces.assemble(choice, describe)

    def _measure(self, choice: Choice) -> int:
        return self.count(self.render(self._assemble(choice))) if choice.units else 0

    def _learn_size(self, order: Sequence[int]) -> None:
        sample = order[:: max(1, len(order) // _SAMPLE)][:_SAMPLE]
        texts = [self.pieces.content(unit)[:400] for unit in sample]
        counted = sum(self.count(text) for text in texts)
        self._per_token = sum(map(len, texts)) / max(1, counted)

    def _cost(self, unit: int, room: float) -> float:
        """Estimate a unit's tokens; infinite where it is far too long to need counting."""
        short = self.pieces.units[unit].short
        if short:
            title = self._tokens(title_of(self.pieces.documents[self.pieces.owner[unit]])) + 1
            if self._tokens(self.pieces.content(unit)) + title > room:
                # Once short for want of room it stays so: what is left later is less.
                self._short.add(unit)
            if unit in self._short:
                return self._tokens(short)
        if unit not in self._texts:
            span = self.pieces.units[unit]
            if (span.end - span.start) > 4 * self._per_token * (room + 1):
                return math.inf
            self._texts[unit] = self.count(self.pieces.content(unit))
        return self._texts[unit]

    def _tokens(self, text: str) -> int:
        if text not in self._counts:
            self._counts[text] = self.count(text)
        return self._counts[text]

    def _shared(self, unit: int) -> list[tuple[Hashable, float]]:
        """Say what a unit brings along that is paid once: its title, its table's header."""
        shared: list[tuple[Hashable, float]] = []
        title = title_of(self.pieces.documents[self.pieces.owner[unit]])
        if title:
            shared.append((title, self._tokens(title) + 1))
        for header in self.pieces.headers_of(unit):
            shared += [(header, self._cost(header, math.inf))]
        for hop, opening in self.pieces.path_of(unit):
            shared += [((self.pieces.owner[unit], hop), self._tokens(opening) + 1)]
        if (like := self.pieces.units[unit].like) >= 0:  # counts above and below
            shared += [(("like", like), 2.0 * self._tokens(more_like_this(1_000)) + 2)]
        return shared

    def _top_up(self, choice: Choice, order: Sequence[int]) -> Choice:
        """Fill what whole units leave with shortened ones.

        Under `fill="relevant"` only where nothing would be kept at all: half a sentence may say
        the opposite of the whole one.
        """
        used = self._measure(choice)
        for untitled in (False, True):
            tries = 0
            for unit in order:
                enough = _FULL * self.limit if self.fill == "budget" else 1
                if used >= enough or tries >= _TRIES:
                    break
                if unit in choice.units or not self.pieces.may_be_cut(unit):
                    continue
                owner = self.pieces.owner[unit]
                if untitled and not self._may_lose_title(owner, choice):
                    continue
                tries += 1
                longer = self._shortened(choice, unit, owner if untitled else None)
                if longer is not None:
                    choice, used = longer
        return choice

    def _may_lose_title(self, owner: int, choice: Choice) -> bool:
        titled = title_of(self.pieces.documents[owner])
        return bool(titled) and all(self.pieces.owner[unit] != owner for unit in choice.units)

    def _shortened(
        self, choice: Choice, unit: int, untitled: int | None
    ) -> tuple[Choice, int] | None:
        """Add as much of a unit as fits; None if not even its first character does."""
        text = self.pieces.content(unit)

        def measured(length: int) -> int:
            return self._measure(choice.with_cut(unit, length, untitled=untitled))

        if measured(1) > self.limit:
            return None
        guess = int(self._per_token * self.limit) + 1
        length = longest_prefix(len(text), guess, lambda n: measured(n) <= self.limit)
        if length < len(text):
            length = self._nice_cut(text, length, measured)
        if length == 0:
            return None
        longer = choice.with_cut(unit, length, untitled=untitled)
        if length == len(text):
            # Without the cut it joins the unit behind it, and with that the space between them.
            whole = Choice(longer.units, choice.cuts, longer.untitled, longer.short)
            used = self._measure(whole)
            if used <= self.limit:
                return whole, used
        return longer, measured(length)

    def _nice_cut(self, text: str, length: int, measured: Callable[[int], int]) -> int:
        """Move a cut to the end of a word, or at least off the middle of a character."""
        word = len(text[:length].rsplit(maxsplit=1)[0]) if " " in text[:length].strip() else 0
        if text[length : length + 1].isspace():
            word = len(text[:length].rstrip())
        full = _FULL * self.limit if self.fill == "budget" else 0.0
        for cut, least in ((word, full), (safe_cut(text, 0, length), 0.0)):
            if cut and least <= measured(cut) <= self.limit:
                return cut
        return length

    def _result(self, documents: Iterable[Document], choice: Choice) -> Trimmed:
        kept = tuple(documents)
        text = self.render(kept) if kept else ""
        return Trimmed(
            documents=kept,
            text=text,
            tokens=self.count(text) if kept else 0,
            limit=self.limit,
            dropped=self._dropped(choice),
            score=max((float(piece.metadata["score"]) for piece in kept), default=0.0),
        )

    def _dropped(self, choice: Choice) -> tuple[Dropped, ...]:
        kept = set(self.pieces.kept(choice)).difference(
            unit for unit, length in choice.cuts.items() if length < len(self.pieces.content(unit))
        )
        dropped: list[Dropped] = []
        before = -2
        for unit, span in enumerate(self.pieces.units):
            if unit in kept:
                continue
            document = self.pieces.documents[self.pieces.owner[unit]]
            offset = int(document.metadata["start"])
            start = offset + span.start + choice.cuts.get(unit, 0)
            reason = self._reason(unit)
            last = dropped[-1] if dropped else None
            if (
                last is not None
                and before + 1 == unit
                and self.pieces.owner[before] == self.pieces.owner[unit]
                and last.reason == reason
                and unit not in choice.cuts
            ):
                height = max(last.score, self.values[unit])
                dropped[-1] = Dropped(last.source, last.start, offset + span.end, height, reason)
            else:
                source = str(document.metadata["source"])
                dropped.append(Dropped(source, start, offset + span.end, self.values[unit], reason))
            before = unit
        return tuple(dropped)

    def _reason(self, unit: int) -> str:
        if self.scores.repeats[unit]:
            return "duplicate"
        if self.fill == "relevant" and not self.relevant[unit]:
            return "not relevant"
        return "no room"
