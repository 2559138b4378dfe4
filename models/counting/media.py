"""Images and sounds in a prompt: their tokens are bounded by what their provider takes for them."""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shoestring.models.counting.framing import UnboundedInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from langchain_core.messages import BaseMessage

_IMAGE_BLOCKS = frozenset({"image", "image_url", "input_image"})

# The lowest bit rate of an MPEG audio frame, 8 kbit/s: ISO/IEC 13818-3, table of bit rates.
_MP3_BYTES_A_SECOND = 1_000
# PCM, floating point, and either with its format in a longer header: RFC 2361.
_WAV_FORMATS = frozenset({0x0001, 0x0003, 0xFFFE})
# Samples a second of the finest recordings; a header that says more makes a long sound look short.
_FASTEST = 768_000
_WAV_HEADER = 12
_CHUNK_HEADER = 8
_FMT = struct.Struct("<HHIIHH")


@dataclass(frozen=True, slots=True)
class Media:
    """What a prompt holds beside its text.

    Attributes:
        rest: The messages without it.
        images: How many images.
        sounds: The blocks that hold a sound.
    """

    rest: list[BaseMessage]
    images: int
    sounds: list[Mapping[str, Any]]

    @classmethod
    def of(cls, messages: Sequence[BaseMessage]) -> Media:
        """Take images and sounds out of messages."""
        images = 0
        sounds: list[Mapping[str, Any]] = []

        def kept(content: list[Any]) -> list[Any]:
            nonlocal images
            blocks: list[Any] = []
            for block in content:
                if _is_image(block):
                    images += 1
                elif is_sound(block):
                    sounds.append(block)
                elif isinstance(block, dict) and isinstance(block.get("content"), list):
                    blocks.append({**block, "content": kept(block["content"])})
                else:
                    blocks.append(block)
            return blocks

        rest = [
            message
            if isinstance(message.content, str)
            else message.model_copy(update={"content": kept(message.content)})
            for message in messages
        ]
        return cls(rest, images, sounds)


def is_sound(block: object) -> bool:
    """Whether a block of a message is a sound."""
    if not isinstance(block, dict):
        return False
    if block.get("type") == "media":
        return str(block.get("mime_type")).startswith("audio/")
    return block.get("type") in {"audio", "input_audio"}


def has_sound(messages: Sequence[BaseMessage]) -> bool:
    """Whether a prompt holds a sound."""
    contents = (message.content for message in messages)
    return any(is_sound(b) for content in contents if isinstance(content, list) for b in content)


def seconds(block: Mapping[str, Any]) -> float:
    """The longest a sound can last.

    Exact for WAV; of MP3 its bytes at the lowest bit rate there is. The sound itself says what it
    is, not what it is called.

    Raises:
        UnboundedInput: If it is not here but at an address, or in another format.
    """
    data = _bytes_of(block)
    found = _wav_seconds(data) if data[:4] == b"RIFF" and data[8:12] == b"WAVE" else None
    if found is None and (data[:3] == b"ID3" or _is_mpeg_frame(data)):
        found = len(data) / _MP3_BYTES_A_SECOND
    if found is None:
        raise UnboundedInput(
            "a message holds a sound whose length cannot be told before it is sent: send it as WAV "
            "(PCM) or MP3, in the message itself, or pass a counter= that bounds it"
        )
    return found


def _bytes_of(block: Mapping[str, Any]) -> bytes:
    """The sound in a block; nothing where it is only referred to."""
    inner = block.get("input_audio")
    holder: Mapping[str, Any] = inner if isinstance(inner, dict) else block
    data = holder.get("base64") or holder.get("data") or b""
    if isinstance(data, bytes):
        return data
    try:
        return base64.b64decode(str(data), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _wav_seconds(data: bytes) -> float | None:
    """All bytes at the rate that the format states, whatever length the header states."""
    for name, chunk in _chunks(data):
        if name == b"fmt " and len(chunk) >= _FMT.size:
            fields: tuple[int, ...] = _FMT.unpack_from(chunk)
            form, channels, rate, _, _, bits = fields
            frame = channels * ((bits + 7) // 8)
            if form in _WAV_FORMATS and frame and 0 < rate <= _FASTEST:
                return len(data) / (frame * rate)
            return None
    return None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = _WAV_HEADER
    while at + _CHUNK_HEADER <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        yield name, data[at + _CHUNK_HEADER : at + _CHUNK_HEADER + size]
        at += _CHUNK_HEADER + size + size % 2


def _is_mpeg_frame(data: bytes) -> bool:
    """Whether it begins as a frame of MPEG audio does: eleven set bits, then a known version and layer."""
    if len(data) < 3 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:  # noqa: PLR2004 - the pattern
        return False
    version, layer, rate = data[1] >> 3 & 3, data[1] >> 1 & 3, data[2] >> 4
    # Layer 0 is AAC's; a rate of 0 is "free": any.
    return version != 1 and layer != 0 and 0 < rate < 15  # noqa: PLR2004 - the standard's codes


def _is_image(block: object) -> bool:
    if not isinstance(block, dict):
        return False
    if "type" not in block:
        return "image" in block  # Bedrock's own form
    if block["type"] == "media":
        return str(block.get("mime_type")).startswith("image/")
    link = block.get("image_url") or block.get("url") or ""
    link = link.get("url", "") if isinstance(link, dict) else str(link)
    # An image's address may carry anything else, which is no image then.
    other = link.startswith("data:") and not link.startswith("data:image/")
    return block["type"] in _IMAGE_BLOCKS and not other
