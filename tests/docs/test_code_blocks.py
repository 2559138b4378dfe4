"""The code that people copy from README and docs runs as it is printed."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    """Return (where, code) of every fenced block of one language."""
    return [
        (f"{page.name}:{page.read_text(encoding='utf-8')[: m.start()].count(chr(10)) + 1}", m[2])
        for page in PAGES
        for m in FENCE.finditer(page.read_text(encoding="utf-8"))
        if m[1] == language
    ]


@pytest.mark.parametrize(("where", "code"), blocks("python"), ids=lambda part: part.split("\n")[0])
def test_python_blocks_run(
    where: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block runs by itself, from an empty folder, and its assertions hold."""
    monkeypatch.chdir(tmp_path)
    exec(compile(code, where, "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize(("where", "code"), blocks("console"), ids=lambda part: part.split("\n")[0])
def test_console_blocks_name_commands_that_exist(where: str, code: str) -> None:
    """Every `shoestring` command and `make` target shown can be called with the options shown."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in re.findall(r"^\$ (.*)$", code, re.MULTILINE):
        for command in re.split(r"\s*\|\s*", line):
            words = command.split()
            if words[0] == "make":
                assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), f"{where}: {line}"
            if words[0] == "shoestring":
                names = words[1:3] if words[1] == "eval" else words[1:2]
                names = [name for name in names if not name.startswith("-")]
                asked = subprocess.run(
                    [ROOT / ".venv/bin/shoestring", *names, "--help"],
                    check=True,
                    capture_output=True,
                    text=True,
                    env={"COLUMNS": "200", "PATH": "/usr/bin:/bin"},
                    timeout=60,
                )
                for option in re.findall(r"(?<= )--[a-z-]+", command):
                    assert option in asked.stdout, f"{where}: {option} in {line}"
