"""One reader a file type: bytes in, text out. `shoestring.tools.read` chooses among them."""
