"""Looking at a ledger file: whoever uses it, whatever it is, it stays as it was."""

from __future__ import annotations

import os
import pickle
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shoestring.budget import (
    Amount,
    Budget,
    Ledger,
    SQLiteStore,
    StoreCorrupt,
    StoreError,
    StoreForeign,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
    open_store,
)
from shoestring.budget.stores.sqlite.schema import APPLICATION_ID, STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = 60.0


def tokens(count: int) -> Amount:
    return Amount(input_tokens=count)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger file that no process has open, with a tree, a hold and a receipt."""
    path = tmp_path / "ledgers.db"
    store = SQLiteStore(path)
    root = Ledger(Budget(tokens=1_000), id="root", store=store)
    run = root.child(id="run")
    run.reserve(tokens(30)).settle(tokens(20))
    run.reserve(tokens(40))
    store.close()
    return path


def folder(path: Path) -> dict[str, bytes]:
    """All that is in the folder of a file."""
    return {found.name: found.read_bytes() for found in path.parent.iterdir()}


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def script(code: str, *args: object) -> subprocess.Popen[str]:
    """Start a process of its own that runs `code`."""
    head = "import os, sys\nfrom shoestring.budget import *\n"
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", head + code, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_nothing_is_left_beside_a_file(path: Path) -> None:
    """A look at a file that nobody uses writes nothing: not in it, not in its folder."""
    before = folder(path)
    store = open_store(path, read_only=True)
    assert [view.spent for view in store.ledgers()] == [tokens(20), tokens(20)]
    assert [hold.bound for hold in store.look("root").holds] == [tokens(40)]
    assert folder(path) == before


def test_a_file_that_may_only_be_read(path: Path) -> None:
    """A file and a folder without permission to write can be looked at."""
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        assert len(open_store(path, read_only=True).ledgers()) == 2
    finally:
        path.parent.chmod(0o755)


def test_an_older_file_is_not_brought_up_to_date(tmp_path: Path) -> None:
    """A file of an earlier schema is read as it is, and stays as it is."""
    path = tmp_path / "older" / "ledgers.db"
    path.parent.mkdir()
    execute(
        path,
        *STEPS[0],
        "INSERT INTO ledger (id, name, budget, set_aside, seen, seq, state) VALUES "
        "('run', 'budget', '[100,null,null,null,0]', 0, 0, 0, "
        "'[7,2,0,1,0,0,0,0,1,1,false,null,[0.0,0.0],null]')",
        f"PRAGMA application_id = {APPLICATION_ID}",
        "PRAGMA user_version = 1",
    )
    before = folder(path)
    (found,) = open_store(path, read_only=True).look("run").ledgers
    assert (found.spent.tokens, found.remaining.tokens) == (9, 91)
    assert folder(path) == before


def test_a_file_in_use(path: Path) -> None:
    """While eight processes spend, each look is of one instant, and disturbs none of them."""
    code = """
run = SQLiteStore(sys.argv[1]).ledger("run")
print("ready", flush=True)
sys.stdin.readline()
spent = 0
for _ in range(20):
    run.reserve(Amount(1)).settle(Amount(1))
    spent += 1
print(spent)
"""
    workers = [script(code, path) for _ in range(8)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    store = open_store(path, read_only=True)
    before = store.look("root").ledgers[0].spent.tokens
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    while any(worker.poll() is None for worker in workers):
        root, run = store.ledgers()
        assert root.spent == run.spent
        assert root.held == run.held
        assert before <= root.spent.tokens
        assert store.look("run").ledgers[0].spent.tokens >= root.spent.tokens
    counts = [int(worker.communicate(timeout=LONG)[0]) for worker in workers]
    # The look was the only one who saw the fixture's hold open: its process lives.
    (hold,) = store.look("run").holds
    assert (hold.bound, hold.gone, hold.pid) == (tokens(40), False, os.getpid())
    assert store.ledgers()[0].spent == tokens(20 + sum(counts))


def test_a_killed_process_is_told_and_not_buried(path: Path) -> None:
    """A hold whose process has ended is shown with it, and charged only when its ledger is used."""
    code = """
