"""Bad input ends a command with one line on stderr and exit code 2; nothing is lost."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fpdf import FPDF
from hypothesis import given
from hypothesis import strategies as st

from shoestring.cli import ask as asking
from shoestring.cli.text import one_line, printable

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from typer.testing import Result

    Process = Callable[..., subprocess.Popen[str]]

QUESTION = "When does the grey heron hunt?"


def refused(ran: Result) -> str:
    """The one line a command was refused with."""
    assert ran.exit_code == 2, ran.output
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith("shoestring: ")
    return line.removeprefix("shoestring: ")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--nonsense"], "No such option: --nonsense (see shoestring --help)"),
        (["sing"], "No such command 'sing'. (see shoestring --help)"),
        (["ask"], "Missing argument 'QUESTION'. (see shoestring ask --help)"),
        (["ask", "why?"], "Missing argument 'PATH'. (see shoestring ask --help)"),
        (["ask", "why?", "birds", "--tokens"], "Option '--tokens' requires an argument."),
        (["ask", "why?", "birds", "--tokens", "foo"], "Invalid value for '--tokens': "),
        (["ask", "why?", "birds", "--tokens", "1.5"], "Invalid value for '--tokens': "),
        (["ask", "why?", "birds", "--seconds", "soon"], "Invalid value for '--seconds': "),
        (["trim", "birds/otters.txt", "-q", "x"], "Missing option '--tokens'"),
        (["eval", "sing"], "No such command 'sing'. (see shoestring eval --help)"),
    ],
)
@pytest.mark.usefixtures("birds")
def test_wrong_usage(run: Callable[..., Any], args: list[str], message: str) -> None:
    """What a command was typed wrong with is said on one line, with where to look."""
    assert refused(run(*args)).startswith(message)


def test_help_is_for_reading(run: Callable[..., Any]) -> None:
    """Help is no error, fits the screen, and shows the defaults; nothing asked shows help too."""
    ran = run("ask", "--help")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "6000 if nothing is capped" in ran.stdout
    assert all(len(line) <= 80 for line in ran.stdout.splitlines())
    ran = run()
    assert (ran.exit_code, ran.stderr) == (2, "")
    assert "doctor" in ran.stdout


@pytest.mark.parametrize("cap", ["tokens", "usd", "calls", "seconds"])
@pytest.mark.parametrize("value", ["-1", "1" + 30 * "0", "nan", "inf", "abc", "", "9" * 5000])
@pytest.mark.usefixtures("birds")
def test_absurd_budgets(run: Callable[..., Any], cap: str, value: str) -> None:
    """A budget that is no number, or that nobody can have, is refused by the name of its cap."""
    assert cap in refused(run("ask", QUESTION, "birds", f"--{cap}={value}"))


@pytest.mark.parametrize("question", ["", "  \n"])
@pytest.mark.usefixtures("birds")
def test_an_empty_question(run: Callable[..., Any], question: str) -> None:
    """Nothing is answered where nothing was asked."""
    assert refused(run("ask", question, "birds")) == "the question is empty: ask something"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nonsense", "no model is called 'nonsense'"),
        ("", "the model has no name"),
        ("[/bold]:x", "LangChain knows no provider '[/bold]'"),
        ("local:missing.gguf", "missing.gguf"),
        ("local:birds/otters.txt", "otters.txt"),
    ],
)
@pytest.mark.usefixtures("birds")
def test_an_unknown_model(run: Callable[..., Any], model: str, message: str) -> None:
    """A model that cannot be had is named, before any file is read."""
    assert message in refused(run("ask", QUESTION, "missing", "--model", model))


def write_pdf(path: Path) -> None:
    """Write a page as a scanner makes it: a picture, no text."""
    pdf = FPDF()
    pdf.add_page()
    pdf.rect(20, 20, 60, 40)
    pdf.output(str(path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.txt", None, "cannot read 'missing.txt': no such file or folder"),
        ("empty.txt", b"", "cannot read 'empty.txt': it is empty"),
        ("image.png", b"\x89PNG\r\n\x1a\n\0\0", "cannot read 'image.png': it is binary"),
        ("broken.pdf", b"%PDF-1.7 and no more", "cannot read 'broken.pdf': "),
        ("a\x1b[31m\nb", None, "cannot read 'a\\x1b[31m\\nb': no such file"),
    ],
)
@pytest.mark.usefixtures("birds")
def test_unreadable_files(
    run: Callable[..., Any], name: str, content: bytes | None, message: str
) -> None:
    """A file that was asked for and cannot be read is named with what is wrong with it."""
    if content is not None:
        Path(name).write_bytes(content)
    for paths in ([name], ["birds", name]):
        assert refused(run("ask", QUESTION, *paths, "--model", "quote")).startswith(message)


@pytest.mark.usefixtures("birds")
def test_a_file_without_permission(run: Callable[..., Any]) -> None:
    """A file one may not read is refused with that reason."""
    path = Path("secret.txt")
    path.write_text("x", encoding="utf-8")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("the superuser may read everything")
    said = refused(run("ask", QUESTION, "secret.txt", "--model", "quote"))
    assert said == "cannot read 'secret.txt': permission denied"


@pytest.mark.usefixtures("birds")
def test_a_pipe_is_no_file(run: Callable[..., Any]) -> None:
    """A named pipe is refused at once: nobody waits for its writer."""
    os.mkfifo("pipe")
    said = refused(run("ask", QUESTION, "pipe", "--model", "quote"))
    assert said == "cannot read 'pipe': it is not a regular file"


@pytest.mark.usefixtures("birds")
def test_a_pdf_without_text(run: Callable[..., Any]) -> None:
    """A scanned PDF is told from an empty one: it has pages, and no text."""
    write_pdf(Path("scan.pdf"))
    assert "text" in refused(run("ask", QUESTION, "scan.pdf", "--model", "quote"))


@pytest.mark.usefixtures("birds")
def test_a_folder_with_nothing_readable(run: Callable[..., Any]) -> None:
    """A folder without a readable file is refused, with the reasons of the first few files."""
    Path("attic").mkdir()
    said = refused(run("ask", QUESTION, "attic", "--model", "quote"))
    assert said == "nothing readable in 'attic'"
    Path("attic/a.bin").write_bytes(b"\0\0")
    Path("attic/[bold]empty.txt").write_bytes(b"")
    write_pdf(Path("attic/scan.pdf"))
    said = refused(run("ask", QUESTION, "attic", "--model", "quote"))
    for name in ("a.bin: it is binary", "[bold]empty.txt: it is empty", "scan.pdf: "):
        assert name in said


@pytest.mark.usefixtures("lexical", "birds")
def test_invalid_utf8_is_read_around(run: Callable[..., Any]) -> None:
    """Bytes that are no UTF-8 cost only themselves; that they were replaced is told."""
    Path("old.txt").write_bytes(b"The grey heron \xfc hunts at dusk.\n")
    ran = run("ask", QUESTION, "old.txt", "--model", "quote", "--json")
    assert ran.exit_code == 0
    assert "hunts at dusk" in json.loads(ran.stdout)["answer"]
    assert ran.stderr.startswith("skipped old.txt: 1 invalid UTF-8 bytes replaced")


@pytest.mark.usefixtures("lexical", "birds")
def test_a_corrupt_index_holds_its_cure(run: Callable[..., Any]) -> None:
    """A damaged index is refused, not trusted; without its folder all is well again."""
    asked = ["ask", QUESTION, "birds", "--model", "quote", "--index", "kept"]
    assert run(*asked).exit_code == 0
    for file in Path("kept").glob("manifest.sqlite3*"):
        file.write_bytes(b"no database" * 1000)
    said = refused(run(*asked))
    assert "kept" in said
    assert "delete" in said
    shutil.rmtree("kept")
    assert run(*asked).exit_code == 0


@pytest.mark.usefixtures("lexical")
def test_an_index_is_put_nowhere_else(run: Callable[..., Any], birds: Path) -> None:
    """A folder with other things in it, or a file, is no place for an index, and stays as it was."""
    for place in ("birds", "birds/otters.txt"):
        said = refused(run("ask", QUESTION, "birds", "--model", "quote", "--index", place))
        assert place in said
    assert sorted(path.name for path in birds.iterdir()) == ["herons.md", "otters.txt"]


def test_two_at_once(process: Process, birds: Path) -> None:
    """Two processes that ask over one folder both index it, or find it indexed, and answer."""
    asked = ("ask", QUESTION, "birds", "--model", "quote", "--json")
    both = [process(*asked) for _ in range(2)]
    for one in both:
        output, errors = one.communicate(timeout=100)
        assert (one.returncode, errors) == (0, "")
        assert json.loads(output)["kind"] == "quote"


@pytest.mark.parametrize(
    ("module", "args", "cure"),
    [
        ("xllamacpp", ["birds"], "pip install 'shoestring[local]'"),
        ("chromadb", ["birds"], "pip install 'shoestring[retrieval]'"),
        ("pypdf", ["a.pdf", "--model=quote"], "pip install 'shoestring[retrieval]'"),
    ],
)
@pytest.mark.usefixtures("birds")
def test_a_missing_extra(process: Process, module: str, args: list[str], cure: str) -> None:
    """Where a package is not installed, the line ends with the exact command that installs it."""
    write_pdf(Path("a.pdf"))
    before = f"import sys; sys.modules[{module!r}] = None"
    ran = process("ask", QUESTION, *args, before=before)
    output, errors = ran.communicate(timeout=100)
    assert (ran.returncode, output) == (2, "")
    (line,) = errors.splitlines()
    assert line.startswith("shoestring: ")
    assert line.endswith(f"{module}: {cure}")


def test_libraries_are_not_heard(process: Process) -> None:
    """Log lines and warnings of libraries stay off the terminal; the error is all there is."""
    before = """
