"""Reading: what is read, what is skipped and why, and clear errors."""

import os
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from fpdf import FPDF
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from pypdf import PdfReader, PdfWriter

from shoestring.tools.readers.files import PAGE_BREAK, NothingToRead, Skipped, UnreadableFile, read
from shoestring.tools.readers.text import decode


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def pdf(path: Path, pages: list[str], title: str = "") -> Path:
    made = FPDF()
    made.set_font("helvetica", size=12)
    if title:
        made.set_title(title)
    for page in pages:
        made.add_page()
        if page:
            made.cell(text=page)
    made.output(str(path))
    return path


def one(path: Path) -> Document:
    (document,) = read([path])
    return document


@pytest.mark.parametrize(
    ("name", "content", "text", "title"),
    [
        ("a.txt", "plain\r\ntext", "plain\r\ntext", "a.txt"),
        ("a.md", "intro\n\n## Title ##\n# x", "intro\n\n## Title ##\n# x", "Title"),
        ("a.md", "```\n# comment\n```", "```\n# comment\n```", "a.md"),
        ("a.py", "# comment", "# comment", "a.py"),
        ("a.html", "<title>T</title><h1>H</h1>", "# H", "T"),
        ("b.html", "<h1>H</h1>", "# H", "H"),
        ("page", "<!DOCTYPE html><p>x", "x", "page"),
        ("a.txt", b"\xef\xbb\xbfmark", "mark", "a.txt"),
        ("a.txt", "wörter".encode("utf-16"), "wörter", "a.txt"),
        ("a.txt", "wörter".encode("utf-32"), "wörter", "a.txt"),
    ],
)
def test_a_file_gives_its_text_span_and_title(
    tmp_path: Path, name: str, content: str | bytes, text: str, title: str
) -> None:
    """Each type is decoded, newlines untouched, and titled by its own heading if it has one."""
    path = write(tmp_path / name, content)
    assert one(path) == Document(
        page_content=text,
        metadata={"source": str(path), "start": 0, "end": len(text), "title": title},
    )


def test_a_pdf_gives_its_pages_with_spans_in_the_joined_text(tmp_path: Path) -> None:
    """Pages join by a form feed; one without text is reported, the others keep their number."""
    skipped: list[Skipped] = []
    path = pdf(tmp_path / "a.pdf", ["First page.", "", "Third page."], title="Report")
    found = list(read([path], on_skip=skipped.append))
    joined = PAGE_BREAK.join(page.extract_text() for page in PdfReader(path).pages)
    assert [(page.page_content, page.metadata["page"]) for page in found] == [
        ("First page.", 1),
        ("Third page.", 3),
    ]
    for page in found:
        assert joined[page.metadata["start"] : page.metadata["end"]] == page.page_content
        assert page.metadata["title"] == "Report"
    assert skipped == [Skipped(str(path), "pages without text (scanned?): 2")]


def encrypted(path: Path) -> Path:
    writer = PdfWriter(clone_from=pdf(path, ["secret"]))
    writer.encrypt("password", algorithm="RC4-128")
    writer.write(path)
    return path


