"""Opening: the text of a node, from its beginning, within a number of tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from shoestring.tools.outline.contents import name_of
from shoestring.tools.outline.node import Node
from shoestring.tools.outline.store import Held, Passage, Store
from shoestring.tools.trimming.pack import longest_prefix
from shoestring.tools.trimming.units import safe_cut

__all__ = ["Opened", "breadcrumb", "opened"]

_SHORTEST = 2  # tokens of a passage, at least, so that no more are looked at than could fit
_LONGEST_NAME = 60  # characters of each name in a breadcrumb
_MOST_NAMES = 6

Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Opened:
    """The text of a node, as much as there was room for."""

    node: Node
    text: str
    """A breadcrumb of headings on a line, and the text; "" where nothing fits."""
    tokens: int
    """The tokens of `text`; 0 when it is empty, since nothing is sent."""
    limit: int
    """The tokens there were."""
    start: int
    """Where the text begins in its source,"""
    end: int
    """and where it ends."""
    rest: Node | None
    """The first passage that is not there, or not whole: open it to read on; None at the end."""
    left: int
    """The tokens of the node's passages from `rest` on; 0 at the end."""


def opened(store: Store, held: Held, tokens: int, count: Count) -> Opened:
    """Write a node's text from its beginning on, under a breadcrumb.

    Whole passages; the first is cut short only where not even it fits. The breadcrumb is left out
    where it takes the room that the first passage needs.
    """
    passages = store.passages(held.at, held.last, tokens // _SHORTEST + 2)
    above = store.above([held.at])[held.at]
    head = breadcrumb([*(one.node for one in above), held.node])
    for title in dict.fromkeys((f"{head}\n" if head else "", "")):
        number = _fitting(passages, title, tokens, count)
        if number:
            shown = passages[:number]
            return _result(store, held, shown, (title + joined(shown), tokens), count)
    return _beginning(held, passages, tokens, count)


def breadcrumb(nodes: Sequence[Node]) -> str:
    """Write where something stands: the names of the nodes around it, the outermost first.

    Passages and topics have no name; of a long way only the ends are written.
    """
    names = [name_of(node) for node in nodes if node.kind not in ("passage", "topic")]
    names = [" ".join(name.split()) for name in names]
    names = [f"{n[: _LONGEST_NAME - 1].rstrip()}…" if len(n) > _LONGEST_NAME else n for n in names]
    if len(names) > _MOST_NAMES:
        names = [names[0], "…", *names[-(_MOST_NAMES - 2) :]]
    return " > ".join(names)


def joined(passages: Sequence[Passage]) -> str:
    """Write passages that follow each other as they stand in the source, without what is behind."""
    written: list[str] = []
    for passage, following in pairwise(passages):
        text = passage.text
        # Pages and turns are texts of their own.
        apart = not text[-1:].isspace() and passage.held.node.end != following.held.node.start
        written.append(f"{text}\n" if apart else text)
    return ("".join(written) + passages[-1].text).strip() if passages else ""


def _fitting(passages: Sequence[Passage], title: str, tokens: int, count: Count) -> int:
    """Give how many of the first passages fit under a title."""
    sizes = accumulate((p.held.node.tokens for p in passages), initial=count(title))
    guess = sum(1 for size in sizes if size <= tokens) - 1
    return longest_prefix(
        len(passages), guess, lambda n: count(title + joined(passages[:n])) <= tokens
    )


def _result(
    store: Store, held: Held, shown: Sequence[Passage], text: tuple[str, int], count: Count
) -> Opened:
    written, limit = text
    last = shown[-1].held
    following = store.passages(last.at + 1, held.last, 1) if last.at < held.last else []
    rest = following[0].held.node if following else None
    told = sum(passage.held.node.tokens for passage in shown)
    return Opened(
        node=held.node,
        text=written,
        tokens=count(written),
        limit=limit,
        start=shown[0].held.node.start,
        end=last.node.end,
        rest=rest,
        left=held.node.tokens - told if rest else 0,
    )


def _beginning(held: Held, passages: Sequence[Passage], tokens: int, count: Count) -> Opened:
    """Cut the first passage to what fits, between words where there are any."""
    text = joined(passages[:1])
    length = longest_prefix(len(text), 4 * tokens, lambda n: count(text[:n]) <= tokens)
    if length < len(text):
        words = text[:length].rsplit(None, 1)
        whole = len(words[0]) if len(words) > 1 and not text[length].isspace() else 0
        for cut in (whole, safe_cut(text, 0, length)):
            if 0 < cut <= length and count(text[:cut]) <= tokens:
                length = cut
                break
    first = passages[0].held.node if passages else None
    start = first.start if first else held.node.start
    return Opened(
        node=held.node,
        text=text[:length],
        tokens=count(text[:length]) if length else 0,
        limit=tokens,
        start=start,
        end=start + length,
        rest=first,
        left=held.node.tokens,
    )
