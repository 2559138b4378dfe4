"""Messages are counted as the model that reads them counts, pictures at their most."""

from __future__ import annotations

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from shoestring import message_counter
from shoestring.models import ByteBound, UnboundedInput, counter

SAID: list[BaseMessage] = [HumanMessage("How high is it?"), AIMessage("324 metres.")]
PICTURE = HumanMessage([{"type": "image", "url": "https://example.org/a.png"}])
KEY = SecretStr("none")


def test_without_a_model_it_is_o200k() -> None:
    """The default counts as OpenAI's models do, and a picture as the dearest there is."""
    count = message_counter()
    assert count(SAID) == counter("o200k_base").count_messages(SAID)
    assert count([PICTURE]) > 40_000


def test_a_model_counts_as_it_does() -> None:
    """A known vocabulary is exact, another is bounded by its bytes."""
    known = ChatOpenAI(model="gpt-4", api_key=KEY)
    assert message_counter(known)(SAID) == counter("cl100k_base").count_messages(SAID)
    claude = ChatAnthropic(model_name="claude-sonnet-4-5", api_key=KEY, timeout=None, stop=None)
    assert message_counter(claude)(SAID) == ByteBound().count_messages(SAID)


def test_a_picture_counts_as_the_most_its_provider_takes() -> None:
    """By the model's own entry in the table of providers, once each."""
    count = message_counter(ChatOpenAI(model="gpt-4o", api_key=KEY))
    empty = count([HumanMessage("")])
    assert count([PICTURE]) == empty + 1_445
    assert count([PICTURE, PICTURE]) - count([PICTURE]) == count([PICTURE]) - count([])


def test_it_adds_up() -> None:
    """A prompt is its frame and the sum of its messages, which trimming a history rests on."""
    count = message_counter()
    assert count(SAID) == count([]) + sum(count([message]) - count([]) for message in SAID)


def test_a_counter_takes_the_place_of_the_models() -> None:
    """For a model whose vocabulary is known to its user alone."""
    fake = FakeListChatModel(responses=["a"])
    assert message_counter(fake, counter("o200k_base"))(SAID) == message_counter()(SAID)


@pytest.mark.parametrize(
    "block", [{"type": "file", "base64": "AAAA"}, {"type": "image", "url": "x"}]
)
def test_what_cannot_be_bounded_is_said(block: dict[str, str]) -> None:
    """A file, and a picture for a model of nobody knows whom."""
    with pytest.raises(UnboundedInput):
        message_counter(FakeListChatModel(responses=["a"]))([HumanMessage([block])])
