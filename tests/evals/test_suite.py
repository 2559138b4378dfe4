"""Suites: from files of any kind, with what is broken named or left out."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from shoestring.evals.cases import BrokenCases, Case, Passage
from shoestring.evals.suite import Suite

if TYPE_CHECKING:
    from pathlib import Path


def test_jsonl_plain_packed_and_in_a_folder(tmp_path: Path) -> None:
    """The same cases, wherever they stand."""
    lines = "".join(
        json.dumps({"id": str(n), "question": f"q{n}", "answers": ["a"]}) + "\n" for n in range(2)
    )
    (tmp_path / "set").mkdir()
    plain, packed = tmp_path / "set" / "dev.jsonl", tmp_path / "other.jsonl.gz"
    plain.write_text(lines)
    packed.write_bytes(gzip.compress(lines.encode()))
    suites = [Suite.read(path) for path in (plain, packed, tmp_path / "set")]
    assert [suite.name for suite in suites] == ["dev", "other", "set"]
    assert len({suite.digest for suite in suites}) == 1
    assert suites[0].choose(1).cases[0] in suites[0].cases


def test_csv_columns_are_fields(tmp_path: Path) -> None:
    """Answers may be one or a JSON list; what is not known becomes `meta`."""
    file = tmp_path / "sums.csv"
    file.write_text(
        "\ufeffid,question,answers,context,language\n"
        'a,1 + 1?,2,"One, and one: 2.",en\n'
        ',2 + 2?,"[""4"", ""four""]",,de\n',
        encoding="utf-8",
    )
    first, second = Suite.read(file).cases
    assert first == Case(
        "a", "1 + 1?", (Passage("p0", "", "One, and one: 2."),), ("2",), {"language": "en"}
    )
    assert (second.id, second.answers, second.passages) == ("2", ("4", "four"), ())


def test_rows_of_a_dataset_are_cases() -> None:
    """Columns are named, and answers may stand as SQuAD's do."""
    rows = [{"q": "Where?", "gold": {"text": ["here"], "answer_start": [3]}, "doc": ["a", "b"]}]
    suite = Suite.from_rows("squad", rows, question="q", answers="gold", context="doc")
    (case,) = suite.cases
    assert (case.id, case.answers, [p.text for p in case.passages]) == ("1", ("here",), ["a", "b"])


def test_what_is_broken_is_left_out_on_request(tmp_path: Path) -> None:
    """A broken line, a missing question, an id given twice: told of, and the rest is there."""
    file = tmp_path / "x.jsonl"
    file.write_text('{"id": "1", "question": "a"}\n{oops\n[]\n{"id": "1", "question": "b"}\n')
    with pytest.raises(BrokenCases, match="line 2: not a JSON object"):
        Suite.read(file)
    told: list[BrokenCases] = []
    assert [case.question for case in Suite.read(file, on_bad=told.append).cases] == ["a"]
    assert [str(error).partition(": ")[0].rpartition(", ")[2] for error in told[:2]] == [
        "line 2",
        "line 3",
    ]
    assert "id '1' is given twice" in str(told[2])
    table = tmp_path / "x.csv"
    table.write_text("question\n\nok\n")
    told.clear()
    table.write_text("id,question\n1,\n2,ok\n")
    assert len(Suite.read(table, on_bad=told.append).cases) == 1
    assert "row 1" in str(told[0])
    rows: list[dict[str, object]] = [
        {"id": 1, "question": "a"},
        {"id": 2},
        {"id": 1, "question": "b"},
    ]
    with pytest.raises(BrokenCases, match='row 2: "question" is missing or empty'):
        Suite.from_rows("rows", rows)
    told.clear()
    assert len(Suite.from_rows("rows", rows, on_bad=told.append).cases) == 1
    assert ["row 2" in str(told[0]), "given twice" in str(told[1])] == [True, True]


def test_a_suite_that_is_none_is_refused(tmp_path: Path) -> None:
    """No cases, two of one id, no file."""
    case = Case("1", "q", ())
    with pytest.raises(BrokenCases, match="has no cases"):
        Suite("s", ())
    with pytest.raises(BrokenCases, match="two cases with id '1'"):
        Suite("s", (case, case))
    with pytest.raises(BrokenCases, match="no such file"):
        Suite.read(tmp_path / "none.jsonl")
    with pytest.raises(BrokenCases, match="cannot be read"):
        Suite.read(tmp_path / "none.csv")


def test_the_digest_tells_every_part() -> None:
    """An answer, a mark, a field: none is changed unseen."""
    base = Case("1", "q", (Passage("p", "t", "x"),), ("a",), {"k": 1})
    others = [
        Case("1", "q", (Passage("p", "t", "x", gold=True),), ("a",), {"k": 1}),
        Case("1", "q", (Passage("p", "t", "x"),), ("b",), {"k": 1}),
        Case("1", "q", (Passage("p", "t", "x"),), ("a",), {"k": 2}),
        Case("1", "q", (Passage("p", "t", "\ud800"),), ("a",), {"k": 1}),
    ]
    assert len({Suite("s", (case,)).digest for case in (base, *others)}) == 5
