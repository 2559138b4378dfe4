"""Build an assistant that cannot pass its budget, in one call. Runs offline on the packaged model."""

from langchain_core.documents import Document

from shoestring import Budget, LocalChatModel, build_assistant

HANDBOOK = Document(
    page_content=(
        "Returns. A customer may return a lamp within 45 days. The receipt is required. "
        "Refunds are paid within 5 working days to the card that was charged.\n\n"
        "Shipping. Orders placed before 14:00 leave the same day. Shipping to islands costs 9 euros.\n\n"
        "Warranty. Every lamp carries a warranty of 3 years; bulbs are excluded."
    ),
    metadata={"source": "handbook.txt", "title": "Shop handbook"},
)


def main() -> None:
    """Ask once, and show what it cost."""
    assistant = build_assistant(LocalChatModel(), [HANDBOOK], budget=Budget(tokens=2_000, calls=4))
    result = assistant.invoke({"question": "Within how many days may a customer return a lamp?"})
    print(f"{result['answer']}  ({result['kind']}, by way of {result['route']})")
    for source in result["sources"]:
        print(f"  {source['source']}:{source['start']}-{source['end']}  {source['text']!r}")
    for line in result["receipt"]:
        spent = line["spent"]["tokens"]
        print(f"  {line['node']:<8} {line['what']:<24} {spent:>5} tokens  {line['detail']}")


if __name__ == "__main__":
    main()
