"""Scorers: right is right however it is written, and hostile text scores like any other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.budget import Budget, Ledger
from shoestring.evals.cases import Case, Passage
from shoestring.evals.outcome import Outcome, Span
from shoestring.evals.scorers import (
    Abstention,
    CitationPrecision,
    Contains,
    EvidenceRecall,
    ExactMatch,
    Judge,
    MultipleChoice,
    Numeric,
    Scorer,
    TokenF1,
)
from shoestring.evals.scorers.numeric import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

ALL: Sequence[Scorer] = (
    ExactMatch(), TokenF1(), Contains(), Numeric(), MultipleChoice(), EvidenceRecall(),
    CitationPrecision(), Abstention(),
)  # fmt: skip


def score(scorer: Scorer, said: str, *answers: str, question: str = "q?", **meta: Any) -> Any:
    return scorer.score(Case("1", question, (), answers, meta), Outcome(said))


@pytest.mark.parametrize(
    ("said", "exact", "f1", "contains"),
    [
        ("The Loire.", 1.0, 1.0, 1.0),
        ("It is the Loire, in France", 0.0, pytest.approx(1 / 3), 1.0),
        ("Loiret", 0.0, 0.0, 0.0),
        ("", 0.0, 0.0, 0.0),
    ],
)
def test_texts(said: str, exact: float, f1: Any, contains: float) -> None:
    """The same, overlapping, contained: articles and punctuation aside, words whole."""
    assert score(ExactMatch(), said, "Loire", "the Liger") == exact
    assert score(TokenF1(), said, "Loire") == f1
    assert score(Contains(), said, "Loire") == contains


def test_contained_means_at_the_borders_of_words_where_there_are_any() -> None:
    """Twelve does not stand in 1120; in scripts without blanks, words have no borders."""
    assert score(Contains(), "it was 1120", "12") == 0
    assert score(Contains(), "there were 12.", "12") == 1
    assert score(Contains(), "首都は東京です", "東京") == 1
    assert score(Contains(), "A and B", "a", "b", "c", all_answers_required=True) == 0
    assert score(Contains(), "A, B; C", "a", "b", "c", all_answers_required=True) == 1


@pytest.mark.parametrize(
    ("said", "right", "hit"),
    [
        ("So it is $1,234.50.", "1234.5", 1),
        ("about 3.2 million dollars", "3,200,000", 1),
        ("a loss of (41.8)%", "-0.418", 1),
        ("12 %", "12", 1),
        ("12%", "0.12", 1),
        ("0.12", "12%", 0),
        ("€5", "$5", 0),
        ("first 7, then 40", "40", 1),
        ("40, not 7", "40", 0),
        ("\N{MINUS SIGN}3", "-3", 1),
        ("none", "3", 0),
        ("1e400", "3", 0),
        ("100.4", "100", 1),
        ("101", "100", 0),
    ],
)
def test_numbers(said: str, right: str, hit: int) -> None:
    """With scales, units, brackets and signs, within half a per cent; the last one said counts."""
    assert score(Numeric(), said, right) == hit


@given(st.text())
def test_any_text_has_finitely_many_figures(text: str) -> None:
    """No text makes finding its numbers fail."""
    assert all(figure.value == figure.value for figure in figures(text))


QUESTION = "Why?\n (A) It rained.\n (B) It snowed.\n(C) Nobody knows."


@pytest.mark.parametrize(
    ("said", "hit"),
    [
        ("B", 1), ("(b)", 1), ("The answer is B.", 1), ("B. It snowed.", 1), ("It snowed", 1),
        ("(A) is wrong, so (B)", 1), ("A", 0), ("It rained. It snowed.", 0), ("", 0),
        ("Because", 0),
    ],
)  # fmt: skip
def test_choices(said: str, hit: int) -> None:
    """By letter or by text; two options named are none."""
    assert score(MultipleChoice(), said, "(B) It snowed.", question=QUESTION) == hit
    assert score(MultipleChoice(), said, "B", question=QUESTION) == hit


def test_labels_are_options() -> None:
    """Exactly one of them must be said."""
    labels = ["yes", "no", "maybe"]
    assert score(MultipleChoice(), "Yes, it can.", "yes", labels=labels) == 1
    assert score(MultipleChoice(), "Yes and no.", "yes", labels=labels) == 0


def test_what_cannot_be_scored_has_no_score() -> None:
    """No answers, no options, no numbers, no gold: None, not 0."""
    for scorer in (ExactMatch(), TokenF1(), Contains(), Numeric(), MultipleChoice()):
        assert score(scorer, "x") is None
    assert score(Numeric(), "3", "three") is None
    assert score(MultipleChoice(), "B", "B") is None
    assert score(EvidenceRecall(), "x") is score(CitationPrecision(), "x") is None


def test_evidence_and_citations_are_held_against_the_gold_passages() -> None:
    """Half of the gold text seen is about half; one good citation of two is half."""
    text = "one two three four five six seven eight"
    case = Case("1", "q", (Passage("a", "", "other"), Passage("b", "", text, gold=True)), ("x",))
    half = Span("passage 1", 0, text.index(" five"))
    seen = Outcome("", cited=(half, Span("passage 0", 0, 5)), shown=(half,))
    assert EvidenceRecall().score(case, seen) == 0.5
    assert CitationPrecision().score(case, seen) == 0.5
    assert EvidenceRecall().score(case, Outcome("", cited=(half,))) == 0.5
    strange = Outcome("", cited=(Span("passage \u0663", 0, 9), Span("elsewhere", -4, 10**9)))
    assert EvidenceRecall().score(case, strange) == 0.0
    assert CitationPrecision().score(case, strange) == 0.0


def test_abstaining_is_right_where_nothing_can_be_answered() -> None:
    """And wrong where something can."""
    silent, said = Outcome("No answer.", kind="abstained"), Outcome("7")
    can, cannot = Case("1", "q", (), ("7",)), Case("2", "q", (), ("7",), {"answerable": False})
    assert [Abstention().score(can, outcome) for outcome in (silent, said)] == [0, 1]
    assert [Abstention().score(cannot, outcome) for outcome in (silent, said)] == [1, 0]


def test_a_judge_has_an_account_of_its_own(server: Any) -> None:
    """It is guarded by its ledger, says yes, no or nothing, and has nothing to say without money."""
    case = Case("1", "Capital of France?", (), ("Paris",))
    ledger = Ledger(Budget(tokens=400))
    judge = Judge(server.model(), ledger)
    for verdict, expected in (("YES", 1.0), ("No.", 0.0), ("yes and no", None), ("hm", None)):
        server.says = partial(str.format, verdict)
        before = ledger.spent.tokens
        assert judge.score(case, Outcome("It is Paris")) == expected
        assert ledger.spent.tokens > before
    assert ledger.spent.tokens == server.billed
    poor = Judge(server.model(), Ledger(Budget(tokens=5)))
    assert poor.score(case, Outcome("It is Paris")) is None


@given(said=st.text(), answer=st.text(), question=st.text())
def test_every_score_is_a_share_or_none(said: str, answer: str, question: str) -> None:
    """Whatever stands in a case or an answer."""
    case = Case("1", question, (Passage("p", "", question, gold=True),), (answer,))
    for scorer in ALL:
        found = scorer.score(case, Outcome(said, cited=(Span("passage 0", 0, 2),)))
        assert found is None or 0 <= found <= 1
