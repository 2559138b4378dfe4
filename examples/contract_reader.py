"""A contract reader: the clause that answers, word for word and with its number; or that none does."""

from langchain_core.documents import Document

from shoestring import Outline

CONTRACT = """SUPPLY AGREEMENT

This agreement is made between Heron Glass Ltd ("the Supplier") and Tern Optics Inc. ("the Buyer").

1. DELIVERY

1.1 The Supplier delivers lenses to the port of Ellery within thirty days of an order.
1.2 Risk passes to the Buyer when the lenses are unloaded.

2. PRICE

2.1 The Buyer pays 40 pounds for each lens.
2.2 An invoice is due sixty days after it was sent. Late payment bears interest of five percent a year.

3. CONFIDENTIALITY

3.1 Neither party discloses the other's drawings, during the term and for three years after it.

4. TERMINATION

4.1 Either party may end this agreement with ninety days' notice in writing.
4.2 Clause 3 survives the end of this agreement.
"""
QUESTIONS = (
    "How much notice ends the agreement?",
    "What interest does late payment bear?",
    "Which court decides on arbitration?",
)
SURE = 0.16  # the chance below which the assistant abstains, too


def main() -> None:
    """Show the clauses, then the ones that answer, where they stand in the text."""
    outline = Outline.build([Document(CONTRACT, metadata={"source": "supply.txt"})])
    for node in outline.inside(outline.documents()[0].id):
        if node.kind == "clause" and "." not in node.title:
            print(f"{node.title} ({node.tokens} tokens)")
    for question in QUESTIONS:
        found = outline.read(question, tokens=50)
        print(f"\n{question}")
        if found.score < SURE:
            print("  The text does not say.")
            continue
        for piece in found.documents:
            start, end = piece.metadata["start"], piece.metadata["end"]
            print(f"  supply.txt:{start}-{end}  {CONTRACT[start:end].strip()!r}")


if __name__ == "__main__":
    main()
