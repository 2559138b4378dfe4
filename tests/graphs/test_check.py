"""An answer is handed over only if it stands on its sources."""

import pytest
from langchain_core.documents import Document

from shoestring.graphs import check
from shoestring.graphs.prompts import NO_ANSWER

HERON = Document(
    "The grey heron was ringed on 4 May 2021 near Port Ellery. It weighs 1,850 grams.",
    metadata={"source": "birds.txt", "start": 0, "end": 80, "title": "Birds"},
)
FERRY = Document(
    "The ferry carries 120 people. Call get_timetable() for its hours.",
    metadata={"source": "ferry.txt", "start": 10, "end": 75, "title": "Ferry"},
)
CONTEXT = [HERON, FERRY]


def problems(answer: str, question: str = "What of it?", *, truncated: bool = False) -> str:
    """Return what the check says against an answer."""
    verdict = check(answer, question=question, context=CONTEXT, shown=CONTEXT, truncated=truncated)
    return "; ".join(verdict.problems)


@pytest.mark.parametrize(
    "answer",
    [
        "The heron was ringed near Port Ellery [1].",
        "It weighs 1850 grams.",
        "The ferry carries 120 people [2].",
        "Call `get_timetable()` for the hours of the ferry.",
        "THE FERRY carries 120 people.",
        "According to the timetable, the ferry carries 120 people.",
        "Unfortunately the ferry carries 120 people.",
    ],
)
def test_what_the_sources_say_passes(answer: str) -> None:
    """Names, numbers and identifiers that stand in the cited spans are accepted."""
    assert problems(answer) == ""


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("", "empty"),
        (" \n…", "empty"),
        ("[1]", "empty"),
        (f"{NO_ANSWER}", "found no answer"),
        ("the sources do not say", "found no answer"),
        ("The source does not say that the source does not say.", "found no answer"),
        ("The text doesn't explicitly mention the ferry's captain.", "found no answer"),
        ("The ferry carries 130 people.", "'130' does not stand"),
        ("The heron was ringed near Port Askaig.", "'Askaig' does not stand"),
        ("Call get_hours() for the ferry.", "'get_hours' does not stand"),
        ("The ferry carries 120 people [3].", "source [3] does not exist"),
        ("The ferry carries 120 people [0].", "source [0] does not exist"),
        ("It weighs 1,850 grams [2].", "'1,850' does not stand"),
        ("Napoleon ringed the heron near Port Ellery.", "'Napoleon' does not stand"),
        ("It is 18,50 grams.", "'18,50' does not stand"),
        ("Purple elephants seldom appreciate modern jazz.", "of the answer's words"),
    ],
)
def test_what_they_do_not_say_is_named(answer: str, told: str) -> None:
    """Each way an answer can fail has a line that says which."""
    assert told in problems(answer)


def test_an_echo_of_the_question_is_no_answer() -> None:
    """Words of the question, in whatever order, answer nothing."""
    asked = "How many people does the ferry carry?"
    assert "no more than the question" in problems("The ferry carries many people.", asked)
    assert "no more than the question" in problems("The source of the answer is the ferry.", asked)
    assert problems("The ferry carries 120 people.", asked) == ""


def test_a_quoted_word_is_an_answer_however_common() -> None:
    """An operator called "is" or "not" is named by a stop word; in quotes it counts."""
    source = [Document('The operators "is" and "is not" test for identity.')]
    question = "Which operators test for identity?"
    right = check(
        'The operators "is" and "is not" test for identity.',
        question=question,
        context=source,
        shown=source,
    )
    echo = check(
        'The "operators" test for identity.', question=question, context=source, shown=source
    )
    assert right.problems == ()
    assert echo.problems == ("the answer says no more than the question",)


def test_yes_and_no_are_answers() -> None:
    """A plain yes need not stand in the sources; the first span shown is named for it."""
    verdict = check("Yes.", question="Is there a ferry?", context=CONTEXT, shown=CONTEXT)
    assert verdict.problems == ()
    assert verdict.cited == (HERON,)


def test_a_truncated_answer_fails() -> None:
    """An answer that was cut off is not handed over as whole."""
    assert "cut off" in problems("The ferry carries", truncated=True)


@pytest.mark.parametrize(
    "answer", ["The ferry carries 120 people. " * 6, "people and grams of " * 9]
)
def test_a_loop_is_no_answer(answer: str) -> None:
    """What says one thing over and over is named; a thing said twice, or a list, is not."""
    assert "repeats itself" in problems(answer)
    twice = "The ferry carries 120 people. " * 2
    assert problems(twice) == ""
    assert problems(twice + "The heron weighs 1,850 grams, and was ringed near Port Ellery.") == ""


def test_the_question_may_be_repeated() -> None:
    """A name that stands in the question is no invention."""
    assert problems("Lena: the ferry carries 120 people.", "Lena asks: how many people?") == ""


def test_cited_pieces_are_the_sources() -> None:
    """The spans an answer cites are the spans that are named."""
    verdict = check("It carries 120 people [2].", question="?", context=CONTEXT, shown=CONTEXT)
    assert verdict.cited == (FERRY,)


def test_an_answer_that_cites_nothing_gets_the_closest_spans() -> None:
    """Where a small model cites nothing, the spans with most of its words are named."""
    verdict = check("The ferry carries 120 people.", question="?", context=CONTEXT, shown=CONTEXT)
    assert verdict.cited == (FERRY,)


def test_a_number_is_not_found_inside_another() -> None:
    """12 does not stand in 120."""
    assert "'12' does not stand" in problems("The ferry carries 12 people.")


def test_other_scripts_are_checked_too() -> None:
    """Numbers and words of scripts without capitals or spaces are compared as they stand."""
    tokyo = [Document("東京タワーの高さは333メートルです。")]
    right = check("東京タワーは333メートル。", question="?", context=tokyo, shown=tokyo)
    wrong = check("東京タワーは444メートル。", question="?", context=tokyo, shown=tokyo)
    assert right.problems == ()
    assert "444" in wrong.problems[0]


def test_hostile_text_costs_no_more_than_its_length() -> None:
    """A long run of one character, or of brackets, is checked in one pass."""
    for text in ("a" * 200_000, "[" * 200_000, "A_" * 100_000, "1," * 100_000, " \n" * 100_000):
        verdict = check(text, question="?", context=CONTEXT, shown=CONTEXT)
        assert verdict.problems
