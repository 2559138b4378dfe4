"""A store of ledgers in a terminal: whole, in columns, and unmoved by what stands in it."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from inline_snapshot import snapshot
from rich.cells import cell_len
from rich.console import Console

from shoestring.budget import Amount, Budget, Ledger, MemoryStore, SQLiteStore
from shoestring.cli.accounts import show_ledgers, show_look

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PID = 812


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def call(ledger: Ledger, node: str, route: str, bound: Amount, actual: Amount) -> None:
    with ledger.at(node=node, route=route).reserve(bound, what="gpt-4o-mini") as hold:
        hold.dispatching()
        hold.settle(actual)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    """An organisation with tenants and runs: open, paused and closed, capped and grouping."""
    store = MemoryStore(clock=clock)
    acme = Ledger(Budget(tokens=100_000, usd=5), name="organisation", id="acme", store=store)
    seven = acme.child(Budget(tokens=60_000, usd=3, calls=200), name="tenant", id="tenant-7")
    run = seven.child(Budget(tokens=8_000, seconds=60), name="run", id="7/run-1", set_aside=True)
    run.at(route="direct").note("trim", "315 of 400 tokens of room used", dropped=31)
    call(run, "answer", "direct", Amount(1_200, 300, 410_000, 1), Amount(1_180, 90, 310_000, 1))
    clock.now = 12.5
    run.pause()
    group = seven.child(name="nightly", id="3f2a77aa-1c2d-4e5f-8a9b-001122334455")
    call(
        group, "research", "deep", Amount(12_000, 3_000, 8_410_000, 1), Amount(11_200, 2_410, 0, 1)
    )
    seven.at(node="answer").reserve(Amount(1_300, 400, 520_000, 1), what="gpt-4o").dispatching()
    run.reserve(Amount(50), lease=100)
    eight = acme.child(Budget(tokens=2_000_000_000_000), name="tenant", id="tenant-8")
    eight.child(Budget(tokens=100), name="run").close()
    return store


def shown(show: Callable[[Console], None], width: int) -> str:
    """What stands on the screen, without the blanks that rich pads lines with."""
    output = StringIO()
    show(Console(file=output, width=width, color_system=None, highlight=False))
    lines = [line.rstrip() for line in output.getvalue().splitlines()]
    assert all(cell_len(line) <= width for line in lines)
    return "\n".join(lines) + "\n"


def without_uuid(store: MemoryStore) -> list[Any]:
    return [replace(view, id="8/run-1") if view.closed else view for view in store.ledgers()]


def test_trees_at_80(store: MemoryStore) -> None:
    """Each ledger with its state, and a line for each cap: bar, spent, held, remaining, limit."""
    views = without_uuid(store)
    assert shown(lambda console: show_ledgers(console, "ledgers.db", views), 80) == snapshot("""\
6 ledgers in ledgers.db
                                         spent      held  remaining        limit

organisation  acme  open
│  tokens         ━━━┅┅╌╌╌╌╌╌╌╌╌╌╌╌╌    14,880     8,430     76,690      100,000
│  usd            ━┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  $0.00031  $0.00052   $4.99917        $5.00
│  calls                                     2         1                  no cap
├─ tenant  tenant-7  open
│  │  tokens      ━━━━┅┅┅╌╌╌╌╌╌╌╌╌╌╌    14,880     8,430     36,690       60,000
│  │  usd         ━┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  $0.00031  $0.00052   $2.99917        $3.00
│  │  calls       ━┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌         2         1        197          200
│  ├─ run  7/run-1  set aside  paused
│  │     tokens   ━━━┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌     1,270        50      6,680        8,000
│  │     usd                          $0.00031     $0.00                  no cap
│  │     calls                               1         0                  no cap
│  │     seconds  ━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌      12.5                 47.5         60.0
│  └─ nightly  3f2a77aa-1c2d-4e5f-8a9b-001122334455  open
│        tokens                         13,610         0                  no cap
│        calls                               1         0                  no cap
└─ tenant  tenant-8  open
   │  tokens      ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌         0         0     76,690↑  2,000,000M
   └─ run  8/run-1  closed: ledger 'run' was closed
         tokens   ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌         0         0        100          100

