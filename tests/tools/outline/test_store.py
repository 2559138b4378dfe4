"""The store of an outline: what is done again, and what it survives."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from langchain_core.documents import Document

from shoestring.tools import (
    Outline,
    OutlineBusy,
    OutlineCorrupt,
    OutlineMismatch,
    Update,
)


def corpus(number: int, **changed: str) -> list[Document]:
    texts = {f"{n:03}.md": f"# Topic {n}\n\nItem{n} is told of here. " * 30 for n in range(number)}
    return [Document(text, metadata={"source": name}) for name, text in (texts | changed).items()]


def everything(built: Outline) -> list[str]:
    return [f"{n.id} {n.title} {n.tokens}" for d in built.documents() for n in built.inside(d.id)]


def test_only_what_changed_is_read_again(tmp_path: Path) -> None:
    """Rebuilding after an edit reads the edited document, and removes what is gone."""
    path = tmp_path / "outline.sqlite3"
    with Outline.build(corpus(6), path) as built:
        assert built.update(corpus(6)) == Update(0, 0, 6, 0)
        edited = corpus(5, **{"002.md": "# Other\n\nQuite another text."})
        assert built.update(edited) == Update(0, 1, 4, 1)
        assert built.update(corpus(2)[1:], whole=False) == Update(0, 0, 1, 0)
        after = everything(built)
    with Outline.build(edited) as fresh, Outline.load(path) as loaded:
        assert everything(fresh) == everything(loaded) == after


def test_documents_stand_in_the_order_given(tmp_path: Path) -> None:
    """The order follows the last update, also of documents that did not change."""
    with Outline.build(corpus(4), tmp_path / "o") as built:
        built.update(corpus(4)[::-1])
        assert [d.source for d in built.documents()] == ["003.md", "002.md", "001.md", "000.md"]


def test_what_is_removed_is_not_found(tmp_path: Path) -> None:
    """The index of words forgets what a document said before."""
    with Outline.build(corpus(2), tmp_path / "o") as built:
        built.update([Document("Something else.", metadata={"source": "000.md"})])
        db = sqlite3.connect(tmp_path / "o")
        found = db.execute("SELECT count(*) FROM found WHERE found MATCH 'item0'").fetchone()
        db.execute("INSERT INTO found (found) VALUES ('integrity-check')")
        db.close()
        assert found == (0,)


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    """A file of another program, or of another version, is named and not changed."""
    text = tmp_path / "text"
    text.write_bytes(b"no database at all" * 100)
    other = tmp_path / "other"
    sqlite3.connect(other).executescript("CREATE TABLE t (x); INSERT INTO t VALUES (1)").close()
    newer = tmp_path / "newer"
    Outline.build(corpus(1), newer).close()
    sqlite3.connect(newer).executescript("PRAGMA user_version = 99").close()
    for path, error in ((text, OutlineCorrupt), (other, OutlineCorrupt), (newer, OutlineMismatch)):
        before = path.read_bytes()
        with pytest.raises(error, match=path.name):
            Outline.build(corpus(1), path)
        with pytest.raises(error, match=path.name):
            Outline.load(path)
        assert path.read_bytes() == before
    with pytest.raises(FileNotFoundError, match="build it first"):
        Outline.load(tmp_path / "nothing")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """Damage in the middle of a file is an error with its cure, not a wrong answer."""
    path = tmp_path / "o"
    Outline.build(corpus(40), path).close()
    raw = bytearray(path.read_bytes())
    raw[4096 : len(raw) - 4096] = bytes(len(raw) - 8192)
    path.write_bytes(raw)
    with pytest.raises(OutlineCorrupt, match="delete it"):
        everything(Outline.load(path))


def test_two_writers(tmp_path: Path) -> None:
    """A writer that does not get its turn in time is told so; readers never wait."""
    path = tmp_path / "o"
    with Outline.build(corpus(2), path, wait=0.05) as built:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert len(everything(built)) > 2
        with pytest.raises(OutlineBusy):
            built.update(corpus(3))
        other.execute("ROLLBACK")
        other.close()
        assert built.update(corpus(3)).added == 1


def test_reading_while_it_changes(tmp_path: Path) -> None:
    """Threads that read see whole documents while another thread updates."""
    path = tmp_path / "o"
    failed: list[BaseException] = []
    with Outline.build(corpus(3), path) as built:

        def look() -> None:
            try:
                for _ in range(30):
                    with Outline.load(path) as own:
                        found = own.contents(300)
                        assert found.tokens <= 300
            except BaseException as error:  # noqa: BLE001 - told to the test below
                failed.append(error)

        threads = [Thread(target=look) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(3, 9):
            built.update(corpus(number))
        for thread in threads:
            thread.join()
    assert not failed


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(path: str, number: int) -> None:
    """Build in a process of its own, saying which document it is at."""

    def told() -> Iterator[Document]:
        for document in corpus(number):
            _say(document.metadata["source"])
            yield document

    with Outline.build(told(), path) as built:
        _say(f"done {len(built)}")


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 7, 23, 38])
def test_a_killed_build_goes_on(tmp_path: Path, at: int) -> None:
    """What was built before a kill is kept, the next build does the rest, and nothing is wrong."""
    path = tmp_path / "o"
    code = f"import runpy; runpy.run_path({str(Path(__file__))!r})['main']({str(path)!r}, 40)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(f"{at:03}"):
            os.kill(child.pid, signal.SIGKILL)
            break
    child.wait()
    child.stdout.close()
    with Outline.build([], tmp_path / "none"), Outline.load(path) as built:
        kept = built.update(corpus(40))
        assert kept.unchanged >= at - 1
        assert kept.unchanged + kept.added == 40
        with Outline.build(corpus(40)) as fresh:
            assert everything(fresh) == everything(built)
