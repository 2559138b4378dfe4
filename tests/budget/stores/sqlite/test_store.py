"""A ledger file: many processes, killed at any point, and every way a file can be wrong."""

from __future__ import annotations

import pickle
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shoestring.budget import (
    Amount,
    Budget,
    BudgetBusy,
    Ledger,
    LedgerNotFound,
    SQLiteStore,
    StoreCorrupt,
    StoreError,
    StoreForeign,
    StoreFull,
    StoreLocked,
    StoreTooNew,
    StoreUnavailable,
)
from shoestring.budget.stores.sqlite.schema import APPLICATION_ID, STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = 60.0


def tokens(count: int) -> Amount:
    return Amount(input_tokens=count)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledgers.db"


def script(code: str, *args: object) -> subprocess.Popen[str]:
    """Start a process of its own that runs `code`."""
    head = "import os, sys\nfrom shoestring.budget import *\n"
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", head + code, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def output(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=LONG)
    assert process.returncode == 0
    return out.strip()


# Processes (what files and servers have in common: test_processes.py)


def test_a_fork_that_python_does_not_know_of_is_refused(path: Path) -> None:
    """A connection carried across a fork would lose its locks: it is refused, with the cure."""
    store = SQLiteStore(path)
    ledger = Ledger(Budget(tokens=100), store=store)
    store.session._pid += 1  # what a fork by a C program, such as a web server, leaves behind
    with pytest.raises(StoreUnavailable, match="create the SQLiteStore in the process"):
        ledger.reserve(tokens(1))
    store.session._pid -= 1
    assert ledger.held == Amount()


def test_an_owner_that_cannot_be_known_keeps_its_lease(path: Path) -> None:
    """Another boot, another pid namespace or no name at all: only the lease decides."""
    ledger = Ledger(Budget(tokens=100), id="root", store=SQLiteStore(path))
    ledger.reserve(tokens(10))
    for owner in ("", "elsewhere/pid:[1] 1 1", "nonsense"):
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE entry SET owner = ?", (owner,))
        assert SQLiteStore(path).ledger("root").held == tokens(10)


def test_a_reused_pid_is_another_process(path: Path) -> None:
    """The owner is known by when it started, too: a process of the same pid is not taken for it."""
    ledger = Ledger(Budget(tokens=100), id="root", store=SQLiteStore(path))
    ledger.reserve(tokens(10))
    with closing(sqlite3.connect(path)) as db, db:
        (owner,) = db.execute("SELECT owner FROM entry").fetchone()
        place, pid, start = owner.split(" ")
        db.execute("UPDATE entry SET owner = ?", (f"{place} {pid} {int(start) + 1}",))
    assert SQLiteStore(path).ledger("root").spent == tokens(10)


# What a file can be

READ_ONLY = """
if os.getuid() == 0:
    os.setuid(65534)
try:
    SQLiteStore(sys.argv[1]).ledger("root").reserve(Amount(1))
except StoreReadOnly as error:
    print(error)
"""


