"""The report of an evaluation: its figures in words, in Markdown, in pictures and on the page."""

from __future__ import annotations

import base64
import json
import re
import sys
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from inline_snapshot import snapshot
from tests.evals.report.made import a_case, a_run, silent

from shoestring.budget import Amount
from shoestring.evals import BrokenRun, Case, Passage, RunFolder, Suite, sweep
from shoestring.evals.report import packing, write_report
from shoestring.evals.report.charts import charted, pictures
from shoestring.evals.report.evidence import evidence_of
from shoestring.evals.report.markdown import markdown, sentences
from shoestring.evals.report.summary import fields_of, summarise
from shoestring.evals.scorers import Contains
from shoestring.models import MissingExtra

if TYPE_CHECKING:
    from pathlib import Path

    from shoestring.evals import Task

HOSTILE = "</script><script>alert(1)</script>| `x` $y$ \u202e\x00"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run of 24 cases."""
    return a_run(tmp_path_factory.mktemp("run"), 24)


def data_of(page: str) -> Any:
    (block,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL
    )
    return json.loads(block)


def packed_in(page: str, kind: str) -> list[Any]:
    """What is packed into a page, unpacked."""
    blocks = re.findall(
        rf'<script type="application/octet-stream" id="{kind}-\d+">(.*?)</script>', page
    )
    return [json.loads(zlib.decompress(base64.b64decode(block))) for block in blocks]


def test_in_words(run: RunFolder) -> None:
    """What the figures say is said, with the budget to choose and what went wrong."""
    assert list(sentences(summarise(run))) == snapshot(
        [
            (
                "24 cases, 48 runs. Right is what the scorer 'contains' says; "
                "intervals are 95 % bootstrap intervals over cases."
            ),
            (
                "The cheapest budget within one point of the best (95.8 %) is 60 tokens "
                "(route of its choice): 95.8 % [75.0, 100.0] at 23 tokens a question."
            ),
            "Self-consistency at matched budget is not shown: it needs several seeds.",
            "No cap was passed. 2 runs went wrong; each counts as not right.",
        ]
    )


def test_a_budget_that_pays_for_nothing_is_told_and_not_drawn(tmp_path: Path) -> None:
    """It stands in the table; the curve, on its logarithmic axis, begins where something was bought."""

    def paying(task: Task) -> str:
        with task.ledger.reserve(Amount(40, 0, 0, 1)) as hold:
            hold.dispatching()
            hold.settle(Amount(40, 0, 0, 1))
        return "amber"

    suite = Suite("lamps", tuple(a_case(n) for n in range(6)))
    run = sweep(
        paying, suite, budgets=[5, 50], scorers=[Contains()],
        folder=tmp_path / "run",
    )  # fmt: skip
    summary = summarise(run)
    assert list(sentences(summary))[-1] == (
        "No cap was passed. 6 runs needed more than their budget; each counts as not right."
    )
    (series,) = charted(summary)["series"]
    assert [point["budget"] for point in series["points"]] == ["50 tokens"]
    assert "| 5 tokens | 6 | 0.0 |" in markdown(summary, "curve.svg")
    assert len(pictures(summary)) == 4


def test_as_markdown(run: RunFolder) -> None:
    """The table holds every budget, and whom a smaller one hurts; no text of a case stands in it."""
    text = markdown(summarise(run), "curve.svg")
    rows = [line.split(" | ")[1:4] for line in text.splitlines() if "of its choice" in line]
    assert [row[:2] for row in rows[1:]] == [["60 tokens", "24"], ["400 tokens", "24"]]
    assert "![Accuracy against mean tokens a question, with 95 % intervals](curve.svg)" in text
    assert "harbour" not in text
    assert re.search(r"\| language \| (en|fr) \|", text)


def test_four_files(run: RunFolder, tmp_path: Path) -> None:
    """The page, its figures, and the curve as a vector and as pixels; twice the same bytes."""
    files = write_report(run, tmp_path / "report.html")
    assert [file.name for file in files] == ["report.html", "report.md", "curve.svg", "curve.png"]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(file.name for file in files)
    first = [file.read_bytes() for file in files]
    assert first[2].startswith(b"<?xml")
    assert first[3].startswith(b"\x89PNG")
    assert [file.read_bytes() for file in write_report(run, tmp_path / "report.html")] == first


def test_contexts_are_packed_once(tmp_path: Path) -> None:
    """Cases over one context, under all budgets, have it in the page once."""
    passage = Passage("p", "Log", "The lamp shines in amber light. " * 50)
    cases = tuple(Case(f"c{n}", f"Which light? {n}", (passage,), ("amber",)) for n in range(6))
    run = sweep(
        silent, Suite("one", cases), budgets=[10, 20], scorers=[Contains()],
        folder=tmp_path / "run",
    )  # fmt: skip
    files = write_report(run, tmp_path / "report.html")
    page = files[0].read_text(encoding="utf-8")
    (contexts,) = packed_in(page, "context")
    assert len(contexts) == 1
    (rows,) = packed_in(page, "block")
    assert [row["context"] for row in rows] == [[0, 0]] * 6


def test_what_each_case_holds(run: RunFolder, tmp_path: Path) -> None:
    """Each run of a case has its answer, scores, receipt and X-ray, and its failure with the traceback."""
    page = write_report(run, tmp_path / "report.html")[0].read_text(encoding="utf-8")
    data = data_of(page)
    rows = [row for block in packed_in(page, "block") for row in block]
    assert len(data["cases"]) == len(rows) == 24
    failed = next(one for one in data["cases"] if one["failed"])
    row = packed_in(page, "block")[failed["at"][0]][failed["at"][1]]
    assert row["runs"][0]["error"] == "OSError: the line is dead"
    assert "raise OSError" in row["runs"][0]["traceback"]
    good = rows[-1]["runs"][1]
    assert good["scores"]["contains"] == 1
    assert good["waterfall"]["lines"][0]["cached"] == 5
    assert good["waterfall"]["cap"] == 400
    ((runs, _),) = [look["runs"] for look in good["looks"]]
    assert data["reasons"][runs[1]] == "kept"


def test_of_many_cases_a_sample(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past a number of cases a sample is shown, and said to be one; the figures are of all."""
    monkeypatch.setattr(packing, "MOST_CASES", 5)
    page = write_report(run, tmp_path / "report.html")[0].read_text(encoding="utf-8")
    assert len(data_of(page)["cases"]) == 5
    assert "A sample of 5 of 24 cases" in page
    assert "24 cases, 48 runs" in page


