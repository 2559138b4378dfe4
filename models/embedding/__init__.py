"""Embeddings whose weights come in a package: no network."""