def test_a_read_only_file_is_named() -> None:
    """A file that may not be written to is StoreReadOnly, with the cure, and stays as it is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = SQLiteStore(folder / "ledgers.db")
        Ledger(Budget(tokens=100), id="root", store=store)
        store.close()
        before = store.path.read_bytes()
        store.path.chmod(0o444)
        folder.chmod(0o555)
        try:
            # Another user has no right to look into the folder of the interpreter, either.
            said = output(
                script("import shoestring.budget.stores.rows, sqlite3\n" + READ_ONLY, store.path)
            )
        finally:
            folder.chmod(0o755)
        assert "allow this user to write to the file and to its folder" in said
        assert store.path.read_bytes() == before


def test_a_full_disk_is_named_and_loses_nothing(path: Path) -> None:
    """When the disk is full a step fails as a whole, and works again when there is room."""
    store = SQLiteStore(path)
    ledger = Ledger(Budget(tokens=10**6), id="root", store=store)
    hold = ledger.reserve(tokens(5))
    db = store.session._db
    assert db is not None
    db.execute("PRAGMA max_page_count = 1")  # SQLite's own "disk is full"
    with pytest.raises(StoreFull, match="make room and try again"):
        ledger.note("plan", "x" * 100_000)
    with pytest.raises(StoreFull):
        for _ in range(10_000):
            ledger.reserve(tokens(1), what="y" * 1_000)
    held = ledger.held
    db.execute("PRAGMA max_page_count = 1000000")
    assert SQLiteStore(path).ledger("root").held == held
    hold.settle(tokens(4))
    assert (ledger.spent, ledger.held) == (tokens(4), Amount(held.input_tokens - 5))


def test_a_step_that_fails_leaves_the_objects_as_they_were(path: Path) -> None:
    """What a failed step has changed in memory is undone: hold, ledger and file agree."""
    store = SQLiteStore(path)
    ledger = Ledger(Budget(tokens=100), store=store)
    hold = ledger.reserve(tokens(5))
    db = store.session._db
    assert db is not None
    db.execute(
        "CREATE TEMP TRIGGER stop BEFORE UPDATE ON entry BEGIN SELECT RAISE(FAIL, 'stop'); END"
    )
    steps: list[Callable[[], None]] = [
        lambda: hold.settle(tokens(3)),
        lambda: hold.extend(tokens(3)),
        hold.dispatching,
    ]
    for step in steps:
        with pytest.raises(StoreError):
            step()
        assert (hold._record.state, hold.bound) == ("reserved", tokens(5))
    db.execute("DROP TRIGGER stop")
    assert (ledger.held, ledger.spent) == (tokens(5), Amount())
    hold.settle(tokens(3))
    assert (ledger.held, ledger.spent) == (Amount(), tokens(3))


def test_an_interrupt_between_two_steps_blocks_no_later_one(path: Path) -> None:
    """A transaction that nobody finished, because of Ctrl-C, is rolled back by the next step."""
    store = SQLiteStore(path)
    ledger = Ledger(Budget(tokens=100), store=store)
    assert store.session._begin(last=True)
    ledger.reserve(tokens(5)).settle(tokens(3))
    assert SQLiteStore(path).ledger(ledger.id).spent == tokens(3)


def test_a_locked_file_is_named(path: Path) -> None:
    """A file that another program keeps locked is StoreLocked, after `patience` seconds."""
    Ledger(Budget(tokens=100), id="root", store=SQLiteStore(path))
    ledger = SQLiteStore(path, patience=0).ledger("root")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLocked, match="locked for 0 seconds"):
            ledger.reserve(tokens(1))
        other.execute("ROLLBACK")
    ledger.reserve(tokens(1))


def test_a_damaged_file_is_named(path: Path) -> None:
    """Pages of noise, and rows of nonsense, are StoreCorrupt: never a cap of zero, or of none."""
    store = SQLiteStore(path)
    Ledger(Budget(tokens=100), id="root", store=store)
    store.close()
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xa5" * (len(data) - 4096))
    with pytest.raises(StoreCorrupt, match="it is damaged: keep a copy"):
        SQLiteStore(path).ledger("root")


@pytest.mark.parametrize("state", ["", "[]", "nonsense", '{"a": 1}', "[1,2,3]", "7", "null"])
@pytest.mark.parametrize("table", ["ledger", "entry"])
def test_a_row_of_nonsense_is_named(path: Path, table: str, state: str) -> None:
    """A row that makes no sense is StoreCorrupt, not another budget."""
    store = SQLiteStore(path)
    Ledger(Budget(tokens=100), id="root", store=store).reserve(tokens(1))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE {table} SET state = ?", (state,))
    with pytest.raises(StoreCorrupt, match="rows that make no sense"):
        _ = SQLiteStore(path).ledger("root").receipt


def test_a_file_of_another_program_is_left_alone(path: Path) -> None:
    """Another program's database, and a file that is none, are StoreForeign and not touched."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE ledger (theirs TEXT)")
    text = path.with_name("notes.txt")
    text.write_text("no database at all, but long enough to be looked at" * 99, encoding="utf-8")
    for file in (path, text):
        before = file.read_bytes()
        with pytest.raises(StoreForeign, match="choose another path"):
            SQLiteStore(file)
        assert file.read_bytes() == before


def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    """A newer schema is StoreTooNew, with the cure, and not touched."""
    SQLiteStore(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match="upgrade shoestring"):
        SQLiteStore(path)
    assert path.read_bytes() == before


