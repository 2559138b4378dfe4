"""The dense half of an index: one vector a passage, in Chroma."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self
from uuid import uuid4

import numpy as np

from shoestring.budget.extras import require
from shoestring.tools.index.errors import IndexCorrupt

if TYPE_CHECKING:
    from chromadb.api.client import Client

__all__ = ["Dense"]

_NAME = "passages"


class Dense:
    """Vectors by passage id, searched by cosine."""

    def __init__(self, client: "Client", name: str) -> None:
        """Open the collection `name`, or make it."""
        self._client = client
        self._name = name
        self._collection = client.get_or_create_collection(
            name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
        # SQLite limits the parameters of a statement, Chroma the ids of a call.
        self._most = min(client.get_max_batch_size(), 5_000)

    @classmethod
    def open(cls, folder: Path | None) -> Self:
        """Open the store in a folder, or a new one in memory if it is None.

        Raises:
            MissingExtra: If chromadb is not installed.
            IndexCorrupt: If the store cannot be opened.
        """
        chromadb = require("chromadb", "retrieval")
        settings = chromadb.Settings(anonymized_telemetry=False)
        if folder is None:
            # In-memory clients share one store a process.
            return cls(chromadb.EphemeralClient(settings=settings), f"{_NAME}-{uuid4().hex}")
        try:
            return cls(chromadb.PersistentClient(path=str(folder), settings=settings), _NAME)
        except Exception as error:  # Chroma documents no errors for a damaged store
            raise IndexCorrupt(
                f"the vector store {str(folder)!r} cannot be opened "
                f"({type(error).__name__}): delete {str(folder.parent)!r} to build it anew"
            ) from error

    def __len__(self) -> int:
        return self._collection.count()

    def ids(self) -> set[str]:
        """Return the ids of all vectors."""
        return set(self._collection.get(include=[])["ids"])

    def put(self, ids: Sequence[str], vectors: Sequence[Sequence[float]]) -> None:
        """Store vectors; an id that is there is replaced."""
        for at in range(0, len(ids), self._most):
            batch = slice(at, at + self._most)
            self._collection.upsert(
                ids=list(ids[batch]), embeddings=np.asarray(vectors[batch], dtype=np.float32)
            )

    def remove(self, ids: Sequence[str]) -> None:
        """Delete vectors; an id that is not there is fine."""
        for at in range(0, len(ids), self._most):
            self._collection.delete(ids=list(ids[at : at + self._most]))

    def best(self, vector: Sequence[float], most: int) -> list[str]:
        """Return the ids nearest to a vector, nearest first."""
        most = min(most, len(self))
        if most == 0:
            return []
        found = self._collection.query(
            query_embeddings=np.asarray([vector], dtype=np.float32),
            n_results=most,
            include=["distances"],
        )
        distances = (found["distances"] or [[]])[0]
        return [name for _, name in sorted(zip(distances, found["ids"][0], strict=True))]

    def close(self) -> None:
        """Free the store; one in memory is gone."""
        if self._name != _NAME:
            self._client.delete_collection(self._name)
        self._client.close()
