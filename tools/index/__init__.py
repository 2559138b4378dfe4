"""A hybrid index of documents, on disk, and the retriever over it."""
