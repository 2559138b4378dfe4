"""Commands run as typed, with a cache of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from shoestring.cli import corpus
from shoestring.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Run = Callable[..., Result]

HERONS = """# Herons

The grey heron hunts at dusk. It stands still for up to an hour.

## Nests

Herons nest in tall trees, close to water. A clutch holds four eggs.
"""
OTTERS = "Otters sleep in holts. A holt has its door under water.\n"


@pytest.fixture
def birds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small corpus, and the working directory above it."""
    folder = tmp_path / "birds"
    folder.mkdir()
    (folder / "herons.md").write_text(HERONS, encoding="utf-8")
    (folder / "otters.txt").write_text(OTTERS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process, 80 columns wide."""
    for name, value in _environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    runner = CliRunner()
    return lambda *args, **options: runner.invoke(app, list(args), **options)


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start the command as a process; `before` is Python that runs ahead of it."""

    def start(*args: str, before: str = "") -> subprocess.Popen[str]:
        code = f"{before}\nfrom shoestring.cli.main import app\napp()"
        return subprocess.Popen(
            [sys.executable, "-c", code, *args],
            env=os.environ | _environment(tmp_path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    return start


@pytest.fixture
def lexical(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search by words alone, as without the extra `offline`: nothing heavy is loaded."""
    monkeypatch.setattr(corpus, "_embeddings", lambda: None)


def _environment(tmp_path: Path) -> dict[str, str]:
    cache = str(tmp_path / "cache")
    return {"XDG_CACHE_HOME": cache, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
