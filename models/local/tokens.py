"""A local model's tokens: text to ids, as the engine does it and much faster.

The vocabulary is read from the model file. Where it is of a kind known here, tiktoken applies it in
this process (the same ids, and far faster than asking); others are left to the engine.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import tiktoken

if TYPE_CHECKING:
    from collections.abc import Callable

    from shoestring.models.local.gguf import ModelFile

# How text is cut before it is tokenized, by `tokenizer.ggml.pre`: every digit alone, then GPT-2's
# pattern, in which a digit ends the text. Compared with llama.cpp on 444,000 tokens of prose, code,
# logs and random code points: no difference.
_PATTERNS = {
    "smollm": r"\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?![^\s\p{N}])|\s+",
}
# tiktoken's regular expression overflows its stack on a million blanks in a row: long runs are cut.
_LONGEST_BLANK = 50_000
_BLANKS = re.compile(rf"\s{{{_LONGEST_BLANK}}}")


class Tokenizer:
    """Turns text into one model's token ids; nothing in a text is read as a control token.

    Args:
        model: The header of the model's file.
        fallback: The engine's tokenizer, for vocabularies that are not known here.
    """

    def __init__(self, model: ModelFile, fallback: Callable[[str], list[int]]) -> None:
        self._encode = _in_process(model) or fallback

    def encode(self, text: str) -> list[int]:
        """Token ids of a text; a lone surrogate, which no UTF-8 has, is read as U+FFFD."""
        text = _well_formed(text)
        if len(text) <= _LONGEST_BLANK or not _BLANKS.search(text):
            return self._encode(text) if text else []
        cuts = [0, *(found.end() for found in _BLANKS.finditer(text)), len(text)]
        pieces = (text[start:end] for start, end in pairwise(cuts))
        return [token for piece in pieces if piece for token in self._encode(piece)]


def _well_formed(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _in_process(model: ModelFile) -> Callable[[str], list[int]] | None:
    """A byte-pair tokenizer from the file's vocabulary; None where it might not be the engine's.

    tiktoken merges the pair whose result has the lowest id, llama.cpp the pair that stands first in
    the list of merges: the same, where the results of that list have rising ids.
    """
    pattern = _PATTERNS.get(str(model.metadata.get("tokenizer.ggml.pre")))
    if pattern is None or model.metadata.get("tokenizer.ggml.model") != "gpt2" or not model.plain:
        return None
    byte_of = _byte_alphabet()
    try:
        ranks = {bytes(byte_of[c] for c in token): i for token, i in model.plain.items()}
        merges: list[str] = model.metadata["tokenizer.ggml.merges"]
        results = [ranks[bytes(byte_of[c] for c in merge if c != " ")] for merge in merges]
    except (KeyError, TypeError):
        return None
    if any(first >= second for first, second in pairwise(results)):
        return None
    # llama.cpp passes over a byte that has no token. tiktoken wants one for each: ids past the end,
    # left out again.
    end = len(model.tokens)
    for byte in range(256):
        ranks.setdefault(bytes([byte]), end + byte)
    bpe = tiktoken.Encoding(model.name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})

    def encode(text: str) -> list[int]:
        ids = bpe.encode_ordinary(text)
        return ids if max(ids, default=0) < end else [token for token in ids if token < end]

    return encode


def _byte_alphabet() -> dict[str, int]:
    """The byte each character of a byte-level vocabulary stands for (GPT-2's `bytes_to_unicode`).

    Bytes that print in Latin-1 stand for themselves; the others, in order, for U+0100 and up.
    """
    printing = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printing]
    return {chr(byte): byte for byte in printing} | {
        chr(0x100 + i): byte for i, byte in enumerate(others)
    }