def test_hostile_names(tmp_path: Path) -> None:
    """Markup in the names of suite, fields and cases stays text on the page, and in Markdown cells."""
    run = a_run(tmp_path / "run", 12, poison=[HOSTILE, "plain"], name=HOSTILE)
    files = write_report(run, tmp_path / "report.html")
    page = files[0].read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert page.count("</script") == page.count("<script")
    table = [
        line
        for line in files[1].read_text(encoding="utf-8").splitlines()
        if line.startswith("| about")
    ]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {8}
    assert "<script" not in files[1].read_text(encoding="utf-8").replace(r"\<", "")


def test_votes_at_matched_budget(tmp_path: Path) -> None:
    """Where there are several seeds, self-consistency stands beside the curve as its baseline."""
    summary = summarise(a_run(tmp_path / "run", 6, seeds=3))
    (baseline,) = [one for one in summary.series if one.baseline]
    assert [point.budget for point in baseline.points] == ["1 sample", "2 samples", "3 samples"]
    assert "not shown" not in " ".join(sentences(summary))


def test_a_folder_that_holds_no_run(tmp_path: Path) -> None:
    """A folder without a run, or one in which nothing is finished, is refused by name."""
    with pytest.raises(BrokenRun, match="holds no run"):
        write_report(tmp_path, tmp_path / "report.html")
    run = a_run(tmp_path / "run", 2)
    (run.path / "results.jsonl").unlink()
    with pytest.raises(BrokenRun, match="no finished run"):
        write_report(run, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("missing", ["jinja2", "plotly", "matplotlib"])
def test_without_a_package(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Where a package is missing the error says what to install, and nothing is written."""
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'shoestring[report]'")):
        write_report(run, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_where_evidence_stands() -> None:
    """Answers in gold passages, evidence strings, lines of logs; a gold passage without any as a whole."""

    def held(case: Case) -> list[str]:
        texts = {f"passage {n}": passage.text for n, passage in enumerate(case.passages)}
        return [texts[one.source][one.start : one.end] for one in evidence_of(case)]

    assert held(a_case(1)) == ["beige"]
    passages = (Passage("a", "", "Red\n tape, reddish.", gold=True), Passage("b", "", "red tape"))
    assert held(Case("1", "?", passages, ("red tape",))) == ["Red\n tape"]
    assert held(Case("1", "?", passages, ("nothing",))) == ["Red\n tape, reddish."]
    unmarked = (Passage("a", "", "a red b"), Passage("b", "", "RED"))
    assert held(Case("1", "?", unmarked, ("red",))) == ["red", "RED"]
    logs = (Passage("a", "", "one\ntwo\nthree"), Passage("b", "", "four"))
    assert held(Case("1", "?", logs, (), {"gold_lines": [2, 4]})) == ["two", "three", "four"]
    assert held(Case("1", "?", unmarked, ("x",), {"evidence_strings": ["b"]})) == ["b"]


def test_fields_that_make_groups() -> None:
    """A field with few values makes groups; one with a value of its own for each case does not."""
    cases = [Case(str(n), "?", (), (), {"id": n, "half": n % 2, "same": 1}) for n in range(30)]
    assert fields_of(cases) == ["half"]
