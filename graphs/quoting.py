"""Quotes: what stands in the sources word for word, labelled as such."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoestring.graphs.prompts import join_pieces, passages
from shoestring.graphs.reasoning.drafts import failed
from shoestring.graphs.state import Draft

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.documents import Document

LABEL = "Excerpts, word for word:"

EXCERPTS = 160
"""Tokens of excerpts that answer a question."""

THRESHOLD = 0.16
"""The chance to hold evidence below which the best excerpt is no answer.

It separates excerpts that hold an answer from those that do not best, by
`python benchmarks/quote_threshold.py SUITE_DIR`.
"""


def quoted(documents: Sequence[Document], cap: str | None = None) -> Draft:
    """Return a draft of excerpts; `cap` is the cap that left no more than that, if one did."""
    text = f"{LABEL}\n\n{render_excerpts(documents)}"
    return Draft(kind="quote", text=text, truncated=False, problem="", cap=cap)


def so_far(documents: Sequence[Document], score: float, cap: str | None) -> Draft:
    """Return what was read as the best answer so far, for where no call can be paid or it fails.

    Args:
        documents: What was read for the answer.
        score: The chance that the best of it holds evidence.
        cap: The cap that leaves no call; None where one is to come.
    """
    if documents and score >= THRESHOLD:
        return quoted(documents, cap)
    return failed("no context fits" if cap else "" if documents else "nothing relevant fits", cap)


def render_excerpts(documents: Sequence[Document]) -> str:
    r"""Render kept pieces as block quotes, each run of one source under its title or name."""
    rendered: list[str] = []
    for pieces in passages(documents):
        metadata = pieces[0].metadata
        name = " ".join(str(metadata.get("title") or metadata.get("source") or "").split())
        quoted = "\n".join(f"> {line}" for line in join_pieces(pieces).split("\n"))
        rendered.append(f"{quoted}\n— {name}" if name else quoted)
    return "\n\n".join(rendered)
