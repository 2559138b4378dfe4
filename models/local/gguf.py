"""What a GGUF model file says of itself: its context, its vocabulary and its chat template.

Only the header is read; the weights are left to llama.cpp. The file is untrusted: every length is
checked against the bytes that are there. Format: ggml's `docs/gguf.md`, versions 2 and 3,
little-endian.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
# struct codes of the scalar value types, by their number in the format.
_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
# The shortest key with a value: an empty name, a type and one byte.
_SHORTEST_PAIR = 8 + 4 + 1
# Values of `tokenizer.ggml.token_type`.
_NORMAL, _CONTROL = 1, 3


class ModelFileError(RuntimeError):
    """A file is no usable model: missing, no GGUF, cut short, or without what a chat needs.

    No `ValueError`: pydantic would bury it in a report of several lines.
    """


@dataclass(frozen=True, eq=False)
class ModelFile:
    """The header of one model file.

    Attributes:
        path: The file.
        metadata: Its keys and values, arrays as lists.
    """

    path: Path
    metadata: dict[str, Any]

    @property
    def name(self) -> str:
        """The file's name without its suffix, such as "SmolLM2-135M-Instruct.Q4_1"."""
        return self.path.name.removesuffix(".gguf")

    @property
    def context(self) -> int:
        """Tokens of prompt and answer the model was made for.

        Raises:
            ModelFileError: If the file does not say.
        """
        found = self.metadata.get(f"{self.metadata.get('general.architecture')}.context_length")
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            raise ModelFileError(f"{self.path} does not say how long its context is: pass n_ctx=")
        return found

    @property
    def chat_template(self) -> str:
        """The Jinja template the model was trained with.

        Raises:
            ModelFileError: If it has none, as a base model.
        """
        found = self.metadata.get("tokenizer.chat_template")
        if not isinstance(found, str) or not found:
            raise ModelFileError(f"{self.path} has no chat template: use an instruct model")
        return found

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The vocabulary by token id.

        Raises:
            ModelFileError: If it has none.
        """
        found = self.metadata.get("tokenizer.ggml.tokens")
        if not isinstance(found, list) or not all(isinstance(token, str) for token in found):
            raise ModelFileError(f"{self.path} has no vocabulary")
        return tuple(found)

    @cached_property
    def control(self) -> dict[str, int]:
        """Ids of the tokens that steer a chat, such as `<|im_end|>`; no text may spell them."""
        named = {self.token_id(which) for which in ("bos", "eos", "eot", "eom")}
        return {
            token: i
            for i, token in enumerate(self.tokens)
            if token and (self._kind(i) == _CONTROL or i in named)
        }

    @cached_property
    def plain(self) -> dict[str, int] | None:
        """Ids of the tokens that text is made of, or None if the file has other kinds besides."""
        kinds = {self._kind(i) for i in range(len(self.tokens))}
        if not kinds <= {_NORMAL, _CONTROL}:
            return None
        return {
            token: i
            for i, token in enumerate(self.tokens)
            if self._kind(i) == _NORMAL and token not in self.control
        }

    def token_id(self, which: str) -> int | None:
        """The id of the "bos", "eos", "eot" or "eom" token, if the file names one that exists."""
        found = self.metadata.get(f"tokenizer.ggml.{which}_token_id")
        if not isinstance(found, int) or isinstance(found, bool):
            return None
        return found if 0 <= found < len(self.tokens) else None

    def _kind(self, token: int) -> int:
        kinds = self.metadata.get("tokenizer.ggml.token_type")
        if not isinstance(kinds, list) or token >= len(kinds):
            return _NORMAL
        return int(kinds[token])


def read_model(path: Path) -> ModelFile:
    """The header of a model file; read once for each state of the file.

    Args:
        path: A GGUF file.

    Raises:
        ModelFileError: If there is none, it cannot be read, or it is none.
    """
    check_magic(path)
    stat = path.stat()
    return _read(path.resolve(), stat.st_mtime_ns, stat.st_size)


def check_magic(path: Path) -> None:
    """Refuse what cannot be a model, by its first four bytes.

    Raises:
        ModelFileError: If the file is missing, unreadable or begins otherwise.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
    except FileNotFoundError:
        raise ModelFileError(f"no model at {path}: give the path of a GGUF file") from None
    except OSError as error:
        raise ModelFileError(f"cannot read the model {path}: {error.strerror}") from error
    if start != MAGIC:
        raise ModelFileError(
            f"{path} is no GGUF model file: it does not begin with {MAGIC.decode()}"
        )


# Room for the models of one process; a header takes some 20 MB.
@lru_cache(maxsize=4)
def _read(path: Path, _modified: int, _size: int) -> ModelFile:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return ModelFile(path, _Header(data).read())
        except ValueError as error:
            raise ModelFileError(f"{path} is damaged: {error}. Fetch it again") from error


class _Header:
    """A cursor over the header's bytes."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = len(MAGIC)

    def read(self) -> dict[str, Any]:
        (version,) = self._take("I")
        if version not in _VERSIONS:
            raise ValueError(f"GGUF version {version} is not read here")
        _, pairs = self._take("QQ")
        self._afford(pairs, _SHORTEST_PAIR)
        metadata: dict[str, Any] = {}
        for _ in range(pairs):
            key = self._string()
            (kind,) = self._take("I")
            metadata[key] = self._value(kind)
        return metadata

    def _take(self, code: str) -> tuple[Any, ...]:
        size = struct.calcsize(f"<{code}")
        self._afford(size, 1)
        self._at += size
        return struct.unpack_from(f"<{code}", self._data, self._at - size)

    def _afford(self, count: int, size: int) -> None:
        if count * size > len(self._data) - self._at:
            raise ValueError("it is shorter than its header says")

    def _string(self) -> str:
        (length,) = self._take("Q")
        self._afford(length, 1)
        start, self._at = self._at, self._at + length
        return self._data[start : self._at].decode("utf-8", "replace")

    def _value(self, kind: int) -> Any:  # noqa: ANN401 - what the file holds
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            inner, length = self._take("IQ")
            return self._array(inner, length)
        if kind not in _SCALARS:
            raise ValueError(f"it holds a value of unknown type {kind}")
        return self._take(_SCALARS[kind])[0]

    def _array(self, kind: int, length: int) -> list[Any]:
        if kind == _STRING:
            self._afford(length, 8)
            return [self._string() for _ in range(length)]
        if kind not in _SCALARS:
            # The format allows arrays of arrays; no key that is read here has them.
            raise ValueError(f"it holds an array of type {kind}")
        self._afford(length, struct.calcsize(f"<{_SCALARS[kind]}"))
        return list(self._take(f"{length}{_SCALARS[kind]}"))
