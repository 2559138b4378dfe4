"""Trim what a retriever found before it reaches the prompt: a compressor in a LangChain chain."""

from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from shoestring import Index, IndexRetriever, TrimCompressor, split

FACTS = {
    "tides": "The tide at Port Ellery turns every six hours and thirteen minutes. Spring tides follow the "
    "full and the new moon. The harbour wall is closed to walkers two hours around high water.",
    "ferry": "The ferry to Ellery Island leaves at 07:40 and 16:20. It carries 120 people and no cars. "
    "In winter only the morning ferry runs. Tickets are sold on board.",
    "museum": "The lighthouse museum opens from May to October. Its lens weighs two tonnes and was ground "
    "in 1871. Children enter free of charge.",
}


def main() -> None:
    """Answer a question with at most 40 tokens of context, and show what was kept."""
    documents = [
        Document(page_content=text, metadata={"source": f"{name}.txt", "title": name})
        for name, text in FACTS.items()
    ]
    index = Index.open(None, None)  # in memory, lexical; give a path and embeddings for more
    index.update(documents)
    retriever = IndexRetriever(index=index, k=3)
    compressor = TrimCompressor(tokens=40)

    def compress(found: dict[str, Any]) -> list[Document]:
        return list(compressor.compress_documents(found["documents"], found["query"]))

    chain = {"documents": retriever, "query": RunnablePassthrough()} | RunnableLambda(compress)
    for piece in chain.invoke("How many people does the ferry carry?"):
        print(f"{piece.metadata['source']}: {piece.page_content}")
    print(f"{sum(1 for _ in split(documents))} passages were indexed")


if __name__ == "__main__":
    main()
