"""`shoestring eval run` and `compare`: a person's own app, measured from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shoestring.cli.main import app

RUN = CliRunner()

APP = """
from shoestring import Amount


def sums(task):
    number = int(task.question.split()[0])
    with task.ledger.at(node="work").reserve(Amount(40, 0, 0, 1)) as hold:
        hold.dispatching()
        hold.settle(Amount(30, 10, 0, 1))
    return str(2 * number if number else "I do not know")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with cases and an app, as a person has them."""
    monkeypatch.chdir(tmp_path)
    rows = [{"id": str(n), "question": f"{n} + {n}?", "answers": [str(2 * n)]} for n in range(4)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "sums.jsonl").write_text(lines)
    (tmp_path / "its_app.py").write_text(APP)
    return tmp_path


def test_an_app_is_run_and_shown(here: Path) -> None:
    """Figures with intervals, what a right answer costs, and where the run is kept; again, no run."""
    for _ in range(2):
        shown = RUN.invoke(
            app,
            ["eval", "run", "sums.jsonl", "--target", "its_app:sums", "--budgets", "20,100"],
        )
        assert shown.exit_code == 0, shown.output
        lines = [line.split() for line in shown.output.splitlines()]
        (large,) = (line for line in lines if line[:2] == ["100", "tokens"])
        (small,) = (line for line in lines if line[:2] == ["20", "tokens"])
        assert (large[2], large[4], large[-2:]) == ("75.0", "40", ["53", "0"])
        assert (small[2], small[-3:]) == ("0.0", ["100", "%", "0"])
        assert (
            "within a point of the best (75.0 %): 100 tokens, 75.0 % for 40 tokens" in shown.output
        )
        assert "kept in sums.run" in shown.output
    assert len((here / "sums.run" / "results.jsonl").read_text().splitlines()) == 8


def test_energy_is_told_where_it_is_asked_for(here: Path) -> None:
    """The sum over the runs as a range, for a model that ecologits knows."""
    named = APP.replace(
        "reserve(Amount(40, 0, 0, 1)", "reserve(Amount(40, 0, 0, 1), what='gpt-4.1-mini'"
    )
    (here / "priced_app.py").write_text(named)  # a name that no other test has imported
    target = ["--target", "priced_app:sums", "--budgets", "100"]
    told = "energy, as ecologits estimates it, of 4 of 4 runs: "
    shown = RUN.invoke(app, ["eval", "run", "sums.jsonl", *target, "--energy", "FRA"])
    assert shown.exit_code == 0, shown.output
    low, high = shown.output.partition(told)[2].partition(" Wh")[0].split(" to ")
    assert 0 < float(low) < float(high) < 1
    refused = RUN.invoke(app, ["eval", "run", "sums.jsonl", *target, "--energy", "Oz"])
    assert refused.exit_code == 2
    assert "no electricity mix is known for 'Oz'" in refused.output


def test_a_dry_run_says_what_it_would_cost(here: Path) -> None:
    """Before the first call the budgets say the most; nothing is written."""
    shown = RUN.invoke(
        app, ["eval", "run", "sums.jsonl", "--budgets", "20,100 + $0.01", "--dry-run"]
    )
    assert shown.exit_code == 0, shown.output
    assert "8 runs: 4 cases in 2 columns; 0 are done" in shown.output
    assert "the rest can spend at most: 480 tokens" in shown.output
    assert not (here / "sums.run").exists()


def test_a_configuration_holds_the_options(here: Path) -> None:
    """Paths are relative to the file; what the command line says goes before it."""
    (here / "sub").mkdir()
    (here / "sub" / "run.toml").write_text(
        'suite = "../sums.jsonl"\ntarget = "its_app:sums"\nbudgets = [100]\nout = "kept"\nlimit = 2\n'
    )
    shown = RUN.invoke(app, ["eval", "run", "sub/run.toml", "--limit", "3"])
    assert shown.exit_code == 0, shown.output
    assert len((here / "sub" / "kept" / "results.jsonl").read_text().splitlines()) == 3


def test_two_runs_are_compared(here: Path) -> None:
    """Column by column where their names agree, with interval and p."""
    for out, seeds in (("a", "1"), ("b", "2")):
        options = ["--target", "its_app:sums", "--budgets", "100", "--out", out, "--seeds", seeds]
        assert RUN.invoke(app, ["eval", "run", "sums.jsonl", *options]).exit_code == 0
    shown = RUN.invoke(app, ["eval", "compare", "a", "b"])
    assert shown.exit_code == 0, shown.output
    assert "+0.0 [+0.0, +0.0]" in shown.output
    assert "1.00 x" in shown.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sums.jsonl"], "give --budgets"),
        (["sums.jsonl", "--budgets", "many"], "'many' is no budget"),
        (["sums.jsonl", "--budgets", "9", "--target", "its_app"], "assistant or MODULE:NAME"),
        (["sums.jsonl", "--budgets", "9", "--target", "nowhere_x:y"], "no module 'nowhere_x'"),
        (["sums.jsonl", "--budgets", "9", "--target", "its_app:no"], "its_app has no 'no'"),
        (
            ["sums.jsonl", "--budgets", "9", "--target", "its_app:sums", "--scorers", "x"],
            "no scorer 'x'",
        ),
        (["none.jsonl", "--budgets", "9"], "no such file"),
        (
            ["sums.jsonl", "--budgets", "9", "--model", "quote", "--routes", "quote,direct wide=9"],
            "route 'direct' has no knob 'wide'",
        ),
        (
            ["sums.jsonl", "--budgets", "9", "--model", "quote", "--temperature", "0.7"],
            "--temperature: 'quote' takes none",
        ),
        (
            [
                "sums.jsonl",
                "--budgets",
                "9",
                "--target",
                "its_app:sums",
                "--html",
                "no/report.html",
            ],
            "--html: no/report.html cannot be written",
        ),
        (["bad.toml"], "no key 'sweet'"),
        (["torn.toml"], "torn.toml:"),
    ],
)
def test_what_cannot_be_run_is_one_line(here: Path, arguments: list[str], told: str) -> None:
    """It says what is wrong, and nothing is called."""
    (here / "bad.toml").write_text('sweet = 1\nsuite = "x"')
    (here / "torn.toml").write_text("suite = ")
    shown = RUN.invoke(app, ["eval", "run", *arguments])
    assert shown.exit_code == 2
    assert told in shown.output
    assert len(shown.output.strip().splitlines()) == 1


def test_bad_cases_are_left_out_on_request(here: Path) -> None:
    """Each is told of; without the option the first ends the command."""
    with (here / "sums.jsonl").open("a") as file:
        file.write("{oops\n")
    arguments = ["eval", "run", "sums.jsonl", "--target", "its_app:sums", "--budgets", "100"]
    assert "line 5: not a JSON object" in RUN.invoke(app, arguments).output
    shown = RUN.invoke(app, [*arguments, "--skip-bad"])
    assert shown.exit_code == 0, shown.output
    assert "left out: sums.jsonl, line 5" in shown.output


def test_the_configuration_of_the_docs_is_one(here: Path) -> None:
    """Its keys are the options' names."""
    page = (Path(__file__).parents[2] / "docs" / "sweep.md").read_text(encoding="utf-8")
    (here / "run.toml").write_text(page.partition("```toml\n")[2].partition("```")[0])
    shown = RUN.invoke(app, ["eval", "run", "run.toml", "--dry-run"])
    assert "cases.jsonl: no such file" in shown.output


