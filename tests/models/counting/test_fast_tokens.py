"""The fastest counter counts what tiktoken counts, character by character."""

import itertools
from collections.abc import Callable
from importlib import metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.models.counting import fast_tokens
from shoestring.models.counting.counting import TiktokenCounter, counter
from shoestring.models.counting.fast_tokens import compared, exact_count
from shoestring.models.counting.remembered import remembered
from shoestring.models.counting.vocabularies import encoding

VOCABULARIES = ("o200k_base", "cl100k_base")
# What stands around a character shows what kind of character a vocabulary's pattern takes it for:
# a letter (small, capital, neither), a mark, a digit, a blank, a line break or none of them.
AROUND = (
    "{}", "{}'E", "a{}'ll", "A{}a", "a{}A", "{}758", "1{}2", "—{}the", " {}{}'S", "{}\n\n/x",
    "\n {}", "!{}!", "''{}'", "{}\u0301a", "\t{}  {}",
)  # fmt: skip
PARTS = st.sampled_from(
    [*"aB's'LL09 .,!?/-_\n\r\t", "\r\n", "\n\n", " \n", ".\n/", "the", " Of", "don't", "I'VE",
     "12345", "漢字", "。", "é", "\u0301", "ǅ", "א", "😀", "👩\u200d👧", "\xa0", "\u2028", "\u3000", "\u017f",
     "\u212a", "\U00018d0d", "\ud800", "\x00", "\x1c", "\x85", "<|endoftext|>", "…"]
)  # fmt: skip
TEXT = st.one_of(
    st.lists(PARTS, max_size=30).map("".join), st.text(st.characters(exclude_categories=()))
)


@given(TEXT)
def test_any_text_counts_as_tiktoken_counts_it(text: str) -> None:
    """Contractions, marks, digits, blanks and unknown characters count alike."""
    for name in VOCABULARIES:
        assert exact_count(name)(text) == len(encoding(name).encode_ordinary(text))


@pytest.mark.slow
@pytest.mark.parametrize("name", VOCABULARIES)
def test_every_compared_character_counts_alike(name: str) -> None:
    """In contexts that show its kind, each character that is left to quicktok counts as ever."""
    fast, slow = exact_count(name), encoding(name).encode_ordinary
    for point in itertools.chain.from_iterable(compared()):
        for around in AROUND:
            text = around.replace("{}", chr(point))
            assert fast(text) == len(slow(text)), ascii(text)


def test_quicktok_is_what_counts() -> None:
    """The fast counter is installed with the tests, in the release that was compared."""
    assert metadata.version("quicktok-v1") == fast_tokens._COMPARED
    assert "quicktok" in repr(fast_tokens._quicktok("o200k_base"))
    assert fast_tokens._quicktok("p50k_base") is None


@pytest.mark.parametrize("broken", ["another release", "not installed"])
def test_another_release_is_not_believed(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the release that was compared, tiktoken counts."""

    def version(_: str) -> str:
        if broken == "not installed":
            raise metadata.PackageNotFoundError
        return "0.5.0"

    monkeypatch.setattr(metadata, "version", version)
    assert fast_tokens._quicktok("o200k_base") is None
    count = exact_count.__wrapped__("o200k_base")
    assert count("The heron's nest, 12 m up.") == counter("o200k_base").count(
        "The heron's nest, 12 m up."
    )


@given(st.lists(TEXT, max_size=6), st.sampled_from(["\n", "\n\n", "\r\n", "", " "]))
def test_what_is_remembered_is_exact(texts: list[str], between: str) -> None:
    """Counting by lines, and again, gives what counting the whole gives."""
    whole = between.join(texts)
    for name in VOCABULARIES:
        exact = TiktokenCounter(name).count
        count = remembered(exact)
        assert [count(text) for text in [*texts, whole, whole]] == [
            exact(text) for text in [*texts, whole, whole]
        ]


def test_no_line_is_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that is put together line by line costs its new lines."""
    counted: list[str] = []

    class Watched(TiktokenCounter):
        pass

    exact = exact_count("o200k_base")

    def watched_count(text: str) -> int:
        counted.append(text)
        return exact(text)

    def watched_counter(_: str) -> Callable[[str], int]:
        return watched_count

    monkeypatch.setattr("shoestring.models.counting.counting.exact_count", watched_counter)
    count = remembered(TiktokenCounter("o200k_base").count)
    lines = [f"Heron number {n} nests.\n" for n in range(50)]
    for end in range(1, 51):
        count("".join(lines[:end]))
    assert sorted(counted) == sorted(lines)
    counted.clear()
    watched = remembered(Watched("o200k_base").count)  # may count in any way: whole texts only
    assert watched("One.\nTwo.") == watched("One.\nTwo.")
    assert counted == ["One.\nTwo."]


def test_a_counter_of_ones_own_is_asked_once() -> None:
    """Any other function is called once for each text, and its errors pass through."""
    asked: list[str] = []

    def count(text: str) -> int:
        asked.append(text)
        if text == "bad":
            raise LookupError("no such word")
        return len(text)

    ask = remembered(count)
    assert (ask("a\nb"), ask("a\nb")) == (3, 3)
    with pytest.raises(LookupError, match="no such word"):
        ask("bad")
    assert asked == ["a\nb", "bad"]


def test_a_run_of_blanks_is_bounded_as_ever() -> None:
    """A text that tiktoken fails on is bounded as a whole, also where it has lines."""
    text = "One.\n" + " " * 60_000 + "\nTwo."
    assert remembered(counter("o200k_base").count)(text) == counter("o200k_base").count(text)
