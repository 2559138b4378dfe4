"""What is kept of a text within a number of tokens."""
