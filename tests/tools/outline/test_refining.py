"""Gists by a model: level by level, under a ledger, asked once for the same content."""

from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document

from shoestring.budget import Budget, Ledger
from shoestring.tools import Outline, Refined

if TYPE_CHECKING:
    from tests.conftest import CountingServer

BOOK = "\n\n".join(
    f"# Bird {n}\n\nBird {n} nests on island {n}, and leaves in May." for n in range(6)
)


def book(text: str = BOOK) -> list[Document]:
    return [Document(text, metadata={"source": "birds.md"})]


def says(body: dict[str, Any]) -> str:
    """Answer with the line that says what the part is."""
    shown: str = body["messages"][-1]["content"]
    return f"COVERS {shown.splitlines()[0]}"


def test_gists_are_written_and_kept(server: "CountingServer") -> None:
    """Each part is asked for once, also after a rebuild; its own terms stay in front."""
    server.says = says
    ledger = Ledger(Budget(tokens=50_000))
    built = Outline.build(book())
    assert built.refine(server.model(), ledger) == Refined(written=7, known=0, left=0)
    assert len(server.requests) == ledger.spent.calls == 7
    bird = next(n for n in built.inside(built.documents()[0].id) if n.title == "Bird 3")
    terms, written = bird.gist.split(" — ")
    assert "island" in terms
    assert written == "COVERS The part: birds.md > Bird 3"
    built.update(book(BOOK.replace("Bird 5 nests", "Bird 5 sleeps")))
    again = built.refine(server.model(), ledger)
    assert again.known == 5
    assert again.written == len(server.requests) - 7 == 2


def test_the_budget_ends_it_cleanly(server: "CountingServer") -> None:
    """The roughest level comes first; what has no budget keeps the gist it had."""
    server.says = says
    ledger = Ledger(Budget(calls=3))
    built = Outline.build(book())
    assert built.refine(server.model(), ledger) == Refined(written=3, known=0, left=4)
    assert len(server.requests) == 3
    (root,) = built.documents()
    assert "COVERS" in root.gist
    gists = [n.gist for n in built.children(root.id)]
    assert ["COVERS" in gist for gist in gists] == [True, True, False, False, False, False]
    assert all("island" in gist or "bird" in gist.lower() for gist in gists)
    assert built.refine(server.model(), Ledger(Budget(calls=9))) == Refined(4, 3, 0)


def test_hostile_replies_stay_one_line(server: "CountingServer") -> None:
    """Whatever a model writes becomes one printable line of bounded length."""
    server.says = lambda body: "a\nb\x1b[31m\x00" + "long " * 2_000
    server.wants = 90
    built = Outline.build(book("# One\n\nThe heron nests here \udfff."))
    built.refine(server.model(), Ledger(Budget(calls=5)))
    gist = built.documents()[0].gist
    assert gist.isprintable()
    assert len(gist) < 400


def test_one_part_only(server: "CountingServer") -> None:
    """With an id, only that part is refined."""
    server.says = says
    built = Outline.build(book())
    bird = built.children(built.documents()[0].id)[2]
    assert built.refine(server.model(), Ledger(Budget(calls=9)), bird.id) == Refined(1, 0, 0)
