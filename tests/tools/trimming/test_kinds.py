"""Tests of the kinds of text: what is kept whole, and what it brings along."""

import json
from itertools import pairwise
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from shoestring.models.counting.counting import counter
from shoestring.tools.trimming.kinds import KINDS, Code, units_of
from shoestring.tools.trimming.kinds.chat import turns
from shoestring.tools.trimming.kinds.tool_schema import signature
from shoestring.tools.trimming.trim import trim
from shoestring.tools.trimming.units import Unit

json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inside: st.lists(inside, max_size=6) | st.dictionaries(st.text(max_size=8), inside),
    max_leaves=60,
)

TOOL = {
    "name": "find_flights",
    "description": "Finds flights between two airports. " + "It knows all airlines. " * 20,
    "parameters": {
        "type": "object",
        "properties": {
            "origin": {"type": "string", "description": "The airport to leave from. " * 10},
            "description": {"type": "string", "description": "Anything else. " * 10},
        },
        "required": ["origin"],
    },
}

PYTHON = dedent(
    '''
    """A module."""
    import os


    class Engine:
        """An engine."""

        def start(self, fuel):
            """Start it."""
            return fuel * 2

        def stop(self):
            PADDING
            return None
    '''
).replace("PADDING", "\n        ".join(f"x{i} = {i} + 100" for i in range(60)))

DIFF = """\
diff --git a/engine.py b/engine.py
index 1..2 100644
--- a/engine.py
+++ b/engine.py
@@ -1,2 +1,2 @@ def start():
-    return 1
+    return 2
@@ -40,2 +40,2 @@ def stop():
-    return None
+    return 0
diff --git a/pump.py b/pump.py
--- a/pump.py
+++ b/pump.py
@@ -7 +7 @@
-pump = 1
+pump = 3
"""


def words(text: str) -> int:
    return len(text.split())


def spans(text: str, found: list[Unit]) -> list[str]:
    """Give the units' texts, and assert that their spans rise and are apart."""
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert all(unit.header < place for place, unit in enumerate(found))
    return [text[unit.start : unit.end] for unit in found]


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=9), json_value, min_size=1), st.integers(0, 120))
def test_parts_of_a_json_value_are_valid_json(value: dict[str, object], tokens: int) -> None:
    """Whatever is kept of a JSON value is valid JSON, and every key and value in it was there."""
    text = json.dumps({**value, "filler": ["engine " * 20, "pump " * 60, "car " * 60]}, indent=1)
    trimmed = trim([Document(text)], "engine pump", tokens, count=len, fill="budget")
    assert trimmed.tokens <= tokens
    whole = json.loads(text)
    for piece in trimmed.documents:
        kept = json.loads(piece.page_content)
        assert set(kept) <= set(whole)
        assert all(element in whole["filler"] for element in kept.get("filler", []))


def test_a_record_keeps_its_key_path() -> None:
    """One of many records stands inside the keys and brackets that led to it."""
    records = [{"id": n, "name": f"person {n}", "note": "hums " * 30} for n in range(20)]
    text = json.dumps({"page": 1, "users": records})
    trimmed = trim([Document(text)], "What is the note of person 7?", 90, fill="budget")
    kept = json.loads(trimmed.text)
    assert {"id": 7, "name": "person 7"}.items() <= kept["users"][0].items()
    (piece,) = trimmed.documents
    first = next(text[a:b] for a, b in piece.metadata["spans"] if "person 7" in text[a:b])
    assert first in trimmed.text


def test_a_tool_is_whole_or_a_signature() -> None:
    """A tool that does not fit is kept without its parameters' descriptions, never cut."""
    text = json.dumps(TOOL)
    whole = trim([Document(text)], "find flights", 2_000, fill="budget")
    assert whole.text == text
    short = trim([Document(text)], "find flights", 90, fill="budget")
    kept = json.loads(short.text)
    assert kept["name"] == "find_flights"
    assert kept["parameters"]["properties"] == {
        "origin": {"type": "string"},
        "description": {"type": "string"},
    }
    assert kept["parameters"]["required"] == ["origin"]
    assert short.documents[0].metadata["shortened"]
    assert trim([Document(text)], "find flights", 12, fill="budget").text == ""


def test_two_tools_as_signatures_before_one_whole() -> None:
    """What one whole tool would take offers two; where room is left, the best is written out."""
    told = "One of the many words that describe it, at some length. " * 12
    tools = [
        {"name": name, "parameters": {"properties": {"city": {"description": told}}}}
        for name in ("find_flights", "book_flights")
    ]
    count = counter("o200k_base").count
    documents = [Document(json.dumps(tool)) for tool in tools]
    best = count(documents[0].page_content)
    tight = trim(documents, "find flights", best + 10, count=count, fill="budget")
    assert [piece.metadata.get("shortened") for piece in tight.documents] == [True, True]
    wide = trim(documents, "find flights", best + 60, count=count, fill="budget")
    assert [piece.metadata.get("shortened") for piece in wide.documents] == [None, True]
    assert wide.documents[0].page_content == documents[0].page_content


@pytest.mark.parametrize("text", ["{}", '{"name": 1, "parameters": {}}', '{"parameters": {', "[1]"])
def test_what_is_no_tool_has_no_signature(text: str) -> None:
    """Other JSON, and broken JSON, is no tool."""
    assert signature(text) is None


def test_python_by_its_syntax() -> None:
    """A short method is whole; of a long one the parts come with its first line and its class."""
    found = units_of(PYTHON)
    said = spans(PYTHON, found)
    assert any(s.lstrip().startswith("def start") and s.endswith("fuel * 2") for s in said)
    trimmed = trim([Document(PYTHON)], "x57", 30, count=words)
    assert "class Engine:" in trimmed.text
    assert "def stop(self):" in trimmed.text
    assert "x57 = 57 + 100" in trimmed.text
    assert "x20 " not in trimmed.text


def test_other_languages_by_indentation() -> None:
    """A function of a language known by its file name is kept whole or under its first line."""
    body = "".join(f"  call({n}, 'with a long text of some words');\n" for n in range(30))
    text = (
        f"import x from 'x';\n\nfunction long() {{\n{body}}}\n\nfunction short() {{\n  go();\n}}\n"
    )
    said = spans(text, units_of(text, "a.js"))
    assert "function short() {\n  go();\n}" in said
    trimmed = trim([Document(text, metadata={"source": "a.js"})], "call(29)", 20, count=words)
    assert "function long() {" in trimmed.text


BRACED = {
    "Go": "package main\n\nfunc Tie(s *Shoe) error {\n\treturn s.knot()\n}\n\nfunc main() {\n\tTie(a)\n}\n",
    "Rust": "use std::io;\n\nimpl Shoe {\n    pub fn tie(&self) -> io::Result<()> {\n        Ok(())\n    }\n}\n",
    "Java": "package a;\n\npublic final class Shoe {\n  public int tie(int laces) {\n    return laces;\n  }\n}\n",
    "JavaScript": "const tie = (shoe) => {\n  return shoe.knot();\n};\n\nmodule.exports = tie;\n",
    "C": "#include <stdio.h>\n\nint\ntie (struct shoe *s)\n{\n  return s->knot;\n}\n",
    "C#": "using System;\n\nnamespace Shop\n{\n    class Shoe\n    {\n        int laces;\n    }\n}\n",
}


@pytest.mark.parametrize("language", BRACED)
def test_braces_show_code_without_a_name(language: str) -> None:
    """What a tool has read of a file is known as code by how its blocks open and close."""
    found = units_of(BRACED[language])
    assert {unit.kind for unit in found} == {"block"}
    assert spans(BRACED[language], found)[-1].count("{") == spans(BRACED[language], found)[
        -1
    ].count("}")


@pytest.mark.parametrize("text", [
    f"# Laces\n\nHow to tie them.\n\n```js\n{BRACED['JavaScript']}```\n\n# Shoes\n\nThey are tied.\n",
    "He wrote:\n\nfunction tie() {\n  return 1;\n}\n\nNobody knew what for. They asked him.\nHe never said.\n",
    "12:01 INFO at tie (shoe.js:1) {\n12:01 INFO\n}\n12:02 INFO tied\n",
    'Found:\n{\n  "function": {\n    "name": "tie"\n  }\n}\n',
])  # fmt: skip
def test_a_text_that_quotes_code_is_none(text: str) -> None:
    """A page, a letter, a log and a JSON value stay what they are, whatever they quote."""
    assert Code().units(text, "document 1") is None


