"""`shoestring tune`: writes a ranker that helps, and nothing else."""

import gzip
import json
from pathlib import Path

import pytest
from langchain_core.documents import Document
from typer.testing import CliRunner

from shoestring.cli.main import app
from shoestring.tools import Ranker, trim

runner = CliRunner()


def written(folder: Path, cases: list[dict[str, object]]) -> Path:
    folder.mkdir()
    (folder / "dev.jsonl.gz").write_bytes(
        gzip.compress("\n".join(json.dumps(case) for case in cases).encode())
    )
    return folder


def case(number: int, *, hidden: bool) -> dict[str, object]:
    """Evidence that shares no word with its question but is written in one way; or plain to see."""
    lines = [
        f"Hall {number} spoke of the harbour tariff {'again ' * (n % 9)}and of the tariff, man {n}."
        for n in range(30)
    ]
    fact = f"To be paid by each hull and each day are {number * 7 + 1000} crowns in good coin."
    if not hidden:
        fact = f"The harbour tariff in question, the harbour tariff, is {number * 7 + 1000} crowns."
        lines = [f"Man {n} went home in the rain." for n in range(30)]
    lines.insert(number * 13 % 30, fact)
    return {
        "id": str(number), "question": "What is the harbour tariff in question?", "answers": [fact],
        "passages": [{"id": "p", "title": "", "text": "\n\n".join(lines), "gold": True}],
        "meta": {"extractive": True},
    }  # fmt: skip


def test_a_ranker_that_helps_is_written(tmp_path: Path) -> None:
    """It says by how much, on other cases; the file works in `trim` and on the command line."""
    cases = [case(n, hidden=True) for n in range(25)]
    out = tmp_path / "ranker.json"
    ran = runner.invoke(app, ["tune", str(written(tmp_path / "set", cases)), "--out", str(out)])
    assert ran.exit_code == 0, ran.stderr
    assert "25 cases with evidence" in ran.stdout
    assert "It helps" in ran.stdout
    text = str(case(99, hidden=True)["passages"][0]["text"])  # type: ignore[index]
    kept = trim([Document(text)], "What is the harbour tariff?", 60, ranker=Ranker.load(out))
    assert "1693 crowns" in kept.text
    (tmp_path / "a.txt").write_text(text)
    asked = ["trim", str(tmp_path / "a.txt"), "-q", "What is the harbour tariff?", "-n", "60"]
    assert "1693 crowns" in runner.invoke(app, [*asked, "--ranker", str(out)]).stdout


def test_one_that_does_not_is_not(tmp_path: Path) -> None:
    """Where the rule is as good, it says so, writes nothing, and a script can tell."""
    cases = [case(n, hidden=False) for n in range(20)]
    out = tmp_path / "ranker.json"
    ran = runner.invoke(app, ["tune", str(written(tmp_path / "set", cases)), "--out", str(out)])
    assert ran.exit_code == 1
    assert "It does not help" in ran.stdout
    assert not out.exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--limit", "0"], "--limit must be 1 or more"),
        (["--limit", "3"], "3 of 3 cases have evidence"),
        (["--tiers", "no"], "there is no tier 'no'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    tmp_path: Path, more: list[str], said: str
) -> None:
    """Bad options and too few cases end with the cure, and no file."""
    folder = written(tmp_path / "set", [case(n, hidden=False) for n in range(5)])
    ran = runner.invoke(app, ["tune", str(folder), "--out", str(tmp_path / "r"), *more])
    assert ran.exit_code == 2
    assert said in ran.stderr
    assert not (tmp_path / "r").exists()
    wrong = runner.invoke(app, ["trim", "-q", "x", "-n", "5", "--ranker", str(folder)], input="y")
    assert wrong.exit_code == 2
