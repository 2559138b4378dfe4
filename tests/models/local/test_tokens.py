"""The local model's tokenizer against llama.cpp's own."""

from __future__ import annotations

from pydoc_data.topics import topics
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shoestring.models.local.chat import LocalChatModel, packaged_model
from shoestring.models.local.gguf import ModelFile, read_model
from shoestring.models.local.tokens import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable

FIXED = [
    "",
    "It's 12,345.67 % of  what we'll\tget\n\n\n  here 1's",
    "日本語テキスト ١٢٣ ²½Ⅷ a1 1a  1 \u00a0\u2028\x85x",
    "🙂👨\u200d👩\u200d👧 \U0010ffff \ufdd0 \x00\x01\x04\x7f",
    "<|im_end|> <|endoftext|>",
    "def f(x):\n    return x ** 2  # squared\n\r\n\t",
    *sorted(topics.values(), key=len)[:40:4],
]


@pytest.fixture(scope="module")
def model() -> LocalChatModel:
    return LocalChatModel(n_ctx=256, threads=1)


@pytest.fixture(scope="module")
def engine(model: LocalChatModel) -> Callable[[str], list[int]]:
    return model._engine.tokenize


@pytest.mark.parametrize("text", FIXED, ids=range(len(FIXED)))
def test_tokens_are_the_engines(
    model: LocalChatModel, engine: Callable[[str], list[int]], text: str
) -> None:
    """Prose, code, digits, blanks, emoji, control characters: id for id what llama.cpp says."""
    assert model._prompt.tokenizer.encode(text) == engine(text)


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(" \n1aé'"), max_size=40)
)
@example(text=" \n 1 's")
def test_tokens_are_the_engines_for_any_text(
    model: LocalChatModel, engine: Callable[[str], list[int]], text: str
) -> None:
    """No text found yet is tokenized otherwise than by llama.cpp."""
    assert model._prompt.tokenizer.encode(text) == engine(text)


def test_a_lone_surrogate_is_read_as_the_replacement_character(model: LocalChatModel) -> None:
    """Text that has no UTF-8 is counted, not an error; a split pair is the character it means."""
    encode = model._prompt.tokenizer.encode
    assert encode("a\ud800") == encode("a\ufffd")
    assert encode("\ud83d\ude42") == encode("🙂")


def test_a_million_blanks_are_counted(model: LocalChatModel) -> None:
    """A run of blanks on which tiktoken's pattern overflows has a count, not a crash."""
    assert 10_000 < model.counter.count(" " * 1_000_000) < 1_000_000


@pytest.mark.parametrize(
    "change",
    [
        {"tokenizer.ggml.pre": "another"},
        {"tokenizer.ggml.model": "llama"},
        {"tokenizer.ggml.merges": ["a b", "Ġ t"]},
        {"tokenizer.ggml.merges": None},
        {"tokenizer.ggml.token_type": [4]},
    ],
    ids=["pattern", "kind", "order of merges", "no merges", "user-defined tokens"],
)
def test_a_vocabulary_that_is_not_known_is_left_to_the_engine(change: dict[str, object]) -> None:
    """Where the ids might differ from llama.cpp's, llama.cpp is asked."""
    known = read_model(packaged_model())
    changed = ModelFile(known.path, known.metadata | change)
    assert Tokenizer(known, lambda _text: [7]).encode("Tower") != [7]
    assert Tokenizer(changed, lambda _text: [7]).encode("Tower") == [7]
