"""Certain tokens: what a unit costs at the least, in any company."""

from hypothesis import given, settings
from hypothesis import strategies as st

from shoestring.models.counting.counting import counter
from shoestring.tools.trimming.certain import certain_tokens, has_certain_tokens

PARTS = st.sampled_from(
    [*"aB's.,!?/-_(\")\n\t", " ", "  ", "\n/", "the", " heron", "1", "123", "漢字", "。", "，", "カナ",  # noqa: RUF001
     "é", "\u0301", "😀", "\u3000", "ſ", "한", "’", "'ll"]  # noqa: RUF001
)  # fmt: skip
UNIT = st.lists(PARTS, min_size=1, max_size=14).map(lambda parts: "".join(parts).strip())
AROUND = st.lists(PARTS, max_size=4).map("".join)


@settings(max_examples=400)
@given(AROUND, UNIT, AROUND, UNIT, AROUND)
def test_certain_tokens_add_up(before: str, one: str, between: str, two: str, after: str) -> None:
    """Two units stand in a text with at least the tokens that are certain of each."""
    for name in ("o200k_base", "cl100k_base"):
        count = counter(name).count
        whole = count(before + one + between + two + after)
        assert whole >= certain_tokens(one, count) + certain_tokens(two, count)


@given(AROUND, UNIT)
def test_none_are_certain_where_no_token_must_begin(before: str, unit: str) -> None:
    """The quick look says the same of a span as the count of its text."""
    count = counter("o200k_base").count
    text = before + unit
    found = has_certain_tokens(text, len(before), len(text))
    assert found == (certain_tokens(unit, count) > 0)
