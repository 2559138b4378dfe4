"""Trim: the words a query needs, in the tokens there are."""

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Any, Literal

import numpy as np
from langchain_core.documents import Document

from shoestring.models.counting.remembered import cuts_by_pattern, remembered
from shoestring.tools.relevance.ranker import Ranker
from shoestring.tools.relevance.score import Scores, score
from shoestring.tools.relevance.tiers.tier import Tier
from shoestring.tools.trimming.alike import Alike
from shoestring.tools.trimming.certain import certain_tokens, has_certain_tokens
from shoestring.tools.trimming.dropped import Dropped, left_out
from shoestring.tools.trimming.kinds import KINDS, Kind
from shoestring.tools.trimming.pack import Packing, pack
from shoestring.tools.trimming.pieces import Choice, Pieces, more_like_this
from shoestring.tools.trimming.render import render as plain
from shoestring.tools.trimming.render import title_of
from shoestring.tools.trimming.sieve import sieve
from shoestring.tools.trimming.top_up import TopUp
from shoestring.tools.trimming.worth import Worth

__all__ = ["Dropped", "Fill", "Order", "Trimmed", "keep", "trim"]

Fill = Literal["relevant", "budget"]
Order = Literal["original", "edges"]

_FULL = 0.95  # of the room that fill="budget" uses wherever the text allows it
_WHOLE = 0.5  # of the room, at most, for a tool that is written whole before others are chosen (dev: 3 and
# 4 points on two halves of a set of tools at 256 tokens)
_SAMPLE = 16  # units counted to learn how many characters a token has
_WORDS = (
    0.05  # of the worth of a room full of the most relevant tokens: the query's words, once each
)
_LONG_TOKEN = 2  # times a token's mean length
_CHARACTERS = 4  # of a token, about: where only the order of magnitude is needed
_PROBE = 8  # characters for each token that a probe of a text's beginning should find
_CLEARLY_OVER = 4  # times the room in the probe alone: the whole is not counted


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What was kept of documents, within the tokens given."""

    documents: tuple[Document, ...]
    """The kept pieces in their original order; metadata `source`, `start` and `end` say exactly
    where each stood, `title` its title, `score` the chance that its best unit holds evidence,
    `reason` why it was kept: "all fits", "relevant" or "room left". Three are not verbatim: parts
    of a JSON value, written inside its brackets and keys, with `spans` where they stood; a tool's
    signature (`shortened`); and lines of a log with the count of those left out above and below
    them that differ in numbers only (`more_like_this`)."""
    text: str
    """The pieces as rendered; "" when nothing is kept."""
    tokens: int
    """The tokens of `text`; 0 when nothing is kept, since nothing is sent."""
    limit: int
    """The tokens there were."""
    dropped: tuple[Dropped, ...]
    """What was left out, in order."""
    score: float
    """The chance that the best kept unit holds evidence, in [0, 1]; 0 when nothing is kept."""
    certificate: float | None
    """At least this share of the most that any choice of whole units could be worth (see `pack`);
    it speaks of these scores, not of the answer. None where no bound is proven: only OpenAI's
    vocabularies and the default rendering have one."""


def trim(
    documents: Sequence[Document],
    query: str,
    tokens: int,
    *,
    count: Callable[[str], int] | None = None,
    render: Callable[[Sequence[Document]], str] | None = None,
    fill: Fill = "relevant",
    order: Order = "original",
    tiers: Sequence[Tier] = (),
    ranker: Ranker | None = None,
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
        order: "original", or "edges": the documents with the most relevant pieces first and last,
            where models read best; pieces of one document keep their order.
        tiers: Dearer looks at the units that words rank best, cheapest first: to find what is said
            in other words, `[EmbeddingTier.bi_encoder()]`.
        ranker: An order fitted to your own cases by `shoestring.evals.tune`, with the same `tiers`.
        kinds: The kinds of text to look for, in order; add your own in front.

    Returns:
        The kept pieces, their rendering and count, and what was dropped.

    Raises:
        ValueError: If `tokens` is negative, the query is empty, `fill`, `order` or a kind is
            unknown, or the ranker was fitted with other tiers.

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
    if order not in ("original", "edges"):
        raise ValueError(f'order must be "original" or "edges", not {order!r}')
    if count is None:
        from shoestring.models.counting.counting import counter

        count = counter("o200k_base").count
    room = _CHARACTERS * tokens
    pieces = Pieces(documents, kinds, look=lambda text: sieve(text, query, room))
    scores = score(pieces.texts, query, float(room), tiers=tiers, ranker=ranker)
    return keep(pieces, scores, tokens, count=count, render=render or plain, fill=fill, order=order)


def keep(
    pieces: Pieces,
    scores: Scores,
    tokens: int,
    *,
    count: Callable[[str], int],
    render: Callable[[Sequence[Document]], str] = plain,
    fill: Fill = "relevant",
    order: Order = "original",
) -> Trimmed:
    """Keep the units that are worth most by scores of any making; the rest is as for `trim`.

    Args:
        pieces: The units to choose from.
        scores: Their scores.
        tokens: Room, in model tokens.
        count: Counts the tokens of a text.
        render: Writes documents as the text that is sent.
        fill: As for `trim`.
        order: As for `trim`.
    """
    return _Trim(pieces, scores, tokens, count=count, render=render, fill=fill, order=order).run()


class _Remembered(dict[int, float]):
    """Values of a function, each found once."""

    def __init__(self, function: Callable[[int], float]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, key: int) -> float:
        value = self[key] = self._function(key)
        return value


class _Trim:
    """One run: scores, the choice, and its measurements."""

    def __init__(
        self,
        pieces: Pieces,
        scores: Scores,
        tokens: int,
        *,
        count: Callable[[str], int],
        render: Callable[[Sequence[Document]], str],
        fill: Fill,
        order: Order,
    ) -> None:
        self.pieces = pieces
        self.scores = scores
        self.limit = tokens
        self.count = remembered(count)
        # What a unit adds is known where no part of it is written in another form.
        self.proven = (
            cuts_by_pattern(count)
            and render is plain
            and not any(unit.short or unit.like >= 0 for unit in self.pieces.units)
        )
        self.render = render
        self.fill = fill
        self.order = order
        old = np.zeros(len(self.pieces), np.bool_)
        old[self.pieces.outdated()] = True
        self.old: list[bool] = old.tolist()
        self.repeats: list[bool] = self.scores.repeats.tolist()
        self.yields = self.scores.repeats | old
        self.relevant: list[bool] = (self.scores.relevant & ~old).tolist()
        self.chances: list[float] = self.scores.chances.tolist()
        self._texts: dict[int, int] = {}
        self._short: set[int] = set()
        self._per_token = float(_CHARACTERS)

    def run(self) -> Trimmed:
        if self.limit == 0:
            return self._result([], Choice())
        if (whole := self._whole()) is not None:
            return whole
        # Repeats last, and worth nothing: whatever else there is says more.
        relevance = np.where(self.yields, 0.0, self.scores.values)
        order = [
            unit
            for unit in np.lexsort((-relevance, self.yields)).tolist()
            if self.pieces.may_stand(unit) and (self.fill == "budget" or self.relevant[unit])
        ]
        self._learn_size(order)
        free = self._free(order) if self.proven else ()
        packing = pack(
            order,
            self.limit,
            worth=self._worth(relevance.tolist(), order, free),
            cost=self._cost,
            shared=self._shared,
            measure=lambda units: self._measure(Choice(list(units), short=self._short)),
            proven=self.proven,
            free=free,
        )
        topping = TopUp(
            self.pieces,
            self.limit,
            self._measure,
            # Half a sentence may say the opposite of the whole one.
            full=_FULL * self.limit if self.fill == "budget" else 0.0,
            per_token=self._per_token,
        )
        choice = topping.widened(Choice(list(packing.units), short=self._short))
        choice = topping.filled(choice, order)
        return self._result(self._assemble(choice), choice, packing)

    def _worth(
        self, relevance: Sequence[float], order: Sequence[int], free: Collection[int]
    ) -> Worth:
        """Say what units are worth: relevance by token, and the query's words once each."""
        total = sum(rarity for rarity, _ in self.scores.said)
        scale = _WORDS * self.limit * (relevance[order[0]] if order else 0.0)
        said: dict[int, list[int]] = {}
        for word, (_, units) in enumerate(self.scores.said):
            for unit in units[~self.yields[units]].tolist():
                said.setdefault(unit, []).append(word)
        spans = self.pieces.units
        alike = Alike(self.pieces.content)

        def size(unit: int) -> float:
            if unit in free:
                return 1.0
            text = self.pieces.content(unit)
            return float(certain_tokens(text, self.count) if self.proven else self.count(text))

        sizes = _Remembered(size)
        longest = _LONG_TOKEN * self._per_token
        return Worth(
            relevance=relevance,
            size=lambda unit: max(1.0, sizes[unit]),
            same=lambda unit: alike(unit) if spans[unit].kind == "sentence" else unit,
            said=said,
            words={
                word: scale * rarity / total for word, (rarity, _) in enumerate(self.scores.said)
            },
            least=lambda unit: max(1.0, (spans[unit].end - spans[unit].start) / longest),
        )

    def _free(self, order: Sequence[int]) -> frozenset[int]:
        """Give the units that may add no token to a rendering."""
        pieces = self.pieces
        spans = [(unit, pieces.units[unit]) for unit in order]
        return frozenset(
            unit
            for unit, span in spans
            if not has_certain_tokens(
                pieces.documents[pieces.owner[unit]].page_content, span.start, span.end
            )
        )

    def _whole(self) -> Trimmed | None:
        """Give everything, if it fits and may stay."""
        if self.pieces.passed_over or self._clearly_over():
            return None
        if self.fill == "relevant" and not (self.relevant and all(self.relevant)):
            return None
        choice = Choice(list(range(len(self.pieces))))
        best = [0.0] * len(self.pieces.documents)
        for unit, owner in enumerate(self.pieces.owner):
            best[owner] = max(best[owner], self.chances[unit])
        documents = [
            Document(
                page_content=document.page_content,
                metadata={**document.metadata, "score": height, "reason": "all fits"},
            )
            for document, height in zip(self.pieces.documents, best, strict=True)
        ]
        documents = self._ordered(documents)
        text = self.render(documents)
        if self._probed(text) or self.count(text) > self.limit:
            return None
        return self._result(documents, choice)

    def _clearly_over(self) -> bool:
        """Say whether the first documents are far too long already, if they are written whole."""
        if self.render is not plain:
            return False
        contents = (document.page_content for document in self.pieces.documents)
        sizes = accumulate(map(len, contents))
        most = _CLEARLY_OVER * _PROBE * self.limit
        first = sum(1 for _ in takewhile(lambda size: size < most, sizes)) + 1
        return self._probed(plain(self.pieces.documents[:first]))

    def _probed(self, text: str) -> bool:
        """Say whether the beginning of a text is far too long already, so as not to count it all."""
        most = _CLEARLY_OVER * _PROBE * self.limit
        return len(text) > most and self.count(text[:most]) > _CLEARLY_OVER * self.limit

    def _assemble(self, choice: Choice) -> list[Document]:
        def describe(run: Sequence[int]) -> dict[str, Any]:
            reason = "relevant" if any(self.relevant[unit] for unit in run) else "room left"
            return {"score": max(self.chances[unit] for unit in run), "reason": reason}

        return self._ordered(self.pieces.assemble(choice, describe))

    def _ordered(self, documents: list[Document]) -> list[Document]:
        """Put the best sources at the ends, if asked to: the best first, the next last, and so on."""
        if self.order == "original":
            return documents
        of_source: dict[str, list[Document]] = {}
        for document in documents:
            of_source.setdefault(str(document.metadata["source"]), []).append(document)
        best = sorted(of_source.values(), key=lambda some: -max(d.metadata["score"] for d in some))
        return [document for some in (*best[::2], *best[1::2][::-1]) for document in some]

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
            title = self.count(title_of(self.pieces.documents[self.pieces.owner[unit]])) + 1
            most = min(room, _WHOLE * self.limit)
            if self.count(self.pieces.content(unit)) + title > most:
                # Once short for want of room it stays so: what is left later is less.
                self._short.add(unit)
            if unit in self._short:
                return self.count(short)
        if unit not in self._texts:
            span = self.pieces.units[unit]
            if (span.end - span.start) > 4 * self._per_token * (room + 1):
                return math.inf
            self._texts[unit] = self.count(self.pieces.content(unit))
        return self._texts[unit]

    def _shared(self, unit: int) -> list[tuple[Hashable, float]]:
        """Say what a unit brings along that is paid once: its title, its table's header."""
        shared: list[tuple[Hashable, float]] = []
        title = title_of(self.pieces.documents[self.pieces.owner[unit]])
        if title:
            shared.append((title, self.count(title) + 1))
        for header in self.pieces.headers_of(unit):
            shared += [(header, self._cost(header, math.inf))]
        for hop, opening in self.pieces.path_of(unit):
            shared += [((self.pieces.owner[unit], hop), self.count(opening) + 1)]
        if (like := self.pieces.units[unit].like) >= 0:  # counts above and below
            shared += [(("like", like), 2.0 * self.count(more_like_this(1_000)) + 2)]
        return shared

    def _result(
        self, documents: Iterable[Document], choice: Choice, packing: Packing | None = None
    ) -> Trimmed:
        kept = tuple(documents)
        text = self.render(kept) if kept else ""
        return Trimmed(
            documents=kept,
            text=text,
            tokens=self.count(text) if kept else 0,
            limit=self.limit,
            dropped=left_out(
                self.pieces,
                choice,
                self.chances,
                self._reason,
                passed_over="no room" if self.fill == "budget" else "not relevant",
            ),
            score=max((float(piece.metadata["score"]) for piece in kept), default=0.0),
            certificate=packing.certificate if packing is not None else 1.0,
        )

    def _reason(self, unit: int) -> str:
        """Say why a unit was left out."""
        if self.old[unit]:
            return "older version"
        if self.repeats[unit]:
            return "duplicate"
        if self.fill == "relevant" and not self.relevant[unit]:
            return "not relevant"
        return "no room"
