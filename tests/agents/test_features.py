"""What is seen of a task before money is spent on it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.agents import Task
from shoestring.agents.features import FEATURES, check_sums


def seen(question: str, scores: tuple[float, ...] = (), draft: str = "") -> dict[str, float]:
    """Return the features by name."""
    return dict(zip(FEATURES, Task(question, scores, draft).features, strict=True))


@given(st.text(), st.lists(st.floats(), max_size=4), st.text())
def test_every_feature_of_any_task_is_a_share(
    question: str, scores: list[float], draft: str
) -> None:
    """Whatever comes in, also NaN and infinity, each figure lies in [0, 1]; the first is 1."""
    features = Task(question, scores, draft).features
    assert len(features) == len(FEATURES)
    assert features[0] == 1
    assert all(0 <= value <= 1 for value in features)


def test_the_kind_of_question_is_seen() -> None:
    """How many, when, who and why are told apart."""
    assert seen("How many are there?")["amount"] == 1
    assert seen("When was it built?")["time"] == 1
    assert seen("Who built it?")["person"] == 1
    assert seen("Why does it float?")["reason"] == 1
    assert seen("Which?\nA. one\nB. two")["choices"] == 1


def test_the_gap_between_the_best_two_scores_is_seen() -> None:
    """A clear winner of retrieval is told from a crowd, in whatever order scores come."""
    found = seen("What?", (0.4, 0.9, 0.1))
    assert (found["best_score"], found["score_gap"]) == (0.9, 0.5)
    assert seen("What?", (0.9,))["score_gap"] == 0.9
    assert seen("What?")["best_score"] == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("16 - 3 = 13 eggs", (1, 0)),
        ("(13 - 4) * 2 = $19", (1, 1)),
        ("1,200 / 3 = 400 and 2 \N{MULTIPLICATION SIGN} 3 = 7", (2, 1)),
        ("1 / 3 = 0.33", (1, 0)),
        ("9 / 0 = 1", (0, 0)),
        ("x = 3, 2 ** 999999 = 1, __import__('os') = 1", (0, 0)),
        ("12 = 12", (0, 0)),
    ],
)
def test_sums_are_checked_and_nothing_else_is_worked_out(text: str, found: tuple[int, int]) -> None:
    """The four operations count; names, powers and divisions by zero are passed over."""
    assert check_sums(text) == found


def test_no_text_is_slow_to_look_at() -> None:
    """Hostile lengths and brackets take no time worth speaking of."""
    began = time.process_time()
    for text in (
        "(" * 10**6,
        "1+" * 10**6 + "=",
        "((((1" * 10**5 + " = 1",
        "9" * 10**6 + " - 1 = 2",
    ):
        assert len(Task(text, draft=text).features) == len(FEATURES)
    assert time.process_time() - began < 5
