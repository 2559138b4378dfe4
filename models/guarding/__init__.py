"""Models, embeddings and tools that cannot overspend."""
