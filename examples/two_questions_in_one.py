"""Split a question, read for its parts side by side, and see what each part set aside, spent and gave back."""

from langchain_core.documents import Document

from shoestring import Budget, LocalChatModel, MemoryStore, Outline, build_assistant
from shoestring.graphs import planner_of

PAGES = [
    Document(
        "# Orford\n\nThe lighthouse of Orford was built in 1843. It is 30 metres high.",
        metadata={"source": "orford.md"},
    ),
    Document(
        "# Kelso\n\nThe pier of Kelso was built in 1821. It burnt twice.",
        metadata={"source": "kelso.md"},
    ),
]
QUESTION = "In which years were the lighthouse of Orford and the pier of Kelso built?"


def main() -> None:
    """Ask on 4,000 tokens, and print the answer and the receipt."""
    store = MemoryStore()
    assistant = build_assistant(
        LocalChatModel(temperature=0),
        PAGES,
        outline=Outline.build(PAGES),
        budget=Budget(tokens=4_000),
        planner=planner_of(["research", "quote"]),
        ledgers=store,
    )
    result = assistant.invoke({"question": QUESTION})
    print(result["answer"])
    ledger = store.ledger(result["ledger_id"])
    for line in ledger.receipt.lines:
        print(f"  {line.node:<8} {line.spent.tokens:>4}  {line.detail or line.what}"[:100])
    print(f"spent {ledger.spent.tokens} of {ledger.limit.tokens} tokens, held {ledger.held.tokens}")


if __name__ == "__main__":
    main()
