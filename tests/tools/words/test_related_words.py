"""Related words: the list is what its maker writes, and is read whole."""

from pathlib import Path

from shoestring.tools.words import related_words
from shoestring.tools.words.related_words import related


def test_any_form_of_a_word_has_the_same_neighbours() -> None:
    """What a question calls films are movies in a text, in whatever form; names have no neighbours."""
    assert related("film") == related("films") != ()
    assert dict(related("death"))["died"] > 0.7
    assert related("quokka") == related("") == related("東京") == ()


def test_neighbours_are_mutual_and_near() -> None:
    """Whatever is near a word has it near too, and every nearness is a cosine from 0.5 on."""
    listed = Path(related_words.__file__).with_suffix(".txt").read_text(encoding="utf-8")
    pairs = [(line.split()[0], near) for line in listed.splitlines() for near in line.split()[1:]]
    assert len(pairs) > 5_000
    for word, near in pairs:
        other, cosine = near.split(":")
        assert 50 <= int(cosine) <= 100
        assert any(related(form) == related(word) for form, _ in related(other))
