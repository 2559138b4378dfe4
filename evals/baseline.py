"""The baseline: whole passages by BM25, what most retrieval chains do."""

from collections.abc import Callable, Sequence

import numpy as np
from langchain_core.documents import Document

from shoestring.tools.relevance.bm25 import Postings, Vocabulary
from shoestring.tools.trimming.render import render
from shoestring.tools.words.stop_words import STOP_WORDS
from shoestring.tools.words.words import words

__all__ = ["best_passages"]


def best_passages(
    documents: Sequence[Document], query: str, tokens: int, count: Callable[[str], int]
) -> list[Document]:
    """Keep the best passages that fit, by plain BM25 (k1 1.2, b 0.75, stop words left out).

    Greedy, best first; a passage that does not fit is skipped; original order kept. Room is
    measured on the rendering, as for the trimmer.

    Args:
        documents: The passages.
        query: What is asked.
        tokens: Room, in model tokens.
        count: Counts the tokens of a text.

    Returns:
        The kept passages.
    """
    vocabulary = Vocabulary()
    texts = [f"{d.metadata.get('title', '')}\n{d.page_content}" for d in documents]
    postings = Postings.of_texts(vocabulary, texts)
    terms = [term for term in dict.fromkeys(words(query)) if term not in STOP_WORDS]
    scores = postings.score(dict.fromkeys(vocabulary.find(terms).values(), 1.0))
    kept: list[int] = []
    used = 0
    for place in np.argsort(-scores, kind="stable").tolist():
        # The rendering is measured only where the passage alone leaves a chance.
        if used + 0.9 * count(documents[place].page_content) > tokens:
            continue
        longer = sorted([*kept, place])
        measured = count(render([documents[i] for i in longer]))
        if measured <= tokens:
            kept, used = longer, measured
    return [documents[i] for i in kept]
