"""`shoestring trim`: a Unix filter that explains itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from inline_snapshot import snapshot
from typer.testing import CliRunner

from shoestring.cli.main import app

runner = CliRunner()

TEXT = "It rained all day in old London. Charles Babbage designed the engine there. Cats sleep."


def test_a_filter() -> None:
    """Text in, trimmed text out on stdout, figures on stderr."""
    result = runner.invoke(app, ["trim", "-q", "Who designed the engine?", "-n", "12"], input=TEXT)
    assert result.exit_code == 0
    assert result.stdout == snapshot("Charles Babbage designed the engine there.\n")
    assert result.stderr == snapshot("9 of 12 tokens; kept 1 of 3 pieces; best chance 0.79\n")


def test_json(tmp_path: Path) -> None:
    """One object with text, figures, and exact places of what was kept and dropped."""
    file = tmp_path / "a.txt"
    file.write_text(TEXT, encoding="utf-8")
    args = ["trim", str(file), "--query", "Who designed the engine?", "--tokens", "12", "--json"]
    result = runner.invoke(app, args)
    found = json.loads(result.stdout)
    assert set(found) == {"text", "tokens", "limit", "kept", "dropped"}
    assert found["tokens"] <= found["limit"] == 12
    (kept,) = found["kept"]
    assert set(kept) == {"source", "start", "end", "score", "reason"} == set(found["dropped"][0])
    assert TEXT[kept["start"] : kept["end"]] == found["text"]
    assert kept["source"] == str(file)
    assert result.stderr == ""


def test_a_page(tmp_path: Path) -> None:
    """--html writes a page beside what is printed, or replaces it; where none can be, nothing is done."""
    page = tmp_path / "trim.html"
    args = ["trim", "-q", "Who designed the engine?", "-n", "12", "--html"]
    for _ in range(2):
        result = runner.invoke(app, [*args, str(page)], input=TEXT)
        assert result.stdout == "Charles Babbage designed the engine there.\n"
    assert "<h1" in page.read_text(encoding="utf-8")
    assert [file.name for file in tmp_path.iterdir()] == ["trim.html"]
    for nowhere in (tmp_path, tmp_path / "missing" / "a.html"):
        result = runner.invoke(app, [*args, str(nowhere)], input=TEXT)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "cannot be written: no such folder" in result.stderr


def test_budget_fills_the_room() -> None:
    """With --fill budget what fits comes back as it was."""
    result = runner.invoke(
        app, ["trim", "-q", "engine", "-n", "100", "--fill", "budget"], input=TEXT
    )
    assert result.stdout == f"{TEXT}\n"


def test_invalid_utf8_is_replaced() -> None:
    """Bytes that are no UTF-8 are replaced, not refused."""
    result = runner.invoke(
        app, ["trim", "-q", "engine", "-n", "50"], input=b"The \xff engine was built."
    )
    assert result.exit_code == 0
    assert result.stdout == "The \ufffd engine was built.\n"


@pytest.mark.parametrize(
    ("args", "text", "message"),
    [
        (["missing.txt", "-q", "x", "-n", "5"], "", "missing.txt: No such file"),
        ([".", "-q", "x", "-n", "5"], "", ".: is a folder"),
        (["-q", "x", "-n", "5"], "a\0b", "stdin: is binary"),
        (["-q", "x", "-n", "5"], " \n", "stdin: is empty"),
        (["-q", " ", "-n", "5"], TEXT, "the query is empty"),
        (["-q", "x", "-n", "-5"], TEXT, "--tokens must be 0 or more, not -5"),
        (["-q", "x", "-n", "5", "--fill", "all"], TEXT, "'all' is not one of 'relevant', 'budget'"),
    ],
)
def test_bad_input_is_one_line(args: list[str], text: str, message: str) -> None:
    """Bad input ends with exit code 2 and one line that says what is wrong."""
    result = runner.invoke(app, ["trim", *args], input=text)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""


def test_as_a_process(tmp_path: Path) -> None:
    """As a real process it reads a pipe, and a reader that leaves early causes no traceback."""
    command = [
        sys.executable,
        "-m",
        "shoestring.cli.main",
        "trim",
        "-q",
        "engine",
        "-n",
        "100000",
        "--fill",
        "budget",
    ]
    done = subprocess.run(command, input=TEXT.encode(), capture_output=True, check=True)
    assert done.stdout.decode() == f"{TEXT}\n"
    big = tmp_path / "big.txt"
    big.write_text("The engine was built in London by Babbage.\n" * 9000, encoding="utf-8")
    with subprocess.Popen(
        [*command[:4], str(big), *command[4:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors
