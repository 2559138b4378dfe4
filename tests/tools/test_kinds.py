"""Tests of the kinds of text: what is kept whole, and what it brings along."""

import json
from itertools import pairwise
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from shoestring.tools.kinds import KINDS, units_of
from shoestring.tools.kinds.chat import turns
from shoestring.tools.kinds.tool_schema import signature
from shoestring.tools.trim import trim
from shoestring.tools.units import Unit

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
