"""A case's passages as LangChain documents, under names that tell nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.documents import Document

if TYPE_CHECKING:
    from shoestring.evals.cases import Case

__all__ = ["documents_of"]


def documents_of(case: Case) -> list[Document]:
    """Give the passages in their order, as "passage 0", "passage 1", …: an id might tell which is marked."""
    return [
        Document(passage.text, metadata={"source": f"passage {place}", "title": passage.title})
        for place, passage in enumerate(case.passages)
    ]
