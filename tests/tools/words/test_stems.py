"""Stems: which forms of a word are one term."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.tools.words.stems import stem


@pytest.mark.parametrize(
    "forms",
    [
        "movie movies",
        "study studies studied studying",
        "plan plans planned planning",
        "license licenses licensed licensing",
        "infect infects infected infecting",
        "quick quickly",
        "call calls called calling",
        "tie ties",
    ],
)
def test_forms_of_a_word_are_one(forms: str) -> None:
    """Plurals and verb forms come together, also where an e, a y or a doubled letter is lost."""
    assert len({stem(form) for form in forms.split()}) == 1


@pytest.mark.parametrize(
    "word", ["class", "this", "bus", "analysis", "string", "feed", "red", "Ärzte"]
)
def test_what_only_looks_like_an_ending_stays(word: str) -> None:
    """Words that end like a plural or a verb form, and other languages' words, stay whole."""
    assert stem(word) == word


@given(st.text(max_size=30))
def test_a_stem_is_never_empty(word: str) -> None:
    """Any word keeps a beginning of its own (a last y may become an i)."""
    assert bool(stem(word)) == bool(word)
    assert word.startswith((stem(word), stem(word)[:-1]))
