"""`shoestring eval trim`: figures on a screen and in a file."""

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shoestring.cli.main import app

runner = CliRunner()


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    rows = [
        {
            "id": f"{set_name}-{i}",
            "question": f"Who built engine number {i}?",
            "answers": [f"Person{i}"],
            "passages": [
                {"id": "a", "title": "E", "text": f"Engine number {i} was built by Person{i}.",
                 "gold": True},
                {"id": "b", "title": "C", "text": "Cats sleep all day and all night long. " * 3,
                 "gold": False},
            ],
            "meta": {"extractive": set_name == "one"},
        }
        for set_name in ("one", "two")
        for i in range(4)
    ]  # fmt: skip
    for set_name in ("one", "two"):
        folder = tmp_path / set_name
        folder.mkdir()
        with gzip.open(folder / "dev.jsonl.gz", "wt") as out:
            out.writelines(json.dumps(r) + "\n" for r in rows if r["id"].startswith(set_name))  # type: ignore[attr-defined]  # pyright: ignore - ids are strings
    return tmp_path


def test_rows_and_table(suite: Path) -> None:
    """A row for each set, budget and method; null where a figure does not apply."""
    out = suite / "rows.json"
    args = ["eval", "trim", str(suite), "--budgets", "50%,20", "--limit", "3", "--json", str(out)]
    result = runner.invoke(app, args)
    assert result.exit_code == 0, result.stderr
    rows = json.loads(out.read_text())
    assert [(r["set"], r["budget"], r["method"]) for r in rows] == [
        (name, budget, method)
        for name in ("one", "two")
        for budget in ("50%", "20")
        for method in ("trim", "bm25")
    ]
    assert set(rows[0]) == {
        "set", "method", "budget", "items", "answer_recall", "gold_recall", "interval", "oracle",
        "gold_oracle", "tokens_used", "tokens_limit", "over_budget", "ms_per_query",
    }  # fmt: skip
    assert {r["items"] for r in rows} == {3}
    assert {r["over_budget"] for r in rows} == {0}
    assert rows[0]["answer_recall"] == 1.0
    assert rows[-1]["answer_recall"] is None
    assert rows[-1]["interval"] is not None
    assert "answers" in result.stdout
    assert "…" not in result.stdout
    assert all(len(line.rstrip()) <= 80 for line in result.stdout.splitlines())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--sets", "three"], "no set 'three' in"),
        (["--budgets", "many"], "'many' is no budget"),
        (["--split", "test"], "holds no <set>/test.jsonl.gz"),
        (["--limit", "0"], "--limit must be 1 or more"),
        (["--fill", "some"], "'some' is not one of 'relevant', 'budget'"),
        (["--sets", "../one"], "no set '../one' in"),
        (["--json", "no/such/folder/rows.json"], "rows.json cannot be written"),
    ],
)
def test_bad_input_is_one_line(suite: Path, args: list[str], message: str) -> None:
    """Bad input ends with exit code 2 and one line that says what is wrong."""
    result = runner.invoke(app, ["eval", "trim", str(suite), *args])
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_broken_cases_are_named(suite: Path) -> None:
    """A broken line is named by file and number, without a traceback."""
    with gzip.open(suite / "two" / "dev.jsonl.gz", "at") as out:
        out.write("{broken\n")
    result = runner.invoke(app, ["eval", "trim", str(suite), "--sets", "two"])
    assert result.exit_code == 2
    assert "dev.jsonl.gz, line 5: not a JSON object" in result.stderr


def test_tiers_by_name(suite: Path) -> None:
    """`--tiers` measures with them; a name that is none is refused in one line."""
    arguments = ["eval", "trim", str(suite), "--sets", "one", "--budgets", "20"]
    assert runner.invoke(app, [*arguments, "--tiers", "static"]).exit_code == 0
    wrong = runner.invoke(app, [*arguments, "--tiers", "statik"])
    assert wrong.exit_code == 2
    assert "there is no tier 'statik'" in wrong.stderr
