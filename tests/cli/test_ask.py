"""`shoestring ask`: an answer with its sources and its receipt, within the budget."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from inline_snapshot import snapshot

from shoestring.cli import ask as asking
from shoestring.cli import plan as planning
from shoestring.tools import Outline, Update

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import CountingServer

ROOT = Path(__file__).parents[2]
CAPS = {"tokens", "usd", "calls", "seconds"}
QUESTION = "When does the grey heron hunt?"


def shown(output: str) -> str:
    """What a person sees: rich pads lines with blanks."""
    return "\n".join(line.rstrip() for line in output.splitlines()) + "\n"


def test_json_is_one_object_with_everything(run: Callable[..., Any], birds: Path) -> None:
    """--json prints exactly the documented keys, each of its documented shape."""
    ran = run("ask", QUESTION, "birds", "--model", "quote", "--json", "--usd", "0.5")
    assert ran.exit_code == 0, ran.stderr
    assert ran.stderr == ""
    found = json.loads(ran.stdout)
    assert set(found) == {
        "answer", "kind", "route", "sources", "limit", "spent", "remaining", "stopped_by",
        "receipt", "dropped",
    }  # fmt: skip
    assert (found["kind"], found["route"], found["stopped_by"]) == ("quote", "quote", None)
    assert "The grey heron hunts at dusk." in found["answer"]
    assert found["limit"] == {"tokens": None, "usd": 0.5, "calls": None, "seconds": None}
    assert found["remaining"] == found["limit"]
    assert set(found["spent"]) == CAPS
    assert (found["spent"]["tokens"], found["spent"]["usd"], found["spent"]["calls"]) == (0, 0, 0)
    assert found["spent"]["seconds"] > 0
    assert isinstance(found["dropped"], int)
    for line in found["receipt"]:
        assert set(line) == {"node", "route", "what", "reserved", "spent", "basis", "detail"}
        assert set(line["reserved"]) == set(line["spent"]) >= {"tokens", "usd", "calls"}
        assert line["basis"] in {"measured", "estimated", "presumed"}
    assert [line["node"] for line in found["receipt"]] == ["plan", "trim", "check"]


@pytest.mark.usefixtures("lexical")
def test_only_routes_asked_for_are_taken(
    run: Callable[..., Any],
    birds: Path,
    server: CountingServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """--route takes the route named where the planner by itself would take another."""
    del birds

    def says(_body: dict[str, Any]) -> str:
        return "The grey heron hunts at dusk [1]."

    def model(_spec: str) -> Any:
        return server.model()

    server.says = says
    monkeypatch.setattr(asking, "model_of", model)
    asked = ["ask", QUESTION, "birds", "--json", "--tokens", "6000"]
    for options, route in (
        ([], "chain_of_thought"),
        (["--route", "chain_of_draft", "--route", "quote"], "chain_of_draft"),
        (["--route", "direct"], "direct"),
        (["--policy", "expected", "--worth", "5000", "--forecasts", "runs.json"], "direct"),
    ):
        ran = run(*asked, *options)
        assert ran.exit_code == 0, ran.stderr
        found = json.loads(ran.stdout)
        assert (found["route"], found["kind"]) == (route, "generated")
    (learned,) = json.loads(Path("runs.json").read_bytes())["routes"]
    assert (learned["route"], learned["runs"]) == ("direct", 1)


@pytest.mark.usefixtures("lexical")
def test_a_long_document_is_read_by_its_outline(
    run: Callable[..., Any],
    birds: Path,
    server: CountingServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The planner leads the model through a long document; the outline is kept beside the index, and reused."""

    def says(body: dict[str, Any]) -> str:
        shown = re.findall(r"\[([a-z2-7]{10})\] Nests", str(body["messages"][-1]["content"]))
        return " ".join(shown) or "A clutch holds four eggs."

    def chapter(number: int) -> str:
        letters = (f"Letter {number}.{n} is about the weather over the marsh." for n in range(40))
        return f"## Chapter {number}\n\n{' '.join(letters)}"

    text = (birds / "herons.md").read_text(encoding="utf-8")
    (birds / "herons.md").write_text(f"{text}\n" + "\n\n".join(map(chapter, range(40))))
    server.says = says

    def model(_spec: str) -> Any:
        return server.model()

    for module in (asking, planning):
        monkeypatch.setattr(module, "model_of", model)
    question = ["How many eggs does a clutch hold?", "birds", "--index=kept", "--json"]
    planned = run("plan", *question)
    assert server.requests == []
    assert json.loads(planned.stdout)["route"] == "reading", planned.stderr
    kept = Path("kept.outline.sqlite3")
    updates: list[Update] = []
    update = Outline.update

    def noting(self: Outline, *args: Any, **given: Any) -> Update:
        updates.append(update(self, *args, **given))
        return updates[-1]

    monkeypatch.setattr(Outline, "update", noting)
    found = json.loads(run("ask", *question).stdout)
    assert (found["route"], found["kind"]) == ("reading", "generated")
    assert found["sources"][0]["text"] in text
    assert updates == [Update(added=0, changed=0, unchanged=2, removed=0)]
    (birds / "herons.md").write_text(text.replace("four", "three"))
    found = json.loads(run("ask", *question, "--route", "reading", "--tokens", "3000").stdout)
    assert found["spent"]["tokens"] <= 3_000
    assert updates[1:] == [Update(added=0, changed=1, unchanged=1, removed=0)]
    with Outline.load(kept) as outline:
        assert "three eggs" in outline.read("How many eggs does a clutch hold?", 60).text


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--route", "shortcut"], "no route is called 'shortcut': there are quote, direct"),
        (["--route", "quote", "--route", "quote"], "each with a name of its own"),
        (["--route", "direct", "--model", "quote"], "--route direct needs a model"),
    ],
)
def test_routes_that_cannot_be_taken(
    run: Callable[..., Any], birds: Path, options: list[str], told: str
) -> None:
    """An unknown route, one named twice, or one without its model ends in one line."""
    del birds
    ran = run("ask", QUESTION, "birds", *options)
    assert ran.exit_code == 2
    assert told in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.usefixtures("lexical")