import logging, warnings
from shoestring.cli import ask

def noisy(spec):
    logging.getLogger("library").error("noise")
    logging.getLogger("other").warning("noise")
    warnings.warn("noise", UserWarning)
    raise ZeroDivisionError("of all things")

ask.model_of = noisy
"""
    ran = process("ask", QUESTION, "x", before=before)
    assert ran.communicate(timeout=100) == ("", "shoestring: ZeroDivisionError: of all things\n")
    assert ran.returncode == 2


def test_whatever_a_provider_says_is_one_line(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors are shown whole where short, never as a screenful, never as commands to a terminal."""

    def failing(_: str) -> None:
        raise RuntimeError("\x1b]0;title\x07\n" + "wall of text \n" * 1000)

    monkeypatch.setattr(asking, "model_of", failing)
    said = refused(run("ask", QUESTION, "x"))
    assert len(said) <= 600
    assert said.isprintable()
    assert logging.root.manager.disable == logging.NOTSET


def test_interrupted(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a command silently, with the exit code shells know it by."""

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(asking, "model_of", interrupted)
    ran = run("ask", QUESTION, "x")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (130, "", "")


def test_a_reader_that_leaves(process: Process) -> None:
    """A closed pipe ends a command without a word."""
    with process("doctor") as ran:
        assert ran.stdout is not None
        ran.stdout.close()
        assert ran.stderr is not None
        assert ran.stderr.read() == ""
    assert ran.returncode == 1


@given(st.text())
def test_nothing_moves_the_cursor(text: str) -> None:
    """What is shown holds no control character but line breaks and tabs, and can be encoded."""
    shown = printable(text)
    assert all(c in "\n\t" or not (ord(c) < 32 or 127 <= ord(c) < 160) for c in shown)
    shown.encode()
    line = one_line(text, 20)
    assert len(line) <= 20
    assert len(line.splitlines()) <= 1


@pytest.mark.slow
def test_huge_files(process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 MB of text are searched, by words alone; what is larger than 200 MB is refused."""
    monkeypatch.chdir(tmp_path)
    with Path("huge.txt").open("w", encoding="utf-8") as file:
        days = range(2_200_000)
        file.writelines(
            f"On day {day:09} I saw {day % 977} herons at the lake.\n\n" for day in days
        )
        file.write("The grey heron hunts at dusk.\n")
    assert Path("huge.txt").stat().st_size > 100_000_000
    ran = process("ask", QUESTION, "huge.txt", "--model", "quote", "--json")
    output, errors = ran.communicate(timeout=280)
    assert errors == "more than 4,000,000 characters: searched by words, not by meaning\n"
    assert "The grey heron hunts at dusk." in json.loads(output)["answer"]
    with Path("huge.txt").open("a", encoding="utf-8") as file:
        file.truncate(200_000_001)
    ran = process("ask", QUESTION, "huge.txt", "--model", "quote")
    _, errors = ran.communicate(timeout=100)
    assert ran.returncode == 2
    assert errors.startswith("shoestring: cannot read 'huge.txt': it is larger than 200,000,000")
    Path("huge.txt").unlink()  # pytest keeps the folders of its last runs