SQLiteStore(sys.argv[1]).ledger("run").reserve(Amount(7))
print("held", flush=True)
os.kill(os.getpid(), 9)
"""
    worker = script(code, path)
    worker.communicate(timeout=LONG)
    store = open_store(path, read_only=True)
    mine = store.look("run").holds[0]
    for _ in range(2):
        mine, dead = store.look("run").holds
        assert (mine.gone, dead.gone, dead.pid) == (False, True, worker.pid)
        assert (dead.bound, dead.state) == (tokens(7), "reserved")
    SQLiteStore(path).ledger("run")
    assert [hold.id for hold in store.look("run").holds] == [mine.id]


def test_a_writer_that_comes_while_one_looks(path: Path) -> None:
    """A file that is opened for writing during a look is looked at again, under its locks."""
    store = SQLiteStore(path, read_only=True)
    writers: list[SQLiteStore] = []

    def step(db: sqlite3.Connection) -> int:
        if not writers:
            writers.append(SQLiteStore(path))
            Ledger(Budget(tokens=1), id="new", store=writers[0])
        count: int = db.execute("SELECT count(*) FROM ledger").fetchone()[0]
        return count

    assert store.session.read(step) == 3
    writers[0].close()


def test_a_store_opened_to_look_does_not_spend(path: Path) -> None:
    """What would write is refused with the cure, also by a copy that was pickled."""
    for store in (
        SQLiteStore(path, read_only=True),
        pickle.loads(pickle.dumps(SQLiteStore(path, read_only=True))),
    ):
        for write in (
            lambda store=store: store.ledger("root"),
            lambda store=store: store.discard("root"),
            lambda store=store: Ledger(Budget(tokens=1), store=store),
        ):
            with pytest.raises(StoreReadOnly, match="without read_only=True"):
                write()
    assert len(SQLiteStore(path).ledgers()) == 2


def _diary(path: Path) -> None:
    path.write_text("a diary\n" * 99, encoding="utf-8")


def _foreign(path: Path) -> None:
    execute(path, "CREATE TABLE t (x)")


def _newer(path: Path) -> None:
    execute(path, f"PRAGMA application_id = {APPLICATION_ID}", "PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (Path.exists, StoreUnavailable, "No such file or directory: see that the path"),
        (Path.mkdir, StoreUnavailable, "it is no file"),
        (os.mkfifo, StoreUnavailable, "it is no file"),
        (_diary, StoreForeign, "it is no SQLite file"),
        (_foreign, StoreForeign, "another program"),
        (_newer, StoreTooNew, "upgrade shoestring"),
    ],
)
def test_what_is_no_ledger_file(
    tmp_path: Path, make: Callable[[Path], Any], error: type[StoreError], message: str
) -> None:
    """Each wrong file is named with the cure, and nothing is made, changed or waited for."""
    path = tmp_path / "sub" / "file"
    path.parent.mkdir()
    make(path)
    before = sorted(path.parent.iterdir())
    with pytest.raises(error, match=message):
        open_store(path, read_only=True)
    assert sorted(path.parent.iterdir()) == before


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE ledger SET state = '[1]'",
        "UPDATE ledger SET budget = '{'",
        "UPDATE ledger SET parent = 77 WHERE parent IS NOT NULL",
        "UPDATE entry SET state = 'null'",
    ],
)
def test_rows_that_make_no_sense(path: Path, damage: str) -> None:
    """Damaged rows are a StoreCorrupt with the cure, never a stray error."""
    execute(path, damage)
    store = open_store(path, read_only=True)
    with pytest.raises(StoreCorrupt, match="keep a copy"):
        store.look("run")


def test_a_url_of_no_store() -> None:
    """A URL that no store goes by is refused by its scheme, without the password in it."""
    with pytest.raises(ValueError, match="no store goes by mysql://") as caught:
        open_store("mysql://me:secret@host/db")
    assert "secret" not in str(caught.value)


def test_an_empty_file_has_no_ledgers(tmp_path: Path) -> None:
    """A file that was made and never written to shows nothing, and stays empty."""
    path = tmp_path / "empty.db"
    path.touch()
    assert open_store(path, read_only=True).ledgers() == []
    assert folder(path) == {"empty.db": b""}
