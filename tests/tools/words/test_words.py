"""Terms of lexical search, in all scripts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.tools.words.words import words


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("... --- !", []),
        ("The cat's 2 hats", ["the", "cat", "s", "2", "hats"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("ﬁne \uff37\uff49\uff44\uff45", ["fine", "wide"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("猫", ["猫"]),
        ("한국어", ["한국", "국어"]),
        ("ÜberGroß", ["übergross", "über", "gross"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("__init__", ["init"]),
        ("sha256", ["sha256"]),
        ("a\ud800b", ["a", "b"]),
    ],
)
def test_terms(text: str, terms: list[str]) -> None:
    """Words are folded; identifiers give their parts; scripts without spaces give pairs."""
    assert words(text) == terms


@pytest.mark.parametrize("query", ["getUserName", "get_user_name", "user name"])
def test_any_spelling_of_an_identifier_is_found(query: str) -> None:
    """A query shares terms with each spelling of the same identifier."""
    for text in ("getUserName()", "get_user_name", "GetUserName"):
        assert {"user", "name"} <= set(words(query)) & set(words(text))


@given(st.text(max_size=200))
def test_terms_are_clean_and_a_longer_text_keeps_them(text: str) -> None:
    """No term is empty or holds whitespace, and text after a space does not change them."""
    found = words(text)
    assert all(term and not any(letter.isspace() for letter in term) for term in found)
    assert words(f"{text} x") == [*found, "x"]


@given(st.text(alphabet="aB_ é猫\u0301", max_size=60))
def test_what_makes_a_term_is_never_lost(text: str) -> None:
    """Every letter of the text is in some term."""
    letters = {letter for letter in text.casefold() if letter.isalnum()}
    joined = "".join(words(text))
    assert all(letter in joined or "\u0301" in text for letter in letters)