def test_hunks_come_with_their_file() -> None:
    """A hunk of a diff brings the lines that name its file, and no other file's."""
    spans(DIFF, units_of(DIFF))
    trimmed = trim([Document(DIFF)], "pump", 40, count=words)
    assert trimmed.text.startswith("diff --git a/pump.py")
    assert "+pump = 3" in trimmed.text
    assert "engine" not in trimmed.text
    log = "1 failure:\n--- Expected\n+++ Actual\n@@ @@\n-'a'\n+'b'"
    assert {unit.kind for unit in units_of(log)} == {"line"}


def test_turns_of_a_chat_are_whole() -> None:
    """A transcript gives turns, with all their sentences and lines; a log gives none."""
    talk = "Ann: Hi. How are you?\nBob: Fine!\nAnn: And the cat?\nBob: He sleeps.\nAll day.\n"
    assert spans(talk, units_of(talk)) == [
        "Ann: Hi. How are you?",
        "Bob: Fine!",
        "Ann: And the cat?",
        "Bob: He sleeps.\nAll day.",
    ]
    log = "remote: Counting: 1\nremote: Counting: 2\nremote: Counting: 3\nremote: Done: 4\n" * 3
    assert "turn" not in {unit.kind for unit in units_of(log)}
    assert turns(["WARNING: a", "ERROR: b", "WARNING: a", "ERROR: b"]) == [False] * 4


def test_a_turn_is_found_by_what_it_answers() -> None:
    """Documents that are turns of one chat are scored with the turns around them."""
    talk = ["Ann: Where did you go in spring?", "Bob: To Lisbon, by train."]
    talk += ["Ann: It rains here.", "Bob: The cat sleeps."] * 30
    documents = [Document(turn, metadata={"title": "Monday"}) for turn in talk]
    trimmed = trim(documents, "Where did Bob go in spring?", 30, fill="budget")
    assert "Lisbon" in trimmed.text


def test_headings_come_with_what_they_head() -> None:
    """In Markdown a kept sentence brings its heading, and headings do not stand alone."""
    text = "# Birds\n\nThey sing in the morning.\n\n## Herons\n\nThe clutch is three to five.\n"
    trimmed = trim([Document(text)], "How large is a clutch?", 20)
    assert trimmed.text == "## Herons\n\nThe clutch is three to five."
    fenced = "# One\n\n```\n# no heading\n\nx\n```\n\n# Two\n\nText."
    assert [u.kind for u in units_of(fenced)].count("header") == 2


HTML = """<!DOCTYPE html><html><head><title>Ferries</title><style>p {color: red}</style></head><body>
<h1>Times</h1><p>The <b>ferry</b> leaves at 07:40 from the pier.</p><!-- <p>The old pier.</p> -->
<table><caption>Fares in euros</caption><tr><th>who</th><th>fare</th></tr>
<tr><td>adult</td><td><p>12</p></td></tr><tr><td>child<td>6</table>
<h2>Food</h2><ul><li>There is a kiosk on board.<li>The soup is hot.</ul><script>if (a<b) run("<p>");</script>
</html>"""


def test_html_gives_its_blocks() -> None:
    """Blocks of HTML are units without the tags between them; comments are none."""
    found = units_of(HTML)
    told = spans(HTML, found)
    assert [unit.kind for unit in found] == [
        *("header", "block", "header", "sentence"),
        *("header", "header", "row", "row"),
        *("header", "sentence", "sentence", "block"),
    ]
    assert told[3] == "The <b>ferry</b> leaves at 07:40 from the pier."
    assert told[7] == "<tr><td>child<td>6"
    assert not any("old pier" in text for text in told)


def test_a_row_of_html_brings_its_columns_and_caption() -> None:
    """A row of an HTML table comes with the columns' names, the caption and the heading."""
    trimmed = trim([Document(HTML)], "fare of a child", 10, count=words)
    assert trimmed.text.startswith("Times\nFares in euros\n<tr><th>")
    assert "<th>who</th><th>fare</th>" in trimmed.text
    assert "child" in trimmed.text


@given(
    st.lists(
        st.sampled_from(
            ["<table>", "<tr>", "<td>", "</tr>", "<caption>", "<h2>", "</h2>", "<script>", "</script>",
             "<!--", "-->", "<p", ">", "<", "word ", "<p>", "</p>", "\n", "&nbsp;", "<pre>", "é"]
        ),
        max_size=40,
    ).map("".join)
)  # fmt: skip
def test_html_of_any_shape(text: str) -> None:
    """Broken HTML gives rising, disjoint spans within the text."""
    found = units_of("<!doctype html>" + text)
    spans("<!doctype html>" + text, found)


