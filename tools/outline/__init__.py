"""An outline of documents: trees with gists, in SQLite, and reading by them."""
