"""A reader of papers, as an agent's tools: look at the contents, search, open a section, recall."""

import re

from langchain_core.documents import Document

from shoestring import Budget, Ledger, Outline, Stash, outline_tools

PAPER = """# Tides and the nesting of herons

## Abstract

We followed 212 herons on Ellery Island over six years. Nests near the shore fail more often in years
of high spring tides.

## Methods

Birds were ringed in April. Each nest was visited every third day. Water levels came from the harbour gauge.

### Statistics

We fitted a logistic model of failure to the height of the tide, with the year as a random effect.

## Results

Of nests below two metres 41 percent failed, of those above 17 percent. The clutch had 3.9 eggs on
average, wherever it lay.

## Limitations

The colony is small, and only one island was watched.
"""
QUESTIONS = (
    "How many percent of nests below two metres failed?",
    "Which model was fitted?",
    "What did the study cost?",
)
SURE = 0.16  # the chance below which the assistant abstains, too


def main() -> None:
    """Call the tools as a model would, and cite the section of each answer."""
    outline = Outline.build([Document(PAPER, metadata={"source": "herons.md", "title": "Herons"})])
    ledger = Ledger(Budget(tokens=4_000))
    tools = {
        tool.name: tool
        for tool in outline_tools(outline, ledger=ledger, stash=Stash(), conversation="paper")
    }
    print(tools["outline"].invoke({"tokens": 250}))
    for question in QUESTIONS:
        print(f"\n{question}")
        if outline.read(question, tokens=80).score < SURE:
            print("  The text does not say.")
            continue
        found = tools["search"].invoke({"query": question, "tokens": 100})
        print(found)
        section = re.search(r"\[([a-z2-7]{10})\]", found)
        if section is not None:
            print(f"  cited: {outline[section[1]].title}, herons.md")


if __name__ == "__main__":
    main()
