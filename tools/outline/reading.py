"""Reading: the parts of an outline that tell most about a query, within a number of tokens."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from shoestring.tools.outline.hops import followed
from shoestring.tools.outline.opening import breadcrumb
from shoestring.tools.outline.store import Held, Passage, Store
from shoestring.tools.outline.vectors import nearest
from shoestring.tools.relevance.ranking import scaled
from shoestring.tools.relevance.score import Look, judged, look
from shoestring.tools.relevance.tiers.tier import Tier
from shoestring.tools.trimming.pieces import Pieces
from shoestring.tools.trimming.render import render
from shoestring.tools.trimming.trim import Fill, Trimmed, keep
from shoestring.tools.words.names import linking_names
from shoestring.tools.words.stop_words import STOP_WORDS
from shoestring.tools.words.words import words

if TYPE_CHECKING:
    from langchain_core.vectorstores import VectorStore

__all__ = ["Found", "excerpt"]

Ints = NDArray[np.int64]
Count = Callable[[str], int]

_FIRST_LINE = re.compile(
    r"\s*(?P<line>[^\r\n]{1,400})(?:\r?\n[=\-~^\"'`*+#]{3,})?[ \t]*(?:\r?\n|\Z)"
)
_ALL = 400  # passages that are all looked at closely; of more, the best by words
_BEST = 300
_NEAREST = 100  # passages that a vector store is asked for
_MEANT = 0.3  # of a unit's score is how near its passage is by meaning, where there are vectors
_FUSION = 60  # Cormack, Clarke and Buettcher, SIGIR 2009
_PICKS = 8  # of these, whose names lead to more
_LINKED = 12  # passages that a name may lead to,
_NAMES = 24  # and names that are followed
_LINES = ("line", "header", "row")  # kinds of unit
_CHARACTERS = 4.0  # of a token, about
_INHERITED = 0.3  # of a unit's score is what its part tells (dev: 0.15 is the same on contracts),
_IN_LINES = 0.67  # and so much more of it where the part stands in lines (dev: 6 points on filings)
_SHEET = 0.5  # of a part's characters stand in lines: it is read as a whole
_FILLED = 60  # passages, the best by words, whose pages are looked at as wholes


class _Group(NamedTuple):
    """Passages that follow each other, as one document."""

    document: Document
    part: int
    """The place of the part it stands in; -1 where that is the document, or a guess."""
    holds: tuple[int, ...]
    """The places of its passages."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, and what it left out."""

    kept: Trimmed
    """What was kept."""
    missed: str
    """What was relevant and had no room, under the same headings; "" for nothing."""

    @property
    def text(self) -> str:
        """The text that was kept."""
        return self.kept.text


def excerpt(
    store: Store,
    query: str,
    tokens: int,
    under: Held | None,
    *,
    count: Count,
    fill: Fill,
    ids: bool = False,
    vectors: "VectorStore | None" = None,
    tiers: Sequence[Tier] = (),
) -> Found:
    """Write what tells most about a query; see `Outline.read`."""
    near = _near(store, query, under, vectors)
    groups = _groups(store, _candidates(store, query, under, near), ids=ids)
    documents = [group.document for group in groups]
    pieces = Pieces(documents)
    found = look(pieces.texts, query, _CHARACTERS * tokens, tiers=tiers)
    if len({document.metadata["source"] for document in documents}) > 1:
        found = followed(found, pieces.texts, query, _CHARACTERS * tokens)
    if near:
        close = np.array([max((near.get(at, 0.0) for at in g.holds), default=0.0) for g in groups])
        mixed = (1 - _MEANT) * found.shares + _MEANT * close[np.array(pieces.owner, np.int64)]
        shares = scaled(np.where(found.repeats, found.shares, mixed))
        found = replace(found, shares=shares, height=max(found.height, _MEANT))
    places = np.array([group.part for group in groups], np.int64)
    found = _inherited(found, places[np.array(pieces.owner, np.int64)], pieces)
    scores = judged(found, pieces.texts, query)
    kept = keep(pieces, scores, tokens, count=count, fill=fill)
    return Found(kept, render(_missed(kept, documents)))


def _missed(kept: Trimmed, documents: Sequence[Document]) -> list[Document]:
    """Give the stretches that were relevant and had no room."""
    starts: dict[str, list[tuple[int, Document]]] = {}
    for document in documents:
        place = (int(document.metadata["start"]), document)
        starts.setdefault(document.metadata["source"], []).append(place)
    found: list[Document] = []
    for stretch in kept.dropped:
        if stretch.reason != "no room":
            continue
        of_source = starts[stretch.source]
        at = bisect_right(of_source, stretch.start, key=itemgetter(0)) - 1
        start, document = of_source[at]
        text = document.page_content[stretch.start - start : stretch.end - start]
        found.append(Document(text, metadata=document.metadata))
    return found


def _near(
    store: Store, query: str, under: Held | None, vectors: "VectorStore | None"
) -> dict[int, float]:
    """Give the passages whose vectors are nearest, each with 1 for the nearest and less by its rank."""
    if vectors is None:
        return {}
    first, last = (0, 2**62) if under is None else (under.at, under.last)
    places = nearest(store, vectors, query, _NEAREST)
    ranked = {place: _FUSION / (_FUSION + rank) for rank, place in enumerate(places)}
    return {place: close for place, close in ranked.items() if first <= place <= last}


