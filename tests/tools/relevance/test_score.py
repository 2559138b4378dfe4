"""Scores: what tells most about a query."""

import numpy as np

from shoestring.tools.relevance.bm25 import Postings, Vocabulary
from shoestring.tools.relevance.loglines import asks_for_failure, is_log, score_lines
from shoestring.tools.relevance.score import Text, score


def test_bm25_by_hand() -> None:
    """The scores are those of the formula, worked out by hand."""
    vocabulary = Vocabulary()
    postings = Postings.of_texts(vocabulary, ["red car", "red red bus here", "blue"])
    (red,) = vocabulary.find(["red"]).values()
    idf = np.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    mean = 7 / 3
    first = 1 * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / mean))
    second = 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 4 / mean))
    assert np.allclose(postings.score({red: 1.0}), [idf * first, idf * second, 0])
    assert vocabulary.find(["absent"]) == {}


def test_passage_and_title_lift_a_unit() -> None:
    """Of two equal sentences the one in the fitting passage, or under the fitting title, wins."""
    texts = [
        Text("", ["The tower is tall today.", "It stands in Paris by a river."]),
        Text("", ["The tower was tall once.", "It stands in Tokyo by a park."]),
    ]
    values = score(texts, "How tall is the tower in Tokyo?", 400).values
    assert values[2] > values[0]
    titled = [Text("Paris", ["The tower is tall."]), Text("Tokyo", ["The tower is tall!"])]
    assert np.argmax(score(titled, "tower Tokyo", 400).values) == 1


def test_second_hop_is_found() -> None:
    """A passage whose title the first picks name is pulled in, though it shares no query word."""
    texts = [
        Text("Lola", ["Lola is a 1981 film directed by Rainer Fassbinder."]),
        Text("Rainer Fassbinder", ["He died in Munich."]),
        Text("Other Person", ["She lived in Berlin."]),
    ]
    values = score(texts, "Where did the director of the film Lola end?", 400).values
    assert values[1] > values[2]


def test_height_is_the_share_of_the_query_found() -> None:
    """The best score says how much of the query the texts hold: all, some, or nothing."""
    texts = [Text("", ["The engine was built in London."]), Text("", ["Cats sleep all day."])]
    full = score(texts, "engine built", 400).values.max()
    some = score(texts, "engine quokka", 400).values.max()
    none = score(texts, "zygote quokka", 400).values.max()
    assert full == 1.0
    assert 0.0 < some < 0.8
    assert none == 0.0


def test_repeats_are_marked_once() -> None:
    """Of the same sentences all but one are repeats, and damped."""
    scores = score([Text("", ["Engine built."]), Text("", ["Engine  built."])], "engine", 400)
    assert scores.repeats.tolist() == [False, True]
    assert scores.values[1] < 0.5 * scores.values[0]


def log() -> list[str]:
    lines = [f"2024-05-01 10:{i // 60:02}:{i % 60:02} INFO step {i} done" for i in range(300)]
    lines[120] = "2024-05-01 10:02:00 ERROR could not open config.yaml"
    return lines


def test_log_lines_that_tell_of_a_failure() -> None:
    """In a log the error and its neighbours, then the tail, stand out without the query's words."""
    lines = log()
    assert is_log(lines)
    assert not is_log([f"Line {i} of a poem, quite plain" for i in range(100)])
    values = score_lines(lines)
    assert int(values.argmax()) == 120
    assert values[118] > values[60]
    assert values[-1] > values[60]
    assert asks_for_failure("Why did the build fail?")
    assert not asks_for_failure("Which user logged in?")
    texts = [Text("", lines, lines=True)]
    assert int(score(texts, "Why did the build fail?", 400).values.argmax()) == 120


def test_the_output_above_a_failed_status_explains_it() -> None:
    """What a step printed before its failed status counts; what reports no failure does not."""
    lines = [f"installing package {i}" for i in range(50)]
    lines[20] = "Tests run: 9, Failures: 0, Errors: 0"
    lines[29:31] = ["unformatted: notes.css", 'The command "lint" exited with 1.']
    lines[40] = 'The command "clean" exited with 0.'
    values = score_lines(lines)
    assert int(values.argmax()) == 30
    assert values[29] > values[31] > 0
    assert values[29] > max(values[20], values[40])


def test_a_stack_trace_stays_together() -> None:
    """The lines of a trace keep the weight of the error they belong to, however long it is."""
    trace = ["Traceback (most recent call last):", *(f"  at step {i}" for i in range(40))]
    lines = ["loaded"] * 60 + trace + ["loaded"] * 300
    values = score_lines(lines)
    assert values[60 + 35] > 2 * values[50]


def test_a_question_about_a_log_line_finds_it() -> None:
    """A question that names what it wants is answered by words, not by error signs."""
    values = score([Text("", log(), lines=True)], "what happened in step 77?", 400).values
    assert int(values.argmax()) == 77


def test_nothing_to_score() -> None:
    """No documents and no units give no scores."""
    assert len(score([], "engine", 10).values) == 0
    assert len(score([Text("", [])], "engine", 10).values) == 0


def test_a_status_that_is_only_passed_on_does_not_hide_the_failure() -> None:
    """What stands above the failed command scores more than the cleaning up above the last line."""
    steps = [f"installing part {n}" for n in range(60)]
    told = ["README.md:7: line of 97 characters", 'The command "lint" exited with 1']
    clean = [f"removed cache {n}" for n in range(30)]
    scores = score_lines([*steps, *told, *clean, "Done. Your build exited with 1"])
    assert scores[60] > scores[62:92].max()


def test_a_log_that_is_asked_what_failed_is_not_packed_by_the_words_asked() -> None:
    """Which lines hold "build" and "log" tells nothing of a failure; asked for a thing, words count."""
    lines = [f"12:00:{second:02} INFO build step {second} of log" for second in range(50)]
    log = Text("", [*lines, "12:00:51 ERROR numpy is missing"], lines=True)
    assert not score([log], "Why did the build fail? Return the log's part.", 400).said
    assert score([log], "Which version of numpy does the build need?", 400).said


def test_words_that_every_text_holds_are_packed_for_less() -> None:
    """Of two words that stand in one unit each, the one rarer in the language counts more."""
    texts = [
        Text("", ["They describe it."]),
        Text("", ["A radiographic plate."]),
        Text("", ["End."]),
    ]
    (describe, first), (radiographic, second) = score(texts, "describe radiographic", 400).said
    assert (first.tolist(), second.tolist()) == ([0], [1])
    assert radiographic > describe
