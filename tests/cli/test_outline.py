"""`shoestring outline`: a rough look at files, and a closer one."""

import json
from pathlib import Path

import pytest
from inline_snapshot import snapshot
from typer.testing import CliRunner

from shoestring.cli.main import app

runner = CliRunner()

TEXT = "# Birds\n\nThe heron nests in colonies near lakes.\n\n# Boats\n\nThe ferry leaves the pier at dawn."


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("notes.md").write_text(TEXT, encoding="utf-8")
    return Path("notes.md")


def test_a_rough_look(notes: Path) -> None:
    """The table of contents on stdout, figures on stderr."""
    result = runner.invoke(app, ["outline", str(notes), "--tokens", "120"])
    assert result.stdout == snapshot(
        """\
[czywngi64x] Birds (23 tokens): colonies, dawn, ferry, heron, boats, pier
  [jrkrgz23ce] passage (12 tokens): # Birds The heron nests in colonies near lakes.
  [s7ael54vhh] Boats (11 tokens): dawn, ferry, pier, leaves
"""
    )
    assert result.stderr == snapshot("71 of 120 tokens; 3 parts shown, 1 not\n")


def test_a_closer_look(notes: Path) -> None:
    """Parts of a part, its text, and both as JSON."""
    shown = json.loads(runner.invoke(app, ["outline", str(notes), "--json"]).stdout)
    assert set(shown) == {"text", "tokens", "limit", "hidden", "nodes"}
    boats = next(node["id"] for node in shown["nodes"] if node["title"] == "Boats")
    result = runner.invoke(app, ["outline", str(notes), "--open", boats, "-n", "30"])
    assert result.stdout == snapshot(
        "Birds > Boats\n# Boats\n\nThe ferry leaves the pier at dawn.\n"
    )
    result = runner.invoke(app, ["outline", str(notes), "--open", boats, "-n", "5", "--json"])
    opened = json.loads(result.stdout)
    assert opened["tokens"] <= 5
    assert opened["rest"] is not None
    result = runner.invoke(app, ["outline", str(notes), "--under", boats])
    assert "passage" in result.stdout


def test_a_stored_outline(notes: Path) -> None:
    """Kept in a file, the outline follows its documents."""
    args = ["outline", str(notes), "--store", "o.sqlite3"]
    first = runner.invoke(app, args)
    notes.write_text(TEXT.replace("Boats", "Ships"), encoding="utf-8")
    second = runner.invoke(app, args)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "Ships" in second.stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["notes.md", "-n", "-1"], "--tokens must be 0 or more"),
        (["nowhere.md"], "nowhere.md"),
        (["notes.md", "--under", "zzzzzzzzzz"], "no node of this outline"),
        (["notes.md", "--under", "a", "--open", "b"], "give one of them"),
        (["notes.md", "--store", "notes.md"], "no outline"),
    ],
)
def test_bad_input(notes: Path, args: list[str], message: str) -> None:
    """One line on stderr says what is wrong, and the exit code is 2."""
    result = runner.invoke(app, ["outline", *args])
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
