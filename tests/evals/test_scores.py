"""Scores: the figures as they are defined."""

import pytest

from shoestring.evals.cases import Case, Passage
from shoestring.evals.intervals import interval
from shoestring.evals.scores import answer_oracle, answer_recall, gold_oracle, gold_recall
from shoestring.models.counting.counting import counter
from shoestring.models.counting.vocabularies import encoding

COUNT = counter("cl100k_base").count
CL100K = encoding("cl100k_base")


def case(*answers: str, text: str = "", **meta: object) -> Case:
    passages = (Passage("p", "", text, gold=True),) if text else ()
    return Case("1", "q", passages, answers, {"extractive": True, **meta})


def test_any_answer_will_do() -> None:
    """One of the answers is enough, however it is spelt or spaced."""
    assert answer_recall(case("May 1, 2018", "spring"), "it was  MAY 1,\n2018!") == 1.0
    assert answer_recall(case("May 1, 2018"), "May 2018") == 0.0


def test_all_answers_and_evidence() -> None:
    """Every answer where demanded; every evidence string where given."""
    both = case("red", "blue", all_answers_required=True)
    assert answer_recall(both, "red only") == 0.0
    assert answer_recall(both, "red and blue") == 1.0
    evidence = case("red", evidence_strings=["ninety", "hundred"])
    assert answer_recall(evidence, "red ninety") == 0.0
    assert answer_recall(evidence, "ninety to hundred") == 1.0


def test_not_extractive_has_no_answer_recall() -> None:
    """Where no string is promised to stand in the text there is no figure."""
    plain = Case("1", "q", (), ("yes",), {"extractive": False})
    assert answer_recall(plain, "yes") is None
    assert answer_oracle(plain, 100, COUNT) is None


@pytest.mark.parametrize("marks", [[2, 4], [[2, 2], [4, 4]]])
def test_logs_score_by_line(marks: list[object]) -> None:
    """A log scores the share of its marked lines that are not blank."""
    log = case("x", text="start\nerror: a\n\nerror: b\nend", gold_lines=marks)
    assert answer_recall(log, "error: a") == 0.5
    assert answer_recall(log, "error: a\nerror: b") == 1.0
    assert answer_oracle(log, COUNT("error: a"), COUNT) == 0.5


def test_gold_recall_counts_tokens_in_spans() -> None:
    """Tokens of gold passages inside kept spans, over all gold tokens."""
    text = "One two three four. Five six seven eight."
    gold = case("x", text=text)
    total = COUNT(text)
    assert gold_recall(gold, {0: [(0, len(text))]}, CL100K) == 1.0
    assert gold_recall(gold, {}, CL100K) == 0.0
    assert gold_recall(gold, {0: [(0, 19)]}, CL100K) == COUNT(text[:19]) / total
    assert gold_recall(gold, {0: [(20, len(text))]}, CL100K) == COUNT(text[19:]) / total
    assert gold_recall(gold, {0: [(0, 19), (5, 19)]}, CL100K) == COUNT(text[:19]) / total
    assert gold_recall(Case("1", "q", (Passage("p", "", "x"),)), {}, CL100K) is None


def test_gold_recall_beyond_ascii() -> None:
    """Spans count characters; tokens that stand for bytes of one character stay right."""
    text = "東京タワー👩‍👩‍👧 opened. Then it rained."
    gold = case("x", text=text)
    assert gold_recall(gold, {0: [(0, len(text))]}, CL100K) == 1.0
    share = gold_recall(gold, {0: [(0, text.index(" Then"))]}, CL100K)
    assert share == COUNT(text[: text.index(" Then")]) / COUNT(text)


def test_oracles_are_upper_bounds() -> None:
    """The answer must stand in the passages and fit; gold tokens must fit the room."""
    there = case("red cat", text="A red cat sat.")
    assert answer_oracle(there, 2, COUNT) == 1.0
    assert answer_oracle(there, 1, COUNT) == 0.0
    assert answer_oracle(case("dog", text="A red cat sat."), 50, COUNT) == 0.0
    assert gold_oracle(there, COUNT("A red cat sat."), CL100K) == 1.0
    assert gold_oracle(there, 1, CL100K) == 1 / COUNT("A red cat sat.")


def test_interval() -> None:
    """The bootstrap interval holds the mean, repeats exactly, and narrows with more items."""
    few, many = interval([0.0, 1.0] * 10), interval([0.0, 1.0] * 1000)
    assert few is not None
    assert many is not None
    assert few[0] < 0.5 < few[1]
    assert few == interval([0.0, 1.0] * 10)
    # The normal approximation: 1.96 * 0.5 / sqrt(2000).
    assert many == pytest.approx((0.478, 0.522), abs=0.005)
    assert interval([]) is None


def test_oracles_spell_and_repeat_as_texts_do() -> None:
    """Capitals that save tokens, neighbours on a line and repeated log lines are thought of."""
    upper = case("NASA", text="NASA flew.")
    assert COUNT("NASA") < COUNT("nasa")
    assert answer_oracle(upper, COUNT("NASA"), COUNT) == 1.0
    evidence = case("red", text="It is red blue.", evidence_strings=["red", "blue"])
    assert answer_oracle(evidence, COUNT("red blue"), COUNT) == 1.0
    log = case("x", text="error: a\nend\nerror: a", gold_lines=[[1, 1], [3, 3]])
    assert answer_oracle(log, COUNT("error: a"), COUNT) == 1.0


def test_what_is_no_string_gives_no_figure() -> None:
    """An answer of nothing is no hit in any text, and marks that are no lines are left out."""
    assert answer_recall(case("", " "), "anything") is None
    assert answer_recall(case("", "red"), "anything") == 0.0
    assert answer_recall(case(all_answers_required=True), "anything") is None
    assert answer_recall(case("a", text="a\nb", gold_lines=[[1, 1], 2]), "a") == 1.0


def test_few_items_have_a_wide_interval() -> None:
    """Five right of five do not prove that all are right."""
    found = interval([1.0] * 5)
    assert found is not None
    assert found[0] < 0.8
    assert found[1] == 1.0
