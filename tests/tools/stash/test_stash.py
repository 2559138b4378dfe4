"""What was dropped is kept, within bounds, and for its own conversation alone."""

from __future__ import annotations

import multiprocessing
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring import Stash
from shoestring.tools import (
    NotStashed,
    StashBusy,
    StashCorrupt,
    StashError,
    StashFull,
    StashReadOnly,
    StashUnavailable,
)
from shoestring.tools.stash import file as stash_file

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Stash]:
    """Makes a stash of either kind."""
    path = tmp_path / "stash.db" if request.param == "file" else None

    def made(**options: Any) -> Stash:
        return Stash(path, **options)

    return made


def test_a_text_comes_back_whole(make: Callable[..., Stash]) -> None:
    """Any text, lone surrogates and emptiness included, under a handle of six characters."""
    shelf = make().of("a")
    for text in ("Hello.", "", "\ud800 lone", "桥" * 1_000, "x\0y"):
        handle = shelf.put(text)
        assert len(handle) == 6
        assert shelf.get(handle) == text


def test_the_same_text_has_the_same_handle(make: Callable[..., Stash]) -> None:
    """A handle is made of the content: putting it again changes nothing."""
    stash = make()
    assert stash.of("a").put("text") == stash.of("a").put("text")


def test_another_conversation_reads_nothing(make: Callable[..., Stash]) -> None:
    """Neither with the handle of one that did, nor with that of the same text."""
    stash = make()
    handle = stash.of("a").put("a secret")
    other = stash.of("b")
    with pytest.raises(NotStashed, match="in this conversation"):
        other.get(handle)
    assert other.put("a secret") != handle
    assert not other.has(handle)


@pytest.mark.parametrize("handle", ["", "zzzzzz", "k7", "K7F2MQ", "a' OR 1", "a" * 10_000, "é" * 6])
def test_a_handle_that_does_not_exist_is_said(make: Callable[..., Stash], handle: str) -> None:
    """Whatever is asked for, the answer is the one named error, and short."""
    with pytest.raises(NotStashed) as told:
        make().of("a").get(handle)
    assert len(str(told.value)) < 300


def test_texts_are_let_go_in_time(make: Callable[..., Stash]) -> None:
    """What nobody asked for is gone; asking keeps a text."""
    clock = Clock()
    shelf = make(seconds=60, clock=clock).of("a")
    one, other = shelf.put("one"), shelf.put("other")
    clock.now += 50
    assert shelf.get(one) == "one"
    clock.now += 50
    assert shelf.has(one)
    assert not shelf.has(other)


def test_a_conversation_keeps_to_its_share(make: Callable[..., Stash]) -> None:
    """Its oldest texts make room for its newer ones, and nobody else's do."""
    clock = Clock()
    stash = make(size=1_000, share=300, clock=clock)
    quiet = stash.of("quiet").put("q" * 250)
    handles = []
    for number in range(10):
        clock.now += 1
        handles.append(stash.of("loud").put(f"{number}" * 100))
    kept = [stash.of("loud").has(handle) for handle in handles]
    assert kept == [False] * 7 + [True] * 3
    assert stash.of("quiet").has(quiet)


def test_all_of_them_keep_to_the_size(make: Callable[..., Stash]) -> None:
    """What was not used for longest goes, whosever it is."""
    clock = Clock()
    stash = make(size=1_000, share=400, clock=clock)
    handles = []
    for number in range(20):
        clock.now += 1
        handles.append(stash.of(str(number)).put(f"{number:03}" * 50))
    kept = [stash.of(str(number)).has(handle) for number, handle in enumerate(handles)]
    assert kept == [False] * 14 + [True] * 6


def test_what_is_too_long_is_not_kept(make: Callable[..., Stash]) -> None:
    """It has no handle, and pushes nothing out."""
    stash = make(share=100)
    kept = stash.of("a").put("small")
    assert stash.of("a").put("x" * 101) == ""
    assert stash.of("a").has(kept)


@pytest.mark.parametrize("bound", ["seconds", "size", "share"])
def test_bounds_are_positive(bound: str) -> None:
    """A stash that could keep nothing is refused."""
    with pytest.raises(ValueError, match=f"{bound} must be more than 0"):
        Stash(**cast("Any", {bound: 0}))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.text(max_size=30)), max_size=40))
