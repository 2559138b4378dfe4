"""Cases: joined from their files; what is broken is named."""

import gzip
import json
from pathlib import Path

import pytest

from shoestring.evals import cases as module
from shoestring.evals.cases import BrokenCases, Case, Passage, choose, read_cases


def write(file: Path, *rows: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(file, "wt", encoding="utf-8") as out:
        out.writelines((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def test_passages_in_place(tmp_path: Path) -> None:
    """A case that carries its passages is read as it stands, marks and all."""
    passages = [{"id": "p0", "title": "T", "text": "x", "gold": True}]
    row = {"id": "1", "question": "q?", "answers": ["a"], "passages": passages, "meta": {"k": 1}}
    write(tmp_path / "dev.jsonl.gz", row, "")
    assert read_cases(tmp_path) == [
        Case("1", "q?", (Passage("p0", "T", "x", gold=True),), ("a",), {"k": 1})
    ]


def test_shared_contexts_and_passages_are_joined(tmp_path: Path) -> None:
    """Contexts and passages stored once are joined in, and gold ids become marks."""
    write(
        tmp_path / "dev.jsonl.gz",
        {"id": "1", "question": "q", "answers": [], "context_id": "c", "gold_ids": ["b"]},
        {"id": "2", "question": "q", "answers": [], "passage_ids": ["y", "x"], "gold_ids": ["y"]},
    )
    pair = [{"id": "a", "title": "", "text": "one"}, {"id": "b", "title": "", "text": "two"}]
    write(tmp_path / "dev.contexts.jsonl.gz", {"context_id": "c", "passages": pair})
    write(
        tmp_path / "dev.passages.jsonl.gz",
        {"pid": "x", "title": "X", "text": "three"},
        {"pid": "y", "title": "Y", "text": "four"},
    )
    first, second = read_cases(tmp_path)
    assert [(p.text, p.gold) for p in first.passages] == [("one", False), ("two", True)]
    assert [(p.text, p.gold) for p in second.passages] == [("four", True), ("three", False)]


def test_history_is_part_of_the_question() -> None:
    """Earlier turns stand before the question; a history that is no list is left aside."""
    assert Case("1", "And 2010?", (), meta={"history": ["In 2009?"]}).asked == "In 2009?\nAnd 2010?"
    assert Case("1", "And 2010?", (), meta={"history": 3}).asked == "And 2010?"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{not json", r"dev\.jsonl\.gz, line 2: not a JSON object"),
        ("[1]", "line 2: not a JSON object"),
        ("[" * 100_000, "line 2: not a JSON object"),
        ({"question": "q"}, 'line 2: "id" is missing'),
        ({"id": "1", "question": 5}, 'line 2: "question" is missing or no string'),
        ({"id": "1", "question": "q", "answers": "a"}, 'line 2: "answers" is no list of strings'),
        ({"id": "1", "question": "q", "passages": 3}, 'line 2: "passages" is no list'),
        ({"id": "1", "question": "q", "passages": [3]}, "line 2: a passage is no object"),
        ({"id": "1", "question": "q", "context_id": "z"}, "line 2: its context 'z' is in no file"),
        ({"id": "1", "question": "q", "passage_ids": ["z"]}, "line 2: its passage 'z' is in no"),
        ({"id": "1", "question": "q", "meta": [1]}, 'line 2: "meta" is no object'),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, row: object, message: str) -> None:
    """A line that is not what it should be is refused by file and number."""
    write(tmp_path / "dev.jsonl.gz", {"id": "0", "question": "q", "passages": []}, row)
    with pytest.raises(BrokenCases, match=message):
        read_cases(tmp_path)


def test_endless_lines_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond the bound is refused without being read to its end."""
    monkeypatch.setattr(module, "_LONGEST_LINE", 1000)
    write(tmp_path / "dev.jsonl.gz", "x" * 5000)
    with pytest.raises(BrokenCases, match="line 1: longer than 1,000 bytes"):
        read_cases(tmp_path)


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    """A missing file and one that is cut or no gzip are named."""
    with pytest.raises(BrokenCases, match=r"dev\.jsonl\.gz: no such file"):
        read_cases(tmp_path)
    file = tmp_path / "dev.jsonl.gz"
    file.write_bytes(b"plain text")
    with pytest.raises(BrokenCases, match="cannot be read"):
        read_cases(tmp_path)
    write(file, {"id": "1", "question": "q", "passages": []})
    file.write_bytes(file.read_bytes()[:-12])
    with pytest.raises(BrokenCases, match="cannot be read"):
        read_cases(tmp_path)


def test_choice_is_stable_and_mixed() -> None:
    """The same cases are chosen whatever the order of the file, and not just its first."""
    cases = [Case(str(i), "q", ()) for i in range(50)]
    chosen = choose(cases, 10)
    assert choose(cases[::-1], 10) == chosen
    assert chosen != cases[:10]
    assert choose(cases, None) == cases
