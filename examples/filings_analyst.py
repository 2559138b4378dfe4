"""A filings analyst: rough first, then the row that answers, with its page; or that none does."""

from langchain_core.documents import Document

from shoestring import Outline

FILING = """Part I
Item 1. Business
Larkspur Mills grinds oats and rye in four plants. Its brands are sold in eleven countries. The oat
mill in Port Ellery opened in 1962.
\fItem 1A. Risk Factors
Harvests vary with the weather. A poor harvest of oats raises our costs. We depend on two railways
to bring grain to the mills.
\fPart II
Item 7. Management's Discussion
Net sales rose by four percent, mostly from higher prices. Freight cost more than in the year before.
\fItem 8. Financial Statements
Table 1: Statement of income (in millions)
| | 2023 | 2022 | 2021 |
|---|---|---|---|
| Net sales | 412 | 396 | 371 |
| Cost of goods sold | 268 | 251 | 240 |
| Operating income | 57 | 61 | 55 |
\fNote 4. Leases
The mill in Port Ellery is leased until 2041. Rent was 3 million in 2023.
"""
QUESTIONS = (
    "What was the cost of goods sold in 2022?",
    "Until when is the mill in Port Ellery leased?",
    "Which firm audited these accounts?",
)
SURE = 0.16  # the chance below which the assistant abstains, too


def main() -> None:
    """Show the outline of a filing in 160 tokens, and answer from at most 120."""
    pages = [
        Document(
            text, metadata={"source": "larkspur.pdf", "title": "Annual report", "page": number}
        )
        for number, text in enumerate(FILING.split("\f"), start=1)
    ]
    outline = Outline.build(pages)
    print(outline.contents(tokens=160).text)
    for question in QUESTIONS:
        found = outline.read(question, tokens=120)
        print(f"\n{question}")
        if found.score < SURE:
            print("  The text does not say.")
            continue
        for piece in found.documents:
            print(f"  {piece.metadata['title']}")
            print(f"    {' '.join(piece.page_content.split())}")


if __name__ == "__main__":
    main()