↑ bound by what a ledger above has left
""")


def test_trees_at_120(store: MemoryStore) -> None:
    """Where there is room, the bars grow, and then nothing does."""
    views = without_uuid(store)
    assert shown(lambda console: show_ledgers(console, "ledgers.db", views), 120) == snapshot("""\
6 ledgers in ledgers.db
                                                     spent      held  remaining        limit

organisation  acme  open
│  tokens         ━━━━┅┅┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌    14,880     8,430     76,690      100,000
│  usd            ━┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  $0.00031  $0.00052   $4.99917        $5.00
│  calls                                                 2         1                  no cap
├─ tenant  tenant-7  open
│  │  tokens      ━━━━━━━┅┅┅┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌    14,880     8,430     36,690       60,000
│  │  usd         ━┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  $0.00031  $0.00052   $2.99917        $3.00
│  │  calls       ━┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌         2         1        197          200
│  ├─ run  7/run-1  set aside  paused
│  │     tokens   ━━━━━┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌     1,270        50      6,680        8,000
│  │     usd                                      $0.00031     $0.00                  no cap
│  │     calls                                           1         0                  no cap
│  │     seconds  ━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌      12.5                 47.5         60.0
│  └─ nightly  3f2a77aa-1c2d-4e5f-8a9b-001122334455  open
│        tokens                                     13,610         0                  no cap
│        calls                                           1         0                  no cap
└─ tenant  tenant-8  open
   │  tokens      ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌         0         0     76,690↑  2,000,000M
   └─ run  8/run-1  closed: ledger 'run' was closed
         tokens   ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌         0         0        100          100

↑ bound by what a ledger above has left
""")


def look(store: MemoryStore, clock: Clock, console: Console) -> None:
    clock.now += 150
    found = store.look("tenant-7", lines=3)
    holds = tuple(replace(hold, pid=PID, gone=hold.what == "call") for hold in found.holds)
    show_look(console, replace(found, holds=holds))


def test_a_ledger_at_80(store: MemoryStore, clock: Clock) -> None:
    """What is above and below it, what is held and by whom, and the newest lines."""
    assert shown(lambda console: look(store, clock, console), 80) == snapshot("""\
below acme
                                             spent      held  remaining    limit

tenant  tenant-7  open
│  tokens      ━━━━━━┅┅┅┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌    14,880     8,430     36,690   60,000
│  usd         ━┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  $0.00031  $0.00052   $2.99917    $3.00
│  calls       ━┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌         2         1        197      200
├─ run  7/run-1  set aside  paused
│     tokens   ━━━━┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌     1,270        50      6,680    8,000
│     usd                                 $0.00031     $0.00              no cap
│     calls                                      1         0              no cap
│     seconds  ━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌      12.5                 47.5     60.0
└─ nightly  3f2a77aa-1c2d-4e5f-8a9b-001122334455  open
      tokens                                13,610         0              no cap
      calls                                      1         0              no cap

2 open holds              keeps    age  lease  state       process
tenant-7
  answer gpt-4o  1,700 $0.00052  2 min  7 min  dispatched  812
7/run-1
  call                       50  2 min  ended  reserved    812 ended
What nobody answers for is charged in full when its ledger is next used.

receipt            reserved   spent
deep
  research  15,000 $0.00841  13,610  gpt-4o-mini, measured; in
                                     3f2a77aa-1c2d-4e5f-8a9b-001122334455
no route
  answer     1,700 $0.00052          gpt-4o, presumed; still held
  call                   50          call, presumed; still held; in 7/run-1
The last 3 of 5 lines: see --lines.
""")


def test_a_ledger_at_120(store: MemoryStore, clock: Clock) -> None:
    """Where there is room, a line of the receipt is one line."""
    assert shown(lambda console: look(store, clock, console), 120) == snapshot("""\