def _candidates(store: Store, query: str, under: Held | None, near: Iterable[int]) -> list[Passage]:
    """Give the passages to look at: all, or those that the query leads to by words and by meaning.

    What the best of them name and do not tell is looked for in turn, and their pages are whole.
    """
    first, last = (0, 2**62) if under is None else (under.at, under.last)
    if store.count_passages(under) <= _ALL:
        return store.passages(first, last)
    terms = list(dict.fromkeys(words(query)))
    terms = [term for term in terms if term not in STOP_WORDS] or terms
    best = store.search(terms, under, _BEST) if terms else []
    chosen = dict.fromkeys([*best, *near])
    named: dict[str, None] = {}
    for passage in store.passages_at(best[:_PICKS]):
        named.update(dict.fromkeys(linking_names(passage.text)))
    asked = set(terms)
    new = [name for name in named if not asked.issuperset(words(name))]
    for name in new[:_NAMES]:
        chosen.update(dict.fromkeys(store.search([name], under, _LINKED)))
    for chain in store.above(best[:_FILLED]).values():
        for page in (held for held in chain if held.node.kind == "page"):
            chosen.update(dict.fromkeys(range(page.at + 1, page.last + 1)))
    return store.passages_at(chosen)


def _groups(store: Store, passages: Sequence[Passage], *, ids: bool) -> list[_Group]:
    """Join passages that follow each other in one part to documents."""
    chains = store.above([passage.held.at for passage in passages])
    alone = len({passage.held.node.source for passage in passages}) == 1
    runs: list[list[Passage]] = []
    for passage in passages:
        if runs and _adjoin(runs[-1][-1], passage):
            runs[-1].append(passage)
        else:
            runs.append([passage])
    groups: list[_Group] = []
    for run in runs:
        chain = chains[run[0].held.at]
        names = breadcrumb([held.node for held in chain[alone and len(chain) > 1 :]])
        if ids:
            names = f"[{chain[-1].node.id}] {names}"
        head = run[0].held.head
        text = "".join(passage.text for passage in run)
        said = _heading(text, chain[-1], run[0])
        groups.append(
            _Group(
                Document(
                    page_content=text[said:],
                    metadata={
                        "source": run[0].held.node.source,
                        "start": _begin(run[0]) + said,
                        "title": f"{names} > {head}" if head else names,
                    },
                ),
                _part(chain),
                tuple(passage.held.at for passage in run),
            )
        )
    return groups


def _heading(text: str, part: Held, first: Passage) -> int:
    """Say how much of a text is the heading of its part, which the breadcrumb says."""
    found = _FIRST_LINE.match(text)
    if found is None or first.held.at != part.at + 1:
        return 0
    same = " ".join(found["line"].strip("# \t").split()) == part.node.title
    return found.end() if same and text[found.end() :].strip() else 0


def _adjoin(one: Passage, other: Passage) -> bool:
    return (
        one.held.at + 1 == other.held.at
        and one.held.node.parent == other.held.node.parent
        and _begin(one) + len(one.text) == _begin(other)
    )


def _begin(passage: Passage) -> int:
    """Say where a passage's text begins in its source, white space included."""
    return passage.held.node.start - (len(passage.text) - len(passage.text.lstrip()))


def _part(chain: Sequence[Held]) -> int:
    """Give the page that something stands in, or else the nearest part that is none of our guesses."""
    parts = [held for held in chain[1:] if held.node.kind != "topic"]
    pages = [held for held in parts if held.node.kind == "page"]
    return next((held.at for held in reversed(pages or parts)), -1)


def _inherited(found: Look, places: Ints, pieces: Pieces) -> Look:
    """Let units have a share of what the part tells that they stand in.

    A part is worth the sum of the squares of its units' scores, as a share of the best part: what
    answers does so in many places, and many poor ones are not an answer. Where a part stands in
    lines, as the pages of a filing do, its figures tell nothing without each other, and few of
    them hold the question's words: there nearly all of a score is the part's, repeats included.

    Args:
        found: The units' scores.
        places: The part of each unit; -1 for none.
        pieces: The units.
    """
    inside = np.flatnonzero(places >= 0)
    if not len(inside):
        return found
    _, group = np.unique(places[inside], return_inverse=True)
    shares = found.shares[inside]
    squares = np.where(found.repeats[inside], 0.0, shares**2)
    told = scaled(np.bincount(group, squares).astype(np.float64))
    sizes = np.array([unit.end - unit.start for unit in pieces.units], np.float64)[inside]
    lined = np.array([unit.kind in _LINES for unit in pieces.units], np.bool_)[inside]
    in_lines = (np.bincount(group, sizes * lined) / np.bincount(group, sizes))[group]
    weight = _INHERITED + _IN_LINES * in_lines
    mixed, repeats = found.shares.copy(), found.repeats.copy()
    heard = in_lines >= _SHEET
    kept = np.where(repeats[inside] & ~heard, shares, (1 - weight) * shares + weight * told[group])
    mixed[inside] = kept
    repeats[inside] &= ~heard
    return replace(found, shares=scaled(mixed), repeats=repeats)
