"""Every example runs as it stands."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
LONGEST = 60


def run(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run an example's `main` and return what it printed."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main()
    return capsys.readouterr().out


def test_quickstart_answers_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    """The quickstart finds the 45 days and shows the span they stand in."""
    out = run("quickstart", capsys)
    assert "45" in out
    assert "handbook.txt" in out


def test_the_guarded_chain_stops_at_its_cap(capsys: pytest.CaptureFixture[str]) -> None:
    """The chain answers until the next call would not fit, then is refused."""
    out = run("guard_a_chain", capsys)
    assert "refused" in out
    spent = int(out.rsplit("spent ", 1)[1].split()[0])
    assert 0 < spent <= 250


def test_the_compressor_keeps_the_sentence_that_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """The ferry's 120 people survive a budget of 40 tokens."""
    assert "120 people" in run("trim_in_a_chain", capsys)


def test_an_agent_answers_when_its_budget_is_spent(capsys: pytest.CaptureFixture[str]) -> None:
    """Three searches, and the call that is kept back for the answer."""
    out = run("budget_in_an_agent", capsys)
    assert "It was opened in 1871.  (stopped by: calls)" in out
    assert out.count("search ") == 2
    assert out.count("Scripted ") == 4


def test_a_verifier_sends_the_first_answer_back(capsys: pytest.CaptureFixture[str]) -> None:
    """It digs once and stops; two of the three searches were made, all on one receipt."""
    out = run("dig_pivot_or_stop", capsys)
    assert out.startswith("In 1871.")
    assert "verify     dig: name the year." in out
    assert "verify     stop: the year stands in the archive." in out
    assert out.count(" search ") == 2


def test_the_parts_of_a_question_are_on_the_receipt(capsys: pytest.CaptureFixture[str]) -> None:
    """What was split is told, each part was read for, and nothing stays held."""
    out = run("two_questions_in_one", capsys)
    assert "  split " in out
    assert "  part 1 " in out
    assert out.rstrip().endswith("of 4000 tokens, held 0")


def test_a_person_is_asked_and_grants_more(capsys: pytest.CaptureFixture[str]) -> None:
    """The run stops with the figures, and goes on with what is granted."""
    out = run("ask_a_person", capsys)
    assert "0 of 2 remain" in out
    assert "granted. In 1871." in out
    assert "1 of 3 calls" in out


def test_a_supervisor_and_its_workers_share_a_ledger(capsys: pytest.CaptureFixture[str]) -> None:
    """Each worker keeps to its own cap, and the sum is on the supervisor's ledger."""
    out = run("supervisor_and_workers", capsys)
    spent = {
        name: int(out.rsplit(f"  {name}", 1)[1].split()[0])
        for name in ("supervisor", "geographer", "historian")
    }
    assert spent["supervisor"] == 460
    assert 0 < spent["geographer"] <= 120
    assert 0 < spent["historian"] <= 120
    assert f"spent {sum(spent.values())} of 4000 tokens" in out


def test_an_agent_recalls_what_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """The second day stands in no trimmed result; the agent reads it by its handle."""
    out = run("recall_what_was_left_out", capsys)
    assert 'tokens left out: recall("' in out
    assert "ai: Day 777: wind from the north, 3 boats." in out


@pytest.mark.parametrize(
    "name",
    [
        "quickstart",
        "guard_a_chain",
        "trim_in_a_chain",
        "budget_in_an_agent",
        "ask_a_person",
        "supervisor_and_workers",
        "recall_what_was_left_out",
    ],
)
def test_an_example_is_short(name: str) -> None:
    """An example shows one idea on one screen."""
    assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_a_filings_analyst_cites_pages_or_says_that_none_answers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A table's row comes with its header and page; what nobody wrote is not answered."""
    out = run("filings_analyst", capsys)
    cost = out.split("What was the cost of goods sold in 2022?")[1].split("\n\n")[0]
    assert "page 4" in cost
    assert "| 2023 | 2022 | 2021 |" in cost
    assert "| Cost of goods sold | 268 | 251 | 240 |" in cost
    assert "leased until 2041" in out
    assert out.rstrip().endswith("The text does not say.")


def test_a_contract_reader_cites_clauses_word_for_word(capsys: pytest.CaptureFixture[str]) -> None:
    """Each answer is a clause with its number and place; a court is named nowhere."""
    out = run("contract_reader", capsys)
    assert "4.1 Either party may end this agreement with ninety days' notice in writing." in out
    assert "2.2 An invoice is due sixty days after it was sent." in out
    assert out.rstrip().endswith("The text does not say.")


def test_a_paper_reader_cites_sections(capsys: pytest.CaptureFixture[str]) -> None:
    """The tools find the section of each answer, and say what is left of the budget."""
    out = run("paper_reader", capsys)
    assert "cited: Results, herons.md" in out
    assert "cited: Statistics, herons.md" in out
    assert "[budget: 4,000 tokens left]" in out
    assert out.rstrip().endswith("The text does not say.")
