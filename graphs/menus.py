"""Menus: what a model that navigates an outline is shown, and which parts its reply picks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypedDict

from shoestring.graphs.prompts import ENOUGH
from shoestring.tools.trimming.render import render

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_core.documents import Document

    from shoestring.tools import Node, Outline

ID = re.compile(r"[a-z2-7]{10,52}", re.IGNORECASE)
"""What an id of an outline looks like: base32, ten characters unless two parts share those."""

POSING = re.compile(rf"\[(\s*{ID.pattern}\s*)\]", re.IGNORECASE)
"""What a document's own text may write to look like an id."""

_LONGEST = 4_000  # characters of a reply that are read
_TRIES = 6  # times that a table of contents is written anew, where its counter is not the model's
_TITLE = 6  # characters that a title has at least, to be picked by it
_PART = re.compile(rf"^\s*\[({ID.pattern})\] ")


class Menu(TypedDict):
    """A part of an outline as it is shown to the model; plain data.

    `part` is its id, "" for all documents; `ids` are those that may be picked, `titles` the parts that
    have a title of their own; `peek` is what a first reading found in it.
    """

    part: str
    text: str
    ids: list[str]
    titles: dict[str, str]
    peek: str


class Heard(TypedDict):
    """What a reply picks: ids of the menu, the best first; or none, and `why`."""

    picks: list[str]
    why: str


def menu_of(
    outline: Outline, part: str, room: int, count: Callable[[str], int]
) -> tuple[str, Sequence[Node]]:
    """Write the contents of a part within the room of the model's counter; "" where nothing fits.

    Each line begins with the id of its node; what else in it looks like an id is none.
    """
    tokens = room
    for _ in range(_TRIES):
        found = outline.contents(tokens, part or None)
        text = "\n".join(_lines(found.text, found.nodes))
        over = count(text) - room
        if over <= 0:
            return text, found.nodes if text else ()
        tokens = min(tokens - 1, tokens * room // (room + over))
        if tokens <= 0:
            break
    return "", ()


def _lines(text: str, nodes: Sequence[Node]) -> list[str]:
    expected = iter(nodes)
    node = next(expected, None)
    lines: list[str] = []
    for line in text.split("\n") if text else ():
        found = _PART.match(line)
        if node is not None and found is not None and found[1] == node.id:
            lines.append(line[: found.end()] + defused(line[found.end() :]))
            node = next(expected, None)
        else:
            lines.append(defused(line))
    return lines


def menu(part: str, text: str, nodes: Sequence[Node], peek: Sequence[Document]) -> Menu:
    """Return what is shown of a part, as plain data."""
    titled: dict[str, str] = {}
    twice: set[str] = set()
    for node in nodes:
        title = _plain(node.title)
        if len(title) >= _TITLE:
            twice |= {title} & titled.keys()
            titled[title] = node.id
    return Menu(
        part=part,
        text=text,
        ids=[node.id for node in nodes],
        titles={title: name for title, name in titled.items() if title not in twice},
        peek=defused(render(peek)) if peek else "",
    )


def heard(reply: str, shown: Menu, most: int) -> Heard:
    r"""Read which parts a reply picks, whatever is written around their ids: prose, brackets, JSON.

    Only what the menu showed can be picked. Where the reply has no id of it, parts are picked by
    their titles, where those stand in it word for word.

    >>> shown = menu("", "", [], []) | {"ids": ["aaaaaaaaaa", "bbbbbbbbbb"], "titles": {}}
    >>> heard('{"open": ["bbbbbbbbbb", "cccccccccc"]}', shown, 2)
    {'picks': ['bbbbbbbbbb'], 'why': ''}
    >>> heard("Sure! The answer is 42.", shown, 2)
    {'picks': [], 'why': 'the reply names no part of the outline'}
    """
    reply = reply[:_LONGEST]
    known = set(shown["ids"])
    named = [found.casefold() for found in ID.findall(reply)]
    picks = [name for name in dict.fromkeys(named) if name in known]
    picks = picks or _titled(reply, shown["titles"])
    if picks:
        return Heard(picks=picks[:most], why="")
    if not reply.strip():
        return Heard(picks=[], why="the reply is empty")
    if shown["peek"] and re.search(rf"\b{ENOUGH}\b", reply, re.IGNORECASE):
        return Heard(picks=[], why="")
    if POSING.search(reply) or any(not name.isalpha() for name in named):  # no mere long words
        return Heard(picks=[], why="the reply names parts that the outline did not show")
    return Heard(picks=[], why="the reply names no part of the outline")


def _titled(reply: str, titles: Mapping[str, str]) -> list[str]:
    """Find the titles in a reply, in order; of those that hold each other the longest."""
    said, at = f" {_plain(reply)} ", dict[str, int]()
    for title in sorted(titles, key=len, reverse=True):
        place = said.find(f" {title} ")
        if place >= 0:
            at[titles[title]] = place
            said = said[:place] + " " + "_" * len(title) + said[place + len(title) + 1 :]
    return sorted(at, key=lambda name: at[name])


def defused(text: str) -> str:
    """Write what looks like an id in a document's own text in round brackets."""
    return POSING.sub(r"(\1)", text)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
