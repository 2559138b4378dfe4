"""Tests of ranking: what leads from one passage to the next."""

import numpy as np

from shoestring.tools.identifiers import score_values
from shoestring.tools.names import bare_title, names
from shoestring.tools.ranking import Ranking, Text


def best(texts: list[Text], query: str) -> str:
    """Give the best unit outside the first text."""
    flat = [unit for text in texts for unit in text.units]
    document = np.repeat(np.arange(len(texts)), [len(text.units) for text in texts])
    values, _ = Ranking(texts, flat, document).score(query, 1_000)
    first = len(texts[0].units)
    return flat[first + int(np.argmax(values[first:]))]


FILM = Text("Musa", ["Musa is a film directed by Kim Sung-su in the year 2001."])
OTHERS = [Text(f"River {n}", [f"The river {n} flows through a town."]) for n in range(8)]


def test_a_name_leads_to_its_title() -> None:
    """Who directed the film is looked up in the passage that the first pick names."""
    person = Text("Kim Sung-su (director)", ["He was born in Andong.", "He lives in Seoul."])
    assert best([FILM, *OTHERS, person], "Where was the director of Musa born?") == person.units[0]


def test_a_name_leads_to_a_mention() -> None:
    """A passage that holds the name, under another title, is found as well."""
    award = Text("Awards", ["Kim Sung-su was honoured in Busan."])
    assert best([FILM, *OTHERS, award], "What did the director of Musa get?") == award.units[0]


def test_names() -> None:
    """Names are runs of capitals, joined by their small words; a sentence's first word is none."""
    assert names("She met Anna of Kleve and J. Smith. Then they left.") == [
        "Anna of Kleve and J. Smith",
    ]
    assert names("Then they left for Rome.") == ["Rome"]
    assert (bare_title("Alien (film)"), bare_title("(what)")) == ("Alien", "(what)")


def test_identifiers() -> None:
    """Values with codes come before values with words, whatever their length."""
    scores = score_values(['{"a": "two words", "b": 12}', '["HAT056", "S61CZX"]', '"user_id"'])
    assert scores.tolist() == [0.0, 0.4, 0.0]
    assert score_values([]).tolist() == []
