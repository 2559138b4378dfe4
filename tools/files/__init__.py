"""Files that processes share, or that somebody else may have written."""