def test_a_caption_comes_with_its_table() -> None:
    """A row brings the line that says what its table's figures are, and may stand by itself."""
    text = (
        "Boats sail on all days of the year.\n\nFares (in euros, one way)\n| who | fare |\n"
        "|---|---|\n| adult | 12 |\n| child | 6 |\n"
    )
    trimmed = trim([Document(text)], "adult", 16, count=words)
    assert trimmed.text == "Fares (in euros, one way)\n| who | fare |\n|---|---|\n| adult | 12 |"
    loose = "The crossing takes half an hour.\n\n| who | fare |\n|---|---|\n| adult | 12 |"
    assert units_of(loose)[1].header == -1
    assert (
        trim([Document(text)], "Fares one way", 5, count=words).text == "Fares (in euros, one way)"
    )


def log(lines: int) -> str:
    fetched = [f"2024-05-01 12:00:{n % 60:02} INFO fetched block {n}" for n in range(lines)]
    return "\n".join(
        [
            *fetched,
            "2024-05-01 12:01:01 ERROR cannot open /data/x",
            "Traceback (most recent call last):",
            '  File "a.py", line 3, in f',
            "    open(x)",
            "FileNotFoundError: /data/x",
            *(f"2024-05-01 12:02:{n:02} ERROR retry {n} failed" for n in range(5)),
            "2024-05-01 12:03:02 INFO shutting down",
        ]
    )


def test_a_run_of_a_log_collapses_with_its_count() -> None:
    """What is left out of lines that differ in numbers only is counted beside the line kept."""
    text = log(60)
    trimmed = trim([Document(text)], "When was block 17 fetched?", 15, count=words)
    assert trimmed.text == (
        "[17 more like this]\n2024-05-01 12:00:17 INFO fetched block 17\n[42 more like this]"
    )
    assert trimmed.documents[0].metadata["more_like_this"] == (17, 42)
    full = trim([Document(text)], "Why did it fail?", 200, count=words, fill="budget")
    assert 190 <= full.tokens <= 200
    assert "more like this]" in full.text
    assert "cannot open /data/x" in full.text
    assert trim([Document(text)], "Why?", 9_999, count=words, fill="budget").text == text


def test_a_run_that_is_kept_is_not_counted() -> None:
    """Lines of a run that follow each other are kept verbatim; the last has the count."""
    found = units_of(log(60))
    assert {unit.like for unit in found[:60]} == {0}
    assert {unit.like for unit in found[60:]} == {-1}


def test_a_trace_is_one_event_and_failures_are_told_apart() -> None:
    """A stack trace is kept whole; lines that tell of a failure never collapse."""
    told = spans(log(60), units_of(log(60)))
    (trace,) = [text for text in told if text.startswith("Traceback")]
    assert trace.endswith("FileNotFoundError: /data/x")
    assert sum("retry" in text for text in told) == 5


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["# A\n\n", "def f(x):\n", "    return 1\n", "Ann: Hi.\n", "Bob: Ho.\n", '{"a": [1, 2]}\n',
             "@@ -1 +1 @@\n", "--- a\n+++ b\n", "diff --git a b\n", "}\n", "{\n", "\r\n", "é 你好。 ",
             "x" * 700 + "\n", "class A:\n", "if x: y\n", "\t\t- z\n", "\x00\ud800"]
        ),
        max_size=40,
    ).map("".join),
    st.sampled_from(["", "a.py", "a.js", "a.md"]),
)  # fmt: skip
def test_units_of_anything(text: str, source: str) -> None:
    """Any mixture of kinds gives rising, disjoint spans that hold all there is."""
    found = units_of(text, source)
    kept = "".join(spans(text, found))
    if not any(unit.path for unit in found):
        assert "".join(kept.split()) == "".join(text.split())


def test_a_kind_can_be_named_and_added() -> None:
    """Metadata names the kind, a name that no kind has is refused, and one's own kind is used."""

    class Verse:
        name = "verse"

        def units(self, text: str, source: str) -> list[Unit] | None:
            del source
            return [Unit(0, len(text), "block")] if text.startswith("O ") else None

    poem = Document("O engine.\n\nO car.", metadata={"kind": "verse"})
    kept = trim([poem], "engine", 9, kinds=(Verse(), *KINDS))
    assert kept.text == poem.page_content
    with pytest.raises(ValueError, match="no kind of text called 'verse'"):
        trim([poem], "engine", 9)