def test_bounds_hold_whatever_is_put(texts: list[tuple[str, str]]) -> None:
    """In memory, what is kept adds up to what is counted, and passes no bound."""
    stash = Stash(size=200, share=120)
    for owner, text in texts:
        handle = stash.of(owner).put(text)
        assert stash.of(owner).get(handle) == text
    kept: Any = stash._kept
    sizes = [len(data) for _, data in kept._texts.values()]
    assert sum(sizes) == kept._total <= 200
    assert all(size <= 120 for size in kept._sizes.values())


def _put_many(path: Path, name: str) -> None:
    shelf = Stash(path).of(name)
    for number in range(30):
        assert shelf.get(shelf.put(f"{name} {number}")) == f"{name} {number}"


def test_many_processes_and_threads_share_a_file(tmp_path: Path) -> None:
    """They open it at once, write at once, and each finds what it put."""
    path = tmp_path / "stash.db"
    context = multiprocessing.get_context("spawn")
    workers: list[Any] = [context.Process(target=_put_many, args=(path, f"p{n}")) for n in range(3)]
    workers += [threading.Thread(target=_put_many, args=(path, f"t{n}")) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers[:3]] == [0, 0, 0]
    shelf = Stash(path).of("p1")
    assert shelf.get(shelf.put("p1 7")) == "p1 7"


def test_a_file_outlives_its_process(tmp_path: Path) -> None:
    """A handle from yesterday's run opens the text today."""
    handle = Stash(tmp_path / "stash.db").of("a").put("text")
    assert Stash(tmp_path / "stash.db").of("a").get(handle) == "text"


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """A database that is no stash, and a file that is no database, are named and not touched."""
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    before = other.read_bytes()
    with pytest.raises(StashCorrupt, match="another program"):
        Stash(other)
    assert other.read_bytes() == before
    text = tmp_path / "text.db"
    text.write_text("plain text " * 500)
    with pytest.raises(StashCorrupt, match="no stash"):
        Stash(text)


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    """Pages overwritten with nonsense are a named error, not a wrong text."""
    path = tmp_path / "stash.db"
    stash = Stash(path)
    for number in range(50):
        stash.of("a").put(f"{number} " * 2_000)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StashCorrupt, match="damaged"):
        stash.of("a").put("more")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The message names the file and the cure."""
    with pytest.raises(StashUnavailable, match="see that its folder exists"):
        Stash(tmp_path / "none" / "stash.db")


READ_ONLY = """
import os, sys
from shoestring.tools import Stash, StashReadOnly
if os.getuid() == 0:
    os.setuid(65534)
try:
    Stash(sys.argv[1]).of("a").put("text")
except StashReadOnly as error:
    print(error)
"""


def test_a_file_that_may_not_be_written_is_said() -> None:
    """A read-only file is a named error with its cure, and stays as it is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "stash.db"
        Stash(path)
        before = path.read_bytes()
        path.chmod(0o444)
        folder.chmod(0o555)
        try:
            said = subprocess.run(
                [sys.executable, "-c", READ_ONLY, str(path)],
                check=True,
                capture_output=True,
                text=True,
                timeout=120,
            ).stdout
        finally:
            folder.chmod(0o755)
        assert "allow this user to write to the file and to its folder" in said
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_READONLY, StashReadOnly),
        (sqlite3.SQLITE_FULL, StashFull),
        (sqlite3.SQLITE_BUSY, StashBusy),
        (sqlite3.SQLITE_CORRUPT, StashCorrupt),
        (sqlite3.SQLITE_IOERR, StashUnavailable),
    ],
)
def test_what_sqlite_says_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[StashError]
) -> None:
    """Each way in which a file fails is an error of its own, with the path in it."""
    stash = Stash(tmp_path / "stash.db")

    def fail(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("no")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(sqlite3, "connect", fail)
    with pytest.raises(kind, match=r"stash\.db"):
        stash.of("a").put("text")


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own limit on a file's pages stands for the disk's."""
    stash = Stash(tmp_path / "stash.db")
    prepare = stash_file.File._prepare

    def small(self: stash_file.File, db: sqlite3.Connection) -> None:
        prepare(self, db)
        db.execute("PRAGMA max_page_count = 20")

    monkeypatch.setattr(stash_file.File, "_prepare", small)
    with pytest.raises(StashFull, match="make room"):
        stash.of("a").put("x" * 10**6)
    assert stash.of("a").has(stash.of("a").put("small"))
