"""shoestring, in the environment this runs in."""

from langchain_core.documents import Document
from trimming import Passage, main

from shoestring import trim


def trimmed(question: str, room: int, passages: list[Passage]) -> str:
    """Trim as the docs say."""
    documents = [
        Document(passage.text, metadata={"source": str(place), "title": passage.title})
        for place, passage in enumerate(passages)
    ]
    return trim(documents, question, room, fill="budget").text


main("shoestring", trimmed)