below acme
                                                  spent      held  remaining    limit

tenant  tenant-7  open
│  tokens      ━━━━━━━┅┅┅┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌    14,880     8,430     36,690   60,000
│  usd         ━┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  $0.00031  $0.00052   $2.99917    $3.00
│  calls       ━┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌         2         1        197      200
├─ run  7/run-1  set aside  paused
│     tokens   ━━━━━┅╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌     1,270        50      6,680    8,000
│     usd                                      $0.00031     $0.00              no cap
│     calls                                           1         0              no cap
│     seconds  ━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌      12.5                 47.5     60.0
└─ nightly  3f2a77aa-1c2d-4e5f-8a9b-001122334455  open
      tokens                                     13,610         0              no cap
      calls                                           1         0              no cap

2 open holds              keeps    age  lease  state       process
tenant-7
  answer gpt-4o  1,700 $0.00052  2 min  7 min  dispatched  812
7/run-1
  call                       50  2 min  ended  reserved    812 ended
What nobody answers for is charged in full when its ledger is next used.

receipt            reserved   spent
deep
  research  15,000 $0.00841  13,610  gpt-4o-mini, measured; in 3f2a77aa-1c2d-4e5f-8a9b-001122334455
no route
  answer     1,700 $0.00052          gpt-4o, presumed; still held
  call                   50          call, presumed; still held; in 7/run-1