def test_a_report_is_written(here: Path) -> None:
    """The page, its figures and its curve, and where they are; where none can be, nothing is done."""
    command = ["eval", "run", "sums.jsonl", "--target", "its_app:sums", "--budgets", "20,100"]
    assert RUN.invoke(app, command).exit_code == 0
    shown = RUN.invoke(app, ["eval", "report", "sums.run", "--out", "report.html"])
    assert shown.exit_code == 0, shown.output
    names = [line.split()[0] for line in shown.output.splitlines()]
    assert names == ["report.html", "report.md", "curve.svg", "curve.png"]
    assert all((here / name).stat().st_size for name in names)
    assert "100 tokens" in (here / "report.md").read_text(encoding="utf-8")
    shown = RUN.invoke(app, [*command, "--html", "at_once.html"])
    assert shown.exit_code == 0, shown.output
    assert "written at_once.html" in shown.output
    assert (here / "at_once.html").stat().st_size == (here / "report.html").stat().st_size
    for run, out, told in (
        ("sums.run", "missing/report.html", "--out: missing/report.html cannot be written"),
        ("missing", "report.html", "'missing' holds no run"),
    ):
        shown = RUN.invoke(app, ["eval", "report", run, "--out", out])
        assert shown.exit_code == 2
        assert told in shown.output
