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


@pytest.mark.parametrize("name", ["quickstart", "guard_a_chain", "trim_in_a_chain"])
def test_an_example_is_short(name: str) -> None:
    """An example shows one idea on one screen."""
    assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= LONGEST
