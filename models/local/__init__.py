"""A chat model that runs in this process, from a GGUF file."""
