"""A count may be too high and must never be too low."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from shoestring.models import ByteBound, HuggingFaceCounter, TiktokenCounter, UnboundedInput
from shoestring.models.counting.counting import TokenCounter, counter, counter_for
from shoestring.models.counting.vocabularies import encoding

if TYPE_CHECKING:
    from pathlib import Path

KEY = SecretStr("none")

# Every code point, lone surrogates too, and the text of special tokens.
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.lists(st.sampled_from(["<|endoftext|>", " ", "\n", "word", "漢字", "😀", "́", "½", "ﷺ"])).map(
        "".join
    ),
)
VOCABULARIES = ("o200k_base", "cl100k_base")


@given(TEXT)
def test_a_text_counts_as_tiktoken_counts_it(text: str) -> None:
    """The counters of OpenAI's vocabularies are exact for any text."""
    for name in VOCABULARIES:
        assert TiktokenCounter(name).count(text) == len(encoding(name).encode_ordinary(text))


@given(TEXT)
def test_the_byte_bound_is_never_too_low(text: str) -> None:
    """No byte-level vocabulary takes more tokens than the text has bytes, raw or normalised."""
    bound = ByteBound().count(text)
    for name in VOCABULARIES:
        assert bound >= len(encoding(name).encode_ordinary(text))
        assert bound >= len(encoding(name).encode_ordinary(unicodedata.normalize("NFKC", text)))


@given(st.text("áȩ́́a½ﷺ한", min_size=1_000, max_size=3_000))
def test_the_byte_bound_holds_where_a_long_text_is_cut(text: str) -> None:
    """Normalising piece by piece never yields fewer bytes than the whole has."""
    whole = len(unicodedata.normalize("NFKC", text).encode())
    assert ByteBound().count(text) >= max(whole, len(text.encode()))


@pytest.mark.parametrize(
    "text", [" " * 1_000_000, "\t" * 1_000_000, "a" * 1_000_000, "漢" * 300_000]
)
def test_a_megabyte_of_one_character_is_bounded(text: str) -> None:
    """A text on which tiktoken's regular expression overflows is counted all the same."""
    count = TiktokenCounter("o200k_base").count(text)
    assert 1_000 <= count <= len(text.encode())


def test_combining_marks_in_disorder_do_not_hang_the_bound() -> None:
    """Sorting marks is quadratic in the length of their run, which is therefore cut."""
    text = "̧́" * 200_000
    assert ByteBound().count(text) >= len(text.encode())


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), TEXT), max_size=4))
def test_plain_messages_count_as_published(pairs: list[tuple[str, str]]) -> None:
    """Three a message and three for the reply, as OpenAI documents for its chat models."""
    kinds = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
    messages = [kinds[role](text) for role, text in pairs]
    count = encoding("o200k_base").encode_ordinary
    expected = 3 + sum(3 + len(count(role)) + len(count(text)) for role, text in pairs)
    assert TiktokenCounter("o200k_base").count_messages(messages) == expected


CALL: dict[str, Any] = {"name": "look_up", "args": {"city": "Ulm"}, "id": "call_1"}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Look up a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Ulm", "Bonn"]}},
        },
    },
}


@pytest.mark.parametrize("counts", [TiktokenCounter("o200k_base"), ByteBound()])
def test_everything_that_is_sent_is_counted(counts: TokenCounter) -> None:
    """Names, tool calls, tool results, tools and schemas all add to the prompt."""
    plain = counts.count_messages([HumanMessage("hi")])
    for message, added in (
        (HumanMessage("hi", name="Ada Lovelace"), "Ada Lovelace"),
        (AIMessage("hi", tool_calls=[CALL]), json.dumps(CALL["args"])),
        (AIMessage("hi", additional_kwargs={"reasoning_content": "because"}), "because"),
        (ToolMessage("hi", tool_call_id="call_1"), "call_1"),
        (
            HumanMessage([{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}]),
            "there",
        ),
    ):
        assert counts.count_messages([message]) >= plain + counts.count(added)
    extras: list[dict[str, Any]] = [{"tools": [TOOL]}, {"schema": TOOL}]
    for extra in extras:
        assert counts.count_messages([HumanMessage("hi")], **extra) >= plain + counts.count(
            json.dumps(TOOL)
        )


PROPERTY = st.tuples(st.text(max_size=9), st.lists(st.text(max_size=5), max_size=4))


