"""Common words: what counts less in a question."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.tools.words import common_words
from shoestring.tools.words.common_words import weight
from shoestring.tools.words.words import words


@given(st.text(max_size=20))
def test_every_word_counts_something(word: str) -> None:
    """Weights lie above 0, and 1 is the most."""
    assert 0.0 < weight(word) <= 1.0


def test_commoner_words_count_less() -> None:
    """The order is that of the language, in other languages too; unknown words count in full."""
    order = [weight(word) for word in ("the", "year", "license", "radiographic")]
    assert order == sorted(order)
    assert weight("xq7zz") == 1.0
    assert weight("und") < weight("werkstatt")
    assert weight("для") < weight("маяк")


def test_forms_count_alike() -> None:
    """The forms of a word have one weight."""
    assert weight("describe") == weight("describes") == weight("described")


def test_the_list_holds_terms() -> None:
    """Every listed word is one term as texts are split, and stands there once."""
    listed = Path(common_words.__file__).with_suffix(".txt").read_text(encoding="utf-8").split("\n")
    assert listed.pop() == ""
    assert len(listed) == len(set(listed)) > 10_000
    assert all(words(word) == [word] for word in listed)


@pytest.mark.parametrize("word", ["", "THE"])
def test_what_is_no_term_counts_in_full(word: str) -> None:
    """Terms are folded before they are weighed; what is not folded is not known."""
    assert weight(word) == 1.0
