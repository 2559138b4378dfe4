"""Sounds are bounded by how long they can last; images are found wherever a provider wants them."""

from __future__ import annotations

import base64
import io
import struct
import wave
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage, ToolMessage

from shoestring.models import UnboundedInput
from shoestring.models.counting.media import Media, has_sound, seconds


def recording(frames: int = 16_000, rate: int = 16_000, channels: int = 1, width: int = 2) -> bytes:
    """A WAV file of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(rate)
        out.writeframes(bytes(frames * channels * width))
    return file.getvalue()


def block(data: bytes) -> dict[str, Any]:
    return {"type": "audio", "base64": base64.b64encode(data).decode(), "mime_type": "audio/wav"}


@given(
    frames=st.integers(0, 5_000),
    rate=st.integers(1, 192_000),
    channels=st.integers(1, 8),
    width=st.integers(1, 4),
)
def test_a_recording_never_lasts_longer_than_its_bound(
    frames: int, rate: int, channels: int, width: int
) -> None:
    """The header's few bytes are all that is counted too much."""
    bound = seconds(block(recording(frames, rate, channels, width)))
    header = 44 / (rate * channels * width)
    assert frames / rate <= bound <= frames / rate + header + 1e-9


TEXT = base64.b64encode(recording()).decode()


@pytest.mark.parametrize(
    "sound",
    [
        {"type": "input_audio", "input_audio": {"data": TEXT, "format": "wav"}},
        {"type": "audio", "base64": TEXT, "mime_type": "audio/wav"},
        {"type": "audio", "source_type": "base64", "data": TEXT},
        {"type": "media", "mime_type": "audio/wav", "data": TEXT},
        {"type": "media", "mime_type": "audio/wav", "data": recording()},
    ],
    ids=["OpenAI's", "LangChain's", "LangChain's older", "Google's", "Google's bytes"],
)
def test_a_sound_is_found_in_every_form(sound: Any) -> None:
    """OpenAI's, LangChain's old and new, Google's; also in the result of a tool."""
    assert seconds(sound) == pytest.approx(1, abs=0.01)
    plain: list[Any] = [{"type": "text", "text": "Listen."}, sound]
    result = ToolMessage([{"type": "tool_result", "content": [sound]}], tool_call_id="c")
    media = Media.of([HumanMessage(plain), result])
    assert media.sounds == [sound, sound]
    assert media.rest[0].content == plain[:1]
    assert has_sound([HumanMessage("x"), HumanMessage(plain)])
    assert not has_sound([HumanMessage("x"), HumanMessage([{"type": "text", "text": "y"}])])


def test_the_length_a_header_states_is_not_believed() -> None:
    """A chunk of data that says it is empty is as long as its bytes."""
    said = bytearray(recording())
    at = said.index(b"data")
    said[at + 4 : at + 8] = bytes(4)
    assert seconds(block(bytes(said))) >= 1


def test_an_mp3_lasts_no_longer_than_at_the_lowest_bit_rate() -> None:
    """8,000 bits a second, with and without a tag before it."""
    frames = b"\xff\xfb\x90\x00" + bytes(15_996)  # a second at 128 kbit/s
    assert seconds(block(frames)) == 16
    assert seconds(block(b"ID3" + frames)) > 16


def hostile(rate: int = 16_000, form: int = 1, channels: int = 1, bits: int = 16) -> bytes:
    fmt = struct.pack("<HHIIHH", form, channels, rate, 0, 0, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", 100) + bytes(100)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"RIFF\0\0\0\0WAVE",
        hostile(rate=0),
        hostile(rate=2**32 - 1),
        hostile(channels=0),
        hostile(bits=0),
        hostile(form=0x55),  # MP3 in the clothes of a WAV
        b"OggS" + bytes(100),
        b"fLaC" + bytes(100),
        b"\xff\xf1\x50\x80" + bytes(100),  # AAC
        b"\xff\xfb\x00\x00" + bytes(100),  # an MP3 of any rate
    ],
    ids=range(12),
)
def test_a_sound_of_unknown_length_is_refused(data: bytes) -> None:
    """Broken headers and formats that may be as short as they like: the error names the cure."""
    with pytest.raises(UnboundedInput, match="WAV"):
        seconds(block(data))


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"type": "audio", "url": "https://x.test/a.wav"},
        {"type": "audio", "file_id": "f1"},
        {"type": "input_audio", "input_audio": {"data": "not base64!", "format": "wav"}},
        {"type": "input_audio", "input_audio": "?"},
        {"type": "media", "mime_type": "audio/wav", "file_uri": "gs://x"},
    ],
)
def test_a_sound_that_is_not_here_is_refused(elsewhere: dict[str, Any]) -> None:
    """Nobody can tell how long it is before it is sent."""
    with pytest.raises(UnboundedInput, match="in the message itself"):
        seconds(elsewhere)


@given(st.binary(max_size=200))
@example(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0")
def test_any_bytes_are_bounded_or_refused(data: bytes) -> None:
    """Nothing else comes of a sound, whatever its bytes."""
    for start in (b"", b"RIFF\0\0\0\0WAVE", b"ID3", b"\xff\xfb"):
        try:
            assert seconds(block(start + data)) > 0
        except UnboundedInput:
            continue