def test_a_page(run: Callable[..., Any], birds: Path) -> None:
    """--html shows what was retrieved, what the trim left of it, and the receipt."""
    ran = run("ask", QUESTION, "birds", "--model", "quote", "--html", "answer.html")
    assert ran.exit_code == 0, ran.stderr
    page = (birds.parent / "answer.html").read_text(encoding="utf-8")
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert {one["source"] for one in data["xray"]["documents"]} >= {"birds/herons.md"}
    assert [look["note"] for look in data["xray"]["looks"]] == ["28 of 160 tokens of room used"]
    assert [line["node"] for line in data["waterfall"]["lines"]] == ["plan", "trim", "check"]
    assert data["waterfall"]["cap"] == asking.DEFAULT_TOKENS


def test_no_page_no_answer(
    run: Callable[..., Any], birds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the page cannot be written the question is not asked: nothing is spent."""
    asked: list[str] = []
    monkeypatch.setattr(asking, "model_of", asked.append)
    ran = run("ask", QUESTION, "birds", "--html", "missing/answer.html")
    assert (ran.exit_code, asked) == (2, [])
    assert "cannot be written: no such folder" in ran.stderr
    monkeypatch.setitem(sys.modules, "jinja2", None)
    ran = run("ask", QUESTION, "birds", "--html", "answer.html")
    assert (ran.exit_code, asked) == (2, [])
    assert "pip install 'shoestring[report]'" in ran.stderr


@pytest.mark.usefixtures("lexical")
def test_spans_are_exact(run: Callable[..., Any], birds: Path) -> None:
    """The text of each source stands in the file between `start` and `end`."""
    text = "Vögel. \N{OWL}\r\n\r\nDer Graureiher jagt in der Dämmerung. Er steht still.\n"
    (birds / "reiher.txt").write_bytes(text.encode())
    found = json.loads(
        run("ask", "Graureiher Dämmerung", "birds", "--model=quote", "--json").stdout
    )
    (source,) = found["sources"]
    assert source["source"] == "birds/reiher.txt"
    assert "Graureiher jagt" in source["text"]
    assert text[source["start"] : source["end"]] == source["text"]


@pytest.mark.usefixtures("lexical")
def test_an_answer_as_a_person_sees_it(run: Callable[..., Any], birds: Path) -> None:
    """Excerpts under a bar with their place, then the receipt, then what is left of the cap."""
    ran = run("ask", QUESTION, "birds", "--model", "quote")
    assert ran.exit_code == 0, ran.stderr
    assert shown(ran.stdout) == snapshot("""\
quote

  │ # Herons
  │
  │ The grey heron hunts at dusk. It stands still for up to an hour.
  birds/herons.md:0-74

receipt  reserved  spent
quote
  plan                    quote, free of charge: no other route is left
  trim                    28 of 160 tokens of room used
  check                   passed

tokens  ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  0 of 6,000 spent
""")
    assert ran.stderr == ""


@pytest.mark.usefixtures("lexical")
def test_abstaining_is_an_answer(run: Callable[..., Any], birds: Path) -> None:
    """What the files do not tell is said plainly, and is no failure."""
    ran = run("ask", "Who won the chess match?", "birds", "--model", "quote")
    assert ran.exit_code == 0
    assert shown(ran.stdout) == snapshot("""\
abstained

  No answer: the best excerpt has a chance of 0% to answer.

receipt   reserved  spent
quote
  plan                     quote, free of charge: no other route is left
  trim                     0 of 160 tokens of room used; 1 piece dropped
  check                    the best excerpt has a chance of 0% to answer
no route
  plan                     no other route is left; not quote: tried before

tokens  ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  0 of 6,000 spent
""")


@pytest.mark.usefixtures("lexical")
@pytest.mark.parametrize("cap", ["--tokens=0", "--calls=0", "--seconds=0", "--tokens=25"])
def test_a_cap_too_small_for_any_call_still_answers(
    run: Callable[..., Any], birds: Path, cap: str
) -> None:
    """Where no model call fits, the excerpts come, nothing is spent, and the cap is named."""
    ran = run("ask", QUESTION, "birds", cap, "--json")
    assert ran.exit_code == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert (found["kind"], found["spent"]["tokens"], found["spent"]["calls"]) == ("quote", 0, 0)
    assert found["stopped_by"] == cap[2:].partition("=")[0]


@pytest.mark.usefixtures("lexical")
def test_without_a_cap_there_is_one(run: Callable[..., Any], birds: Path) -> None:
    """Nobody spends without a limit by leaving the options out."""
    found = json.loads(run("ask", QUESTION, "birds", "--model", "quote", "--json").stdout)
    assert found["limit"]["tokens"] == asking.DEFAULT_TOKENS


@pytest.mark.usefixtures("lexical")
def test_what_was_not_read_is_told(run: Callable[..., Any], birds: Path) -> None:
    """Skipped files are named on stderr, however they are called; hidden ones are expected."""
    (birds / "[red]a\nb\x1b[1m.bin").write_bytes(b"\0\1\2")
    (birds / "broken.txt").write_bytes(b"Herons \xff\xfe fish.")
    (birds / ".hidden").write_text("x", encoding="utf-8")
    for number in range(6):
        (birds / f"z{number}.bin").write_bytes(b"\0")
    ran = run("ask", QUESTION, "birds", "--model", "quote", "--json")
    assert ran.exit_code == 0
    assert ran.stderr == snapshot("""\
skipped birds/[red]a b�[1m.bin: it is binary, not text
skipped birds/broken.txt: 2 invalid UTF-8 bytes replaced; the rest is read
skipped birds/z0.bin: it is binary, not text
skipped birds/z1.bin: it is binary, not text
skipped birds/z2.bin: it is binary, not text
skipped 3 more
""")
    json.loads(ran.stdout)


@pytest.mark.usefixtures("lexical")
def test_bytes_that_are_no_text_in_a_question(run: Callable[..., Any], birds: Path) -> None:
    """A question typed in another encoding is asked with those bytes replaced."""
    ran = run("ask", "grey heron hunts \udcff", "birds", "--model", "quote", "--json")
    assert ran.exit_code == 0, ran.stderr
    assert json.loads(ran.stdout)["kind"] == "quote"


@pytest.mark.usefixtures("lexical")
def test_a_second_question_finds_the_index(run: Callable[..., Any], birds: Path) -> None:
    """The index is kept, follows the files, and may be kept where one likes."""
    asked = ["ask", "Where do herons sleep?", "birds", "--model=quote", "--json", "--index=kept"]
    first = json.loads(run(*asked).stdout)
    assert Path("kept/manifest.sqlite3").is_file()
    assert not Path("cache/shoestring").exists()
    (birds / "herons.md").write_text("Herons sleep in reeds.\n", encoding="utf-8")
    second = json.loads(run(*asked).stdout)
    assert "reeds" not in first["answer"]
    assert second["sources"][0]["text"] == "Herons sleep in reeds."


@pytest.mark.slow
def test_less_money_takes_a_cheaper_route(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over this repository's docs, with the real model: three budgets, three routes, no cap passed."""
    monkeypatch.chdir(ROOT)
    first: list[str] = []
    for tokens in (300, 1_500, 6_000):
        asked = ["ask", "What does answer_reserve do?", "README.md", "docs"]
        ran = run(*asked, "--tokens", str(tokens), "--json")
        assert ran.exit_code == 0, ran.stderr
        found = json.loads(ran.stdout)
        assert found["spent"]["tokens"] <= tokens
        assert found["spent"]["tokens"] + found["remaining"]["tokens"] == tokens
        assert sum(line["spent"]["tokens"] for line in found["receipt"]) == found["spent"]["tokens"]
        assert found["spent"]["calls"] > 0 or first == []
        for source in found["sources"]:
            text = Path(source["source"]).read_text(encoding="utf-8")
            assert text[source["start"] : source["end"]] == source["text"]
        first.append(next(line["route"] for line in found["receipt"] if line["what"] == "plan"))
    assert first == ["quote", "direct", "chain_of_thought"]
