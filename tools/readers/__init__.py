"""One reader a file type: bytes in, text out. `shoestring.tools.readers.files` chooses among them."""