@given(st.lists(st.tuples(TEXT, st.lists(PROPERTY, max_size=4)), min_size=1, max_size=4))
def test_tools_are_never_counted_below_the_published_figures(
    functions: list[tuple[str, list[tuple[str, list[str]]]]],
) -> None:
    """What OpenAI's cookbook counts for functions, properties and enums is within the bound."""
    count = TiktokenCounter("o200k_base").count
    tools: list[dict[str, Any]] = []
    published = 12
    for about, properties in functions:
        published += 7 + count(f"f:{about}") + (3 if properties else 0)
        schema: dict[str, Any] = {}
        for index, (text, values) in enumerate(properties):
            schema[f"p{index}"] = {"type": "string", "description": text}
            published += 3 + count(f"p{index}:string:{text}")
            if values:
                schema[f"p{index}"]["enum"] = values
                published += -3 + sum(3 + count(value) for value in values)
        parameters = {"type": "object", "properties": schema}
        function = {"name": "f", "description": about, "parameters": parameters}
        tools.append({"type": "function", "function": function})
    assert TiktokenCounter("o200k_base").count_messages([], tools=tools) >= 3 + published


@pytest.mark.parametrize(
    "kind", ["image", "image_url", "input_audio", "file", "video", "never heard of"]
)
def test_what_cannot_be_bounded_is_refused(kind: str) -> None:
    """An image's tokens depend on the model: the error says what to do instead."""
    message = HumanMessage([{"type": "text", "text": "hi"}, {"type": kind, "data": "…"}])
    with pytest.raises(UnboundedInput, match=f"'{kind}'.*send text"):
        ByteBound().count_messages([message])


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """A small byte-level vocabulary with a special token, and settings that would hide tokens."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<end>"], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(["the cat sat on the mat with a cat"] * 5, trainer)
    return made


@given(text=TEXT)
def test_a_hugging_face_text_counts_as_its_tokenizer_does(tokenizer: Tokenizer, text: str) -> None:
    """Exact for ordinary text, and special tokens in a text are text."""
    made = HuggingFaceCounter(tokenizer)
    clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert made.count(clean) == len(tokenizer.encode(clean, add_special_tokens=False).ids)
    assert made.count("<end>") > 1


def test_a_tokenizers_truncation_does_not_hide_tokens(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """A tokenizer.json that cuts at 8 tokens still counts a long text, and is left as it was."""
    tokenizer.enable_truncation(8)
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    assert counter(str(path)).count("the cat " * 100) >= 100
    assert tokenizer.truncation is not None
    tokenizer.no_truncation()


def test_each_model_gets_its_own_counter() -> None:
    """OpenAI's classes by the model's name; what is not known, by bytes; a model's own first."""

    class WithOwn(FakeListChatModel):
        @property
        def counter(self) -> TokenCounter:
            return TiktokenCounter("cl100k_base")

    assert counter_for(ChatOpenAI(model="gpt-4o", api_key=KEY)).name == "o200k_base"
    assert counter_for(ChatOpenAI(model="gpt-4", api_key=KEY)).name == "cl100k_base"
    assert counter_for(ChatOpenAI(model="gpt-4", api_key=KEY), "gpt-4o").name == "o200k_base"
    assert counter_for(ChatOpenAI(model="some-llama", api_key=KEY)).name == "bytes"
    assert counter_for(FakeListChatModel(responses=["x"])).name == "bytes"
    assert counter_for(WithOwn(responses=["x"])).name == "cl100k_base"


def test_a_chat_format_with_a_preamble_of_its_own_is_bounded() -> None:
    """gpt-oss opens every prompt with a system message, which OpenAI's framing does not count."""
    preamble = (
        "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n"
        "Knowledge cutoff: 2024-06\nCurrent date: 2025-06-28\n\nReasoning: medium\n\n# Valid channels: "
        "analysis, commentary, final. Channel must be included for every message.<|end|>"
        "<|start|>user<|message|>hi<|end|><|start|>assistant"
    )
    rendered = encoding("o200k_harmony").encode(preamble, allowed_special="all")
    counts = counter_for(ChatOpenAI(model="gpt-oss-20b", api_key=KEY))
    assert counts.count_messages([HumanMessage("hi")]) >= len(rendered)


def test_a_counter_by_name() -> None:
    """Names of encodings, "bytes" and files are told apart; a wrong one is an error."""
    assert counter("bytes").exact is False
    assert counter("o200k_base").exact is True
    with pytest.raises(ValueError, match="no tokenizer"):
        counter("/nowhere/tokenizer.json")
    with pytest.raises(ValueError, match="unknown encoding"):
        counter("o300k")