BAD_FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda path: path, "no such file or folder"),
    "empty": (lambda path: write(path, ""), "it is empty"),
    "blank": (lambda path: write(path, " \n\t"), "it is empty"),
    "nul": (lambda path: write(path, b"ab\0cd"), "it is binary"),
    "control": (lambda path: write(path, bytes(range(1, 32)) * 9), "it is binary"),
    "latin": (lambda path: write(path, "привет".encode("cp1251")), "convert it with iconv"),
    "large": (lambda path: write(path, "x" * 3001), "larger than 3,000 bytes"),
    "scan.pdf": (lambda path: pdf(path, ["", ""]), "run OCR"),
    "broken.pdf": (lambda path: write(path, "%PDF-1.7\nnonsense"), "broken PDF"),
    "secret.pdf": (encrypted, "encrypted"),
    "none.html": (lambda path: write(path, "<script>x</script>"), "no visible text"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_named_file_that_cannot_be_read_is_an_error_in_one_line(
    tmp_path: Path, name: str
) -> None:
    """The error names the file and what is wrong with it; the same file in a folder is skipped."""
    make, reason = BAD_FILES[name]
    path = make(tmp_path / name)
    with pytest.raises(UnreadableFile, match=re.escape(reason)) as caught:
        list(read([path], max_bytes=3_000))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    if name == "missing":
        return
    good = write(tmp_path / "z.txt", "good")
    skipped: list[Skipped] = []
    found = list(read([tmp_path], max_bytes=3_000, on_skip=skipped.append))
    assert [document.metadata["source"] for document in found] == [str(good)]
    assert [(entry.source, reason in entry.reason) for entry in skipped] == [(str(path), True)]


def test_a_damaged_text_is_kept_and_the_damage_reported(tmp_path: Path) -> None:
    """Some invalid bytes become U+FFFD; they are reported, and the rest is read."""
    skipped: list[Skipped] = []
    path = write(tmp_path / "a.txt", b"caf\xe9 is open")
    (document,) = read([path], on_skip=skipped.append)
    assert document.page_content == "caf\ufffd is open"
    assert skipped == [Skipped(str(path), "1 invalid UTF-8 bytes replaced; the rest is read")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_special_files_are_refused_without_waiting(tmp_path: Path) -> None:
    """A named pipe without a writer, or a device, would block a plain open."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(UnreadableFile, match="not a regular file"):
            list(read([path]))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read anything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    """What the system denies is said in plain words."""
    path = write(tmp_path / "a.txt", "x")
    path.chmod(0)
    with pytest.raises(UnreadableFile, match="permission denied"):
        list(read([path]))


def test_a_folder_is_read_in_name_order_without_what_is_hidden_or_installed(
    tmp_path: Path,
) -> None:
    """Hidden files, caches, packages and virtual environments are left out and reported."""
    for name in ("b.txt", "a/z.txt", "a/b/c.md", "c.txt"):
        write(tmp_path / name, name)
    left_out = [".env", ".git/config", "node_modules/x.js", "__pycache__/x.py", "env/pyvenv.cfg"]
    for name in left_out:
        write(tmp_path / name, "no")
    skipped: list[Skipped] = []
    found = list(read([tmp_path], on_skip=skipped.append))
    assert [document.page_content for document in found] == [
        "a/b/c.md",
        "a/z.txt",
        "b.txt",
        "c.txt",
    ]
    assert {Path(entry.source).name for entry in skipped} == {
        name.split("/")[0] for name in left_out
    }


def test_links_are_followed_within_the_folder_only(tmp_path: Path) -> None:
    """Loops end, what lies outside stays outside, and a file reached twice is read once."""
    outside = write(tmp_path / "outside.txt", "secret")
    folder = tmp_path / "docs"
    write(folder / "a.txt", "a")
    write(folder / ".data/hidden.txt", "linked")
    (folder / "loop").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    (folder / "copy.txt").symlink_to(folder / "a.txt")
    (folder / "out.txt").symlink_to(outside)
    (folder / "shown.txt").symlink_to(folder / ".data" / "hidden.txt")
    skipped: list[Skipped] = []
    found = list(read([folder, folder / "a.txt"], on_skip=skipped.append))
    assert [document.page_content for document in found] == ["a", "linked"]
    reasons = {Path(entry.source).name: entry.reason for entry in skipped}
    assert reasons == {
        ".data": "hidden",
        "loop": "a link to a folder",
        "self": "a link that leads nowhere",
        "out.txt": "a link that leads outside the folder",
    }


def test_a_folder_with_nothing_readable_says_what_it_held(tmp_path: Path) -> None:
    """The error lists the first files and counts the rest."""
    for number in range(9):
        write(tmp_path / f"{number}.bin", b"\0")
    with pytest.raises(NothingToRead, match=r"0\.bin: it is binary.*and 4 more"):
        list(read([tmp_path]))
    with pytest.raises(NothingToRead, match="name at least one"):
        read([])


def test_one_path_is_a_path_and_not_its_letters(tmp_path: Path) -> None:
    """A single string is read as the path it is."""
    path = write(tmp_path / "a.txt", "x")
    assert [document.page_content for document in read(str(path))] == ["x"]


def test_a_file_name_that_is_not_text_gives_a_storable_source(tmp_path: Path) -> None:
    """Bytes in a name that are not UTF-8 are written out, so the source can be stored."""
    path = os.fsencode(tmp_path) + b"/\xff.txt"
    try:
        Path(os.fsdecode(path)).write_text("x")
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    (document,) = read([tmp_path])
    assert document.metadata["source"].encode().endswith(b"udcff.txt")


def test_a_huge_file_is_read_in_a_few_times_its_size(tmp_path: Path) -> None:
    """100 MB of text take less than 4 times that in memory."""
    path = write(tmp_path / "huge.log", b"a line of a log\n" * 6_500_000)
    tracemalloc.start()
    try:
        (document,) = read([path])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(document.page_content) == path.stat().st_size
    assert peak < 4 * path.stat().st_size


@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_refused(raw: bytes) -> None:
    """Whatever a file holds, it is text that can be stored, or a named error."""
    try:
        decode(raw, "x").text.encode()
    except UnreadableFile:
        return


@given(st.binary(max_size=400))
def test_a_hostile_pdf_is_a_named_error(raw: bytes) -> None:
    """Garbage after a PDF's first bytes never escapes as another error."""
    from shoestring.tools.readers.pdf import pdf_text

    with pytest.raises(UnreadableFile):
        pdf_text(b"%PDF-1.4\n" + raw, "x.pdf")
