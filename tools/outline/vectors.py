"""Vectors: an outline's passages in a LangChain vector store, wherever that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.documents import Document

if TYPE_CHECKING:
    from langchain_core.vectorstores import VectorStore

    from shoestring.tools.outline.store import Store

__all__ = ["follow", "nearest"]

_BATCH = 128  # passages that are sent together: what a killed run sends again at most
_KEY = "node"  # the metadata that says which passage a vector belongs to


def follow(store: Store, vectors: VectorStore) -> None:
    """Bring a vector store in line with an outline.

    What is to be added or deleted was noted in the step that changed the outline, and the note goes
    once the vector store has it; so a run that is killed in between is made up for by the next.
    """
    while gone := store.unsent(_BATCH, gone=True):
        vectors.delete([name for name, _ in gone])
        store.sent([name for name, _ in gone])
    while new := store.unsent(_BATCH, gone=False):
        documents = [Document(text, metadata={_KEY: name}) for name, text in new]
        vectors.add_documents(documents, ids=[name for name, _ in new])
        store.sent([name for name, _ in new])


def nearest(store: Store, vectors: VectorStore, query: str, most: int) -> list[int]:
    """Return the places of the passages nearest to a query, nearest first; unknown ones left out."""
    found = vectors.similarity_search(query, k=most)
    names = [str(document.metadata.get(_KEY, document.id)) for document in found]
    return store.places(names)