OLDER = """
INSERT INTO ledger (key, id, root, parent, name, budget, set_aside, seen, seq, state) VALUES
    (1, 'root', NULL, NULL, 'budget', '[1000000,null,null,60.0,[3,4,0,1]]', 0, 1000.5, 4,
    '[1007,2,100000000000000000030,1,10,0,0,0,1,1,false,null,[0.0,1000.5],[0,0,[0,0,0],[0,0,0]]]'),
    (2, 'aside', 1, 1, 'run', '[10,null,null,null,0]', 1, 1000.5, 0,
    '[0,0,0,0,0,0,0,0,3,2,true,null,[5.0,null],null]');
INSERT INTO entry (root, seq, ledger, deadline, owner, state) VALUES
    (1, 2, 1, NULL, NULL, '[0,"n","r","work","call",[9,9,9,1],[9,9,9,1],600.0,1600.5,null,'
    || '"settled",true,false,[[7,2,30,1],"measured","d"]]'),
    (1, 3, 1, 1e12, '', '[0,"","","work","call",[10,0,0,0],[10,0,0,0],1e9,1e12,null,'
    || '"reserved",false,false,null]'),
    (1, 4, 1, NULL, NULL, '[1,"n","r","plan","a note",3]');
"""


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_an_older_version_is_migrated(path: Path, version: int) -> None:
    """An older schema is brought up to date where it stands, with all that is in it."""
    with closing(sqlite3.connect(path)) as db, db:
        for step in STEPS[:version]:
            for statement in step:
                db.execute(statement)
        db.executescript(OLDER)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {version}")
    store = SQLiteStore(path, clock=lambda: 1_010.5)
    root, aside = store.ledger("root"), store.ledger("aside")
    assert (root.spent, root.held) == (Amount(1_007, 2, 2**63 - 1, 1), tokens(10))
    assert (root.elapsed, root.affordable().tokens) == (10, 1_000_000 - 1_009 - 10 - 7)
    assert [(line.node, line.spent, line.detail) for line in root.receipt.lines] == [
        ("n", Amount(7, 2, 30, 1), "d"),
        ("", Amount(), "still held"),
        ("n", Amount(), "a note"),
    ]
    assert (aside.remaining.tokens, aside.elapsed, aside.renews_at) == (10, 5, None)
    assert aside.reserve(tokens(4)).bound == tokens(6)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


def test_each_step_of_the_schema_leads_to_the_next(path: Path) -> None:
    """A file of every older schema, empty, becomes a current one."""
    for version in range(len(STEPS)):
        file = path.with_name(f"v{version}.db")
        with closing(sqlite3.connect(file)) as db, db:
            for step in STEPS[:version]:
                for statement in step:
                    db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID if version else 0}")
            db.execute(f"PRAGMA user_version = {version}")
        Ledger(Budget(tokens=1), store=SQLiteStore(file)).reserve(tokens(1)).release()


@pytest.mark.parametrize("where", ["missing/ledgers.db", "."])
def test_a_path_that_cannot_be_a_file_is_named(tmp_path: Path, where: str) -> None:
    """A missing folder, or a folder for a file, is StoreUnavailable with the path."""
    with pytest.raises(StoreUnavailable, match="see that its folder exists"):
        SQLiteStore(tmp_path / where)


@pytest.mark.parametrize(
    "options", [{"durability": "sometimes"}, {"patience": -1}, {"patience": float("nan")}]
)
def test_bad_options_are_refused(path: Path, options: dict[str, Any]) -> None:
    """An unknown durability or a negative patience is a ValueError; no file is made."""
    with pytest.raises(ValueError):
        SQLiteStore(path, **options)
    assert not path.exists()


@pytest.mark.parametrize("name", ["", ":memory:"])
def test_a_database_without_a_file_is_refused(name: str) -> None:
    """A private database of one connection would lose what it is told: MemoryStore is meant."""
    with pytest.raises(ValueError, match="MemoryStore"):
        SQLiteStore(name)


@pytest.mark.parametrize(("durability", "level"), [("normal", 1), ("full", 2)])
def test_durability_is_what_the_file_is_written_with(
    path: Path, durability: Any, level: int
) -> None:
    """WAL in both; "full" waits for the disk at each step, also after pickling."""
    store = pickle.loads(pickle.dumps(SQLiteStore(path, durability=durability)))
    db = store.session._db
    assert db.execute("PRAGMA synchronous").fetchone() == (level,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_relative_path_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changing the working directory, or pickling, does not start another file."""
    monkeypatch.chdir(tmp_path)
    ledger = Ledger(Budget(tokens=9), id="root", store=SQLiteStore("ledgers.db"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    pickle.loads(pickle.dumps(ledger)).reserve(tokens(1))
    assert ledger.held == tokens(1)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_discarded_ledger_refuses_its_old_handles(path: Path) -> None:
    """A hold of a deleted tree cannot be settled into nothing: it says what has become of it."""
    store = SQLiteStore(path)
    ledger = Ledger(Budget(tokens=9), id="root", store=store)
    hold = ledger.reserve(tokens(1))
    store.discard("root")
    for use in (lambda: hold.settle(tokens(1)), lambda: ledger.reserve(tokens(1))):
        with pytest.raises(LedgerNotFound):
            use()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM entry").fetchone() == (0,)


def test_a_finaliser_in_the_middle_of_a_step_comes_after_it(path: Path) -> None:
    """Leaving a hold from inside a step, as a garbage collector may, neither deadlocks nor is lost."""
    store = SQLiteStore(path)
    ledger, other = (Ledger(Budget(tokens=100), store=store) for _ in range(2))
    hold = other.reserve(tokens(10))

    def interrupted(_now: float, _account: object) -> None:
        hold.settle(tokens(4))
        with pytest.raises(BudgetBusy, match="finaliser"):
            other.reserve(tokens(1))

    ledger._tree.run(interrupted, ledger._origin.account)
    assert (other.spent, other.held) == (tokens(4), Amount())
