"""Several processes read documents: the same outline, and a process that dies is named."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.documents import Document

from shoestring.tools import Outline, WorkerLost


def corpus() -> Iterator[Document]:
    for n in range(7):
        text = f"# Topic {n}\n\nItem{n} is told of here, at some length. " * 60
        yield Document(text, metadata={"source": f"{n}.md", "title": f"Book > {n}"})


def everything(built: Outline) -> list[object]:
    return [node for document in built.documents() for node in built.inside(document.id)]


@pytest.mark.slow
def test_workers_grow_the_same_trees() -> None:
    """However many processes read, ids, gists and tokens are the same, and so is the order."""
    with Outline.build(corpus()) as alone, Outline.build(corpus(), workers=2) as helped:
        assert everything(helped) == everything(alone)
        assert helped.documents() == alone.documents()


@pytest.mark.slow
def test_a_worker_that_dies_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed worker is an error with the cure, and the next build goes on with the rest."""
    module = tmp_path / "dying_counter.py"
    module.write_text(
        "import os\n\n\ndef count(text):\n"
        "    if 'Topic 5' in text:\n        os._exit(3)\n    return len(text)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    count = __import__("dying_counter").count
    with pytest.raises(WorkerLost, match="workers=1"):
        Outline.build(corpus(), tmp_path / "o", count=count, workers=2)
    with Outline.build(corpus(), tmp_path / "o") as built:
        assert len(built.documents()) == 7


def test_one_document_needs_no_worker() -> None:
    """Processes are started only where there are documents for them."""
    counted: list[str] = []

    def count(text: str) -> int:  # which cannot be sent to a process
        counted.append(text)
        return len(text)

    with Outline.build([Document("One. Two.")], count=count, workers=4) as built:
        assert built.documents()[0].tokens == 9
        assert counted


def test_bad_workers() -> None:
    """Zero workers are an error."""
    with pytest.raises(ValueError, match="workers must be 1 or more"):
        Outline.build([], workers=0)
