"""Tests of ranking: what leads from one passage to the next."""

import numpy as np

from shoestring.tools.relevance.ranking import Ranking, Text
from shoestring.tools.words.identifiers import score_values
from shoestring.tools.words.names import bare_title, names


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


def test_a_name_among_other_words_with_capitals_leads_on() -> None:
    """Of a run of capitals two that follow each other may be the name that stands elsewhere."""
    cast = Text("Fox", ["The cast of Fox: Tod Kurt Russell as Copper Pearl Bailey as Mama."])
    other = Text("The Eight", ["Kurt Russell is seen in a coach."])
    assert best([cast, *OTHERS, other], "Who of the cast of Fox is seen later?") == other.units[0]


def test_common_words_do_not_outweigh_a_rare_one() -> None:
    """Where each word stands in one passage only, the language says which of them tells."""
    texts = [
        Text("", ["They describe the position."]),
        Text("", ["Here is a radiographic plate."]),
        *OTHERS,
    ]
    flat = [unit for text in texts for unit in text.units]
    ranking = Ranking(texts, flat, np.arange(len(texts)))
    describe, radiographic = ranking.score("describe what is radiographic", 1_000)[0][:2]
    assert radiographic > describe


def test_a_word_near_in_meaning_leads_to_the_answer() -> None:
    """Where a question has "death", a text's "died" tells more than what has neither."""
    person = Text("Ann Smith", ["She lived in Rome and in Turin.", "She died of a fever in Turin."])
    values, _ = Ranking([person], person.units, np.zeros(2, np.int64)).score(
        "What was the cause of death of Ann Smith?", 400
    )
    assert values[1] > values[0]


def test_what_the_first_hop_leaves_open_is_found_in_other_words() -> None:
    """The passage that a name leads to is read for what is still asked, however it says so."""
    person = Text(
        "Kim Sung-su", ["He lives in Seoul with two dogs.", "He died in Andong, in 2020."]
    )
    assert (
        best([FILM, *OTHERS, person], "Where did the director of Musa find his death?")
        == (person.units[1])
    )


def test_what_holds_the_kind_of_answer_comes_first() -> None:
    """Of two sentences with the same words, the one with a date answers "when"."""
    text = Text("", ["The tower was opened by the king.", "The tower was opened in May 1871."])
    values, _ = Ranking([text], text.units, np.zeros(2, np.int64)).score(
        "When was the tower opened?", 400
    )
    assert values[1] > values[0]


def test_a_reply_counts_with_its_question() -> None:
    """The turn after one that asks is its answer, though it shares no word with the query."""
    turns = ["Ann: Where shall we meet?", "Bob: At the pier.", "Ann: Fine.", "Bob: So long."]
    values, _ = Ranking([Text("", turns, talk=True)], turns, np.zeros(4, np.int64)).score(
        "Where do they meet?", 400
    )
    assert values[1] > max(values[2:])


def test_a_line_leans_on_its_page() -> None:
    """Figures in lines without a word of the query follow the page that the query names."""
    page = ["Notional amounts of swaps", "19,779 total", "17,768 total"]
    other = ["Leases of land", "12,002 total", "11,001 total"]
    texts = [Text("", page, lines=True), Text("", other, lines=True)]
    values, _ = Ranking(texts, page + other, np.repeat([0, 1], 3)).score("notional of swaps", 400)
    assert min(values[1:3]) > 0.5 > max(values[4:])


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