The last 3 of 5 lines: see --lines.
""")


def test_a_deep_tree_fits_the_screen() -> None:
    """A tree of any depth is drawn within the width, its figures whole."""
    ledger = Ledger(Budget(tokens=100), id="root", store=(store := MemoryStore()))
    for depth in range(40):
        ledger = ledger.child(Budget(tokens=77), name="x" * 50, id=f"run-{depth}")
    text = shown(lambda console: show_ledgers(console, "deep.db", store.ledgers()), 80)
    assert text.count(" 77") == 80


HOSTILE = "[red]a[/red]\x1b[31m\x07\u202e\n" + "漢" * 200


def test_hostile_names_are_shown_as_text() -> None:
    """Markup, control characters, line ends and endless names neither style, move nor fill a screen."""
    ledger = Ledger(Budget(tokens=100), id=HOSTILE, name=HOSTILE, store=(store := MemoryStore()))
    ledger.at(node=HOSTILE, route=HOSTILE).note(HOSTILE, HOSTILE)
    ledger.at(node=HOSTILE, route=HOSTILE).reserve(Amount(9), what=HOSTILE)
    text = shown(lambda console: show_look(console, store.look(HOSTILE)), 80)
    text += shown(lambda console: show_ledgers(console, HOSTILE, store.ledgers()), 400)
    assert "[red]a[/red]" in text
    assert text.replace("\n", "").isprintable()
    assert len(text) < 3_000


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SQLiteStore:
    """A ledger file in the working directory."""
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore("ledgers.db")
    root = Ledger(Budget(tokens=1_000), name="tenant", id="tenant-7", store=store)
    run = root.child(Budget(calls=5), id="tenant-7/run-1")
    run.at(node="n", route="r").reserve(Amount(30, 0, 0, 1)).settle(Amount(20, 0, 0, 1))
    run.note("plan", "a note", dropped=2)
    run.reserve(Amount(7, 0, 5, 1), what="w")
    return store


@pytest.mark.usefixtures("file")
def test_the_command_prints_trees(run: Callable[..., Any]) -> None:
    """A path alone lists all ledgers; an id shows one, with its holds and its receipt."""
    ran = run("ledger", "ledgers.db")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.startswith("2 ledgers in ledgers.db\n")
    ran = run("ledger", "ledgers.db", "tenant-7/run-1", "--lines", "1")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.startswith("below tenant-7\n")
    assert "1 open hold " in ran.stdout
    assert "The last 1 of 3 lines: see --lines." in ran.stdout


def told(part: Any) -> Any:
    """Write each amount in a line: what it holds is asserted once."""
    if isinstance(part, dict) and "input_tokens" in part:
        return f"{part['tokens']} tokens, {part['calls']} calls"
    if isinstance(part, dict):
        return {key: told(value) for key, value in part.items()}
    return [told(one) for one in part] if isinstance(part, list) else part


@pytest.mark.usefixtures("file")
def test_json_is_one_document(run: Callable[..., Any]) -> None:
    """`--json` prints one object of a stable schema: every ledger, hold and line with all figures."""
    ran = run("ledger", "ledgers.db", "--json")
    found = json.loads(ran.stdout)
    assert (found["schema"], found["store"]) == (1, "ledgers.db")
    assert [view["id"] for view in found["ledgers"]] == ["tenant-7", "tenant-7/run-1"]
    ran = run("ledger", "ledgers.db", "tenant-7/run-1", "--json", "--lines", "2")
    found = json.loads(ran.stdout)
    (view,), (hold,) = found["ledgers"], found["holds"]
    for times in (view, hold):
        for name in ("elapsed", "age", "lease_left", "pid"):
            times.pop(name, None)
    assert view["held"] == snapshot(
        {"tokens": 7, "input_tokens": 7, "output_tokens": 0, "usd": 5e-09, "calls": 1}
    )
    assert told(found) == snapshot(
        {
            "schema": 1,
            "store": "ledgers.db",
            "above": ["tenant-7"],
            "ledgers": [
                {
                    "id": "tenant-7/run-1",
                    "name": "child",
                    "parent": "tenant-7",
                    "depth": 1,
                    "set_aside": False,
                    "state": "open",
                    "closed": None,
                    "limit": {"tokens": None, "usd": None, "calls": 5, "seconds": None},
                    "spent": "20 tokens, 1 calls",
                    "held": "7 tokens, 1 calls",
                    "remaining": {"tokens": 973, "usd": None, "calls": 3, "seconds": None},
                }
            ],
            "holds": [
                {
                    "id": "tenant-7/run-1:3",
                    "node": "",
                    "route": "",
                    "what": "w",
                    "state": "reserved",
                    "bound": "7 tokens, 1 calls",
                    "gone": False,
                }
            ],
            "receipt": {
                "left_out": 1,
                "lines": [
                    {
                        "hold": "",
                        "node": "",
                        "route": "",
                        "what": "plan",
                        "reserved": "0 tokens, 0 calls",
                        "spent": "0 tokens, 0 calls",
                        "basis": "measured",
                        "detail": "a note",
                        "dropped": 2,
                    },
                    {
                        "hold": "tenant-7/run-1:3",
                        "node": "",
                        "route": "",
                        "what": "w",
                        "reserved": "7 tokens, 1 calls",
                        "spent": "0 tokens, 0 calls",
                        "basis": "presumed",
                        "detail": "still held",
                        "dropped": 0,
                    },
                ],
            },
        }
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["ledgers.db", "tenant-8"], "no ledger 'tenant-8' in this store: did you mean 'tenant-7'"),
        (["ledgers.db", "tenant-7/"], "did you mean 'tenant-7/run-1'?"),
        (["ledgers.db", "\x1b[31m"], "no ledger '\ufffd[31m' in this store: `shoestring ledger"),
        (["missing.db"], "missing.db: No such file or directory: see that the path is right"),
        (["."], "it is no file"),
        (["redis+x://me:secret@host"], "no store goes by redis+x://"),
        (["ledgers.db", "--lines", "-1"], "Invalid value for '--lines'"),
        ([], "Missing argument 'PATH_OR_URL'"),
    ],
)
@pytest.mark.usefixtures("file")
def test_bad_input_is_one_line(run: Callable[..., Any], args: list[str], message: str) -> None:
    """What is missing or misspelt is said on one line, with the cure, and creates nothing."""
    ran = run("ledger", *args)
    assert (ran.exit_code, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert message in line
    assert "secret" not in line
