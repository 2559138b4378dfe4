"""Model files are untrusted: what is no good model is an error with a cause, whatever its bytes."""

from __future__ import annotations

import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shoestring.models.local.chat import packaged_model
from shoestring.models.local.gguf import ModelFile, ModelFileError, read_model


def _read(data: bytes) -> ModelFile:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        path.write_bytes(data)
        return read_model(path)


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def test_the_packaged_model_is_read() -> None:
    """Its context, its vocabulary and its control tokens are those of SmolLM2."""
    model = read_model(packaged_model())
    assert model.context == 8_192
    assert len(model.tokens) == 49_152
    assert model.control["<|im_end|>"] == 2
    assert model.plain is not None
    assert len(model.plain) + len(model.control) == 49_152


def test_values_of_every_type_are_read() -> None:
    """A header with scalars, a string and arrays gives them back."""
    pairs = [
        _string("a") + struct.pack("<If", 6, 0.5),
        _string("b") + struct.pack("<I", 8) + _string("é"),
        _string("c") + struct.pack("<IIQ3h", 9, 3, 3, -1, 0, 1),
        _string("d") + struct.pack("<IIQ", 9, 8, 2) + _string("x") + _string(""),
        _string("e") + struct.pack("<I?", 7, True),
    ]
    header = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs)
    assert _read(header).metadata == {
        "a": 0.5,
        "b": "é",
        "c": [-1, 0, 1],
        "d": ["x", ""],
        "e": True,
    }


@given(st.binary(max_size=200))
@example(struct.pack("<IQQ", 3, 0, 2**63))
@example(struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**63))
@example(struct.pack("<IQQ", 3, 0, 1) + _string("k") + struct.pack("<IIQ", 9, 10, 2**60))
@example(struct.pack("<IQQ", 3, 0, 1) + _string("k") + struct.pack("<IIQ", 9, 9, 1))
@example(struct.pack("<IQQ", 1, 0, 0))
def test_any_other_bytes_are_an_error_of_ours(data: bytes) -> None:
    """No header makes the reader fail otherwise, or take memory it has no bytes for."""
    with pytest.raises(ModelFileError):
        _ = _read(b"GGUF" + data).chat_template


def test_a_header_cut_anywhere_is_an_error() -> None:
    """The packaged model's header, cut short, is told to be damaged."""
    start = packaged_model().read_bytes()[:700_000]
    for size in (4, 24, 100, 1_000, 700_000):
        with pytest.raises(ModelFileError, match="damaged"):
            _read(start[:size])


def test_ids_outside_the_vocabulary_are_ignored() -> None:
    """A file that names tokens it does not have has no such token."""
    known = read_model(packaged_model())
    for wrong in (-1, 49_152, True, "2", None):
        changed = ModelFile(known.path, known.metadata | {"tokenizer.ggml.eos_token_id": wrong})
        assert changed.token_id("eos") is None
