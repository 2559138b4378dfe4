"""Units: where a text may be cut."""

# ruff: noqa: RUF001 - stops of other scripts are what is tested

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.tools.trimming.units import LONGEST, safe_cut, units


def pieces(text: str) -> list[str]:
    return [text[unit.start : unit.end] for unit in units(text)]


HOSTILE = "aB.!?。\n\r |,-:1{}[]\"'\t\u0301\u200d👩\ud800"


@given(st.text(alphabet=st.sampled_from(HOSTILE), max_size=400))
def test_units_cover_everything_but_space(text: str) -> None:
    """Units rise, do not overlap, and only white space lies between them."""
    at = 0
    for unit in units(text):
        assert at <= unit.start < unit.end <= len(text)
        assert not text[at : unit.start].strip()
        at = unit.end
    assert not text[at:].strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "The first sentence stands right here. And the second one stands there! Is that it?",
            [
                "The first sentence stands right here.",
                "And the second one stands there!",
                "Is that it?",
            ],
        ),
        (
            "It costs 3.50 dollars as J. R. Smith et al. said in Fig. 3 of it. Nobody paid for it.",
            [
                "It costs 3.50 dollars as J. R. Smith et al. said in Fig. 3 of it.",
                "Nobody paid for it.",
            ],
        ),
        (
            "这是第一句话，它的长度足够长，所以不会和下一句话合并在一起。这是第二句话！",
            [
                "这是第一句话，它的长度足够长，所以不会和下一句话合并在一起。",
                "这是第二句话！",
            ],
        ),
        (
            "هذه هي الجملة الأولى في هذا النص القصير؟ هذه هي الجملة الثانية.",
            ["هذه هي الجملة الأولى في هذا النص القصير؟", "هذه هي الجملة الثانية."],
        ),
        (
            "यह इस पाठ का पहला वाक्य है जो लंबा है। यह दूसरा वाक्य है।",
            ["यह इस पाठ का पहला वाक्य है जो लंबा है।", "यह दूसरा वाक्य है।"],
        ),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    """Sentences end where readers of the script see them end."""
    assert pieces(text) == expected


def test_wrapped_paragraphs_are_prose() -> None:
    """A sentence that an editor wrapped over lines is one unit."""
    text = (
        "The compiler reads a module and turns every\nfunction that it holds into code which is\n"
        "stored for later use. Then the interpreter\nruns that code line by line until it ends.\n"
    )
    assert [piece.split()[0] for piece in pieces(text)] == ["The", "Then"]


def test_lines_stay_lines() -> None:
    """Logs, code and lists are cut at their lines, and figures stay with their label."""
    assert pieces("10:01 a. done\n10:02 b. done") == ["10:01 a. done", "10:02 b. done"]
    assert pieces("def f():\n    return 1") == ["def f():", "    return 1"]
    assert pieces("Cash\n$\n5,794\nGoodwill\n9,764") == ["Cash\n$\n5,794", "Goodwill\n9,764"]


def test_tables_know_their_header() -> None:
    """Rows of Markdown and delimited tables point to the header they need."""
    found = units("Text.\n\n| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 | 4 |\n\nMore text.")
    assert [(u.kind, u.header) for u in found] == [
        ("sentence", -1),
        ("header", -1),
        ("row", 1),
        ("row", 1),
        ("sentence", -1),
    ]
    assert [u.kind for u in units("name;kind;n\nx;y;1\nz;y;2")] == ["header", "row", "row"]


def test_json_is_whole() -> None:
    """A JSON text is one unit, and so is a value on a line of its own."""
    assert [u.kind for u in units('  {"a": "One. Two. Three."}\n')] == ["value"]
    lines = '{"a": 1}\n{"b": [2]}\nnot json {\n'
    assert [u.kind for u in units(lines)] == ["value", "value", "sentence"]
    assert [u.kind for u in units('{"a": ' + "9" * 10_000 + "}")] == ["value"]


def test_long_sentences_are_split() -> None:
    """No sentence is longer than the limit; it is cut at a clause or between words."""
    found = pieces("word " * 1000)
    assert max(map(len, found)) <= LONGEST
    assert all(piece.endswith("word") for piece in found)
    assert [len(piece) for piece in pieces("x" * 1500)] == [LONGEST, LONGEST, 300]


def test_a_cut_divides_no_character() -> None:
    """A cut moves off combining marks and joined emoji."""
    assert safe_cut("ae\u0301b", 0, 2) == 1
    family = "a👩\u200d👧"
    assert safe_cut(family, 0, 3) == 1
    assert safe_cut("abc", 0, 2) == 2


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n"])
def test_json_lines_lose_nothing(line_break: str) -> None:
    """Commas after values belong to them, whatever ends the lines."""
    assert pieces(line_break.join(['{"a": 1},', '{"b": 2},', "a text about engines"])) == [
        '{"a": 1},',
        '{"b": 2},',
        "a text about engines",
    ]


def test_brackets_in_prose_are_no_values() -> None:
    """A reference in brackets leaves its line a line, a log's level leaves room for a payload."""
    found = units("[1] A. Smith: A title.\n[2] B. Lee: Another title.")
    assert [unit.kind for unit in found] == ["line", "line"]
    assert units('[INFO] got {"a": 1} again\n[INFO] bye')[0].kind == "value"


def test_a_hostile_cell_is_not_read_to_its_end() -> None:
    """Whether a cell is a number is told from its beginning, which megabytes of space do not slow."""
    found = units("a,1" + " " * 2_000_000 + "x,c\n" + "1,2,3\n" * 3)
    assert found[-1].kind == "line"
