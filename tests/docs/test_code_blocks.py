"""What people copy from README and docs works as it is printed: code, commands and links."""

from __future__ import annotations

import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main

from shoestring.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^[ >]*(```+|~~~+)(.*)$")
# Python and console blocks are checked below; the others hold nothing that runs.
LANGUAGES = {"python", "console", "text", "json", "toml"}
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
EXTRAS = re.compile(r"shoestring\[([\w,]+)\]")


@dataclass(frozen=True)
class Block:
    """One fenced block: its page, the line its code begins on, its label and its text."""

    page: Path
    line: int
    label: str
    code: str

    @property
    def language(self) -> str:
        return self.label.partition(" ")[0]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def _blocks(page: Path) -> list[Block]:
    """Read a page line by line; a fence that is never closed holds the rest of it."""
    found: list[Block] = []
    fence = label = ""
    code: list[str] = []
    begin = 0
    for number, line in enumerate([*page.read_text(encoding="utf-8").splitlines(), ""], start=1):
        mark = FENCE.match(line)
        if mark and not fence:
            fence, label, code, begin = mark[1], mark[2].strip(), [], number + 1
        elif mark and mark[1].startswith(fence) and not mark[2].strip():
            found.append(Block(page, begin, label, "\n".join([*code, ""])))
            fence = ""
        elif fence:
            code.append(line)
    assert not fence, f"{page.name}:{begin}: a block is never closed"
    return found


BLOCKS = [block for page in PAGES for block in _blocks(page)]


def _params(language: str) -> list[Any]:
    slow = [pytest.mark.slow]  # of a block labelled "python slow"
    return [
        pytest.param(b, id=str(b), marks=slow if b.label.endswith(" slow") else [])
        for b in BLOCKS
        if b.language == language
    ]


@pytest.mark.parametrize("block", _params("python"))
def test_python_blocks_run(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block runs by itself, from an empty folder, and its assertions hold."""
    monkeypatch.chdir(tmp_path)
    # Set off by blank lines, so that a traceback names the line of the page.
    source = "\n" * (block.line - 1) + block.code
    exec(compile(source, str(block.page), "exec", dont_inherit=True), {"__name__": "__main__"})


@pytest.mark.parametrize("block", _params("console"))
def test_console_blocks_name_commands_that_exist(block: Block) -> None:
    """Each `shoestring` line parses as it stands; each make target and extra is there."""
    commands = [line.removeprefix("$ ") for line in block.code.splitlines() if line[:2] == "$ "]
    assert commands, f"{block}: no line begins with '$ '"
    for command in commands:
        for words in _pipeline(command):
            if words[0] == "shoestring":
                _parse(words[1:])
            elif words[0] == "make":
                _find_target(words[1:])
            elif words[:2] == ["pip", "install"]:
                _find_extras(command)


def test_every_block_says_what_it_is() -> None:
    """No code escapes the tests under another label, or under none."""
    assert [f"{b}: {b.label!r}" for b in BLOCKS if b.language not in LANGUAGES] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file that exists."""
    links = LINK.findall(page.read_text(encoding="utf-8"))
    files = [link for link in links if "://" not in link]
    assert [link for link in files if not (page.parent / link).exists()] == []


def _pipeline(command: str) -> list[list[str]]:
    """Split a line into the words of its commands; a quoted `|` is a word like any other."""
    reader = shlex.shlex(command, posix=True, punctuation_chars="|<>&;")
    reader.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in reader:
        if word in {"|", ";", "&&"}:
            commands.append([])
        else:
            commands[-1].append(word)
    return commands


def _parse(words: list[str]) -> None:
    """Let typer read the arguments of a command without running it: a wrong option raises."""
    command: Any = typer.main.get_command(app)
    name = "shoestring"
    while words and words[0] in getattr(command, "commands", {}):
        name, words = words[0], words[1:]
        command = command.commands[name]
    if words == ["--version"]:
        return
    # A group without one of its subcommands is a name that does not exist.
    assert not hasattr(command, "commands"), f"shoestring has no {' '.join(words)!r}"
    command.make_context(name, list(words))


def _find_target(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in (word for word in words if "=" not in word):
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), f"make {target}"


def _find_extras(command: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extras in EXTRAS.findall(command):
        assert set(extras.split(",")) <= project["optional-dependencies"].keys(), command
