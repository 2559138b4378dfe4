"""Sounds in a prompt: held by how long they last, billed at their own rate."""

from __future__ import annotations

import base64
import io
import wave
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import HumanMessage

from shoestring.budget import Budget, Ledger
from shoestring.models import UnboundedInput, UnknownPrice, guard, price_of

if TYPE_CHECKING:
    from tests.models.wire.conftest import Integration, Wire

pytestmark = [
    # google-genai's session derives from aiohttp's, which says so.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
    # LangChain gives no way to close an integration's clients.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SECONDS = 3
TEXT = {"type": "text", "text": "What is said?"}


def recording() -> str:
    """Three seconds of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(bytes(SECONDS * 32_000))
    return base64.b64encode(file.getvalue()).decode()


SOUND = {"type": "audio", "base64": recording(), "mime_type": "audio/wav"}
HEARD = pytest.mark.parametrize(
    ("integration", "name", "rate"),
    [
        ("openai", "gpt-audio", 20),
        ("google", "gemini-2.5-flash", 32),
        ("google", "gemini-3-flash-preview", 32),
    ],
    indirect=["integration"],
)


@HEARD
def test_a_sound_reserves_what_its_seconds_take(
    integration: Integration, wire: Wire, name: str, rate: int
) -> None:
    """At the provider's documented tokens a second, and no more than a few beside."""
    ledger = Ledger(Budget(tokens=10_000))
    model = guard(integration.make(wire, model=name), ledger)
    model.invoke([HumanMessage([TEXT])])
    model.invoke([HumanMessage([TEXT, SOUND])])
    without, with_sound = ledger.receipt.lines
    more = with_sound.reserved.input_tokens - without.reserved.input_tokens
    assert SECONDS * rate <= more <= SECONDS * rate + 20
    assert recording() in str(wire.bodies[1])


@HEARD
def test_a_sound_is_held_and_billed_at_its_own_rate(
    integration: Integration, wire: Wire, name: str, rate: int
) -> None:
    """Whether the report tells it apart (OpenAI) or not (Google): the dearer rate, never the text's."""
    plain = integration.make(wire, model=name)
    own = plain.model_copy(update={"openai_api_base": None})
    text = price_of(own)
    assert text is not None
    heard = SECONDS * rate
    usage = integration.dialect.usage(heard + 10, 5)
    if name == "gpt-audio":
        usage["prompt_tokens_details"] = {"audio_tokens": heard}
    wire.reports = usage
    ledger = Ledger(Budget(usd=1))
    # The list is asked for each prompt: a price that was given would be one for all.
    if name == "gpt-audio":
        vars(plain)["openai_api_base"] = None
    guard(plain, ledger).invoke([HumanMessage([TEXT, SOUND])])
    (line,) = ledger.receipt.lines
    as_text = text.bound(heard + 10, 5)
    assert line.spent.nanodollars > as_text
    assert line.reserved.nanodollars > line.spent.nanodollars
    assert line.basis == "measured"


@pytest.mark.parametrize("integration", ["google"], indirect=True)
def test_a_sound_without_a_rate_of_its_own_is_billed_as_text(
    integration: Integration, wire: Wire
) -> None:
    """Gemini 2.5 Pro has one price for all that it reads."""
    plain = integration.make(wire, model="gemini-2.5-pro")
    wire.reports = integration.dialect.usage(106, 5)
    ledger = Ledger(Budget(usd=1))
    guard(plain, ledger).invoke([HumanMessage([TEXT, SOUND])])
    price = price_of(plain)
    assert price is not None
    assert ledger.spent.nanodollars == price.bound(106, 5)


@pytest.mark.parametrize("integration", ["openai"], indirect=True)
def test_a_voice_without_a_price_is_refused_under_a_cap_of_dollars(
    integration: Integration, wire: Wire
) -> None:
    """The list has these models at the price of writing alone."""
    plain = integration.make(wire, model="gpt-4o-audio-preview", base_url=None)
    with pytest.raises(UnknownPrice):
        guard(plain, Ledger(Budget(usd=1)))
    guard(plain, Ledger(Budget(tokens=100)))


@pytest.mark.parametrize("integration", ["openai", "anthropic", "groq", "ollama"], indirect=True)
def test_a_sound_without_a_stated_rate_is_refused(integration: Integration, wire: Wire) -> None:
    """Where a provider does not say what a second of it takes: the error names the cure."""
    ledger = Ledger(Budget(tokens=10_000))
    with pytest.raises(UnboundedInput, match="counter="):
        guard(integration.make(wire), ledger).invoke([HumanMessage([TEXT, SOUND])])
    assert wire.bodies == []


@pytest.mark.parametrize("integration", ["google"], indirect=True)
def test_an_mp3_is_held_at_its_lowest_bit_rate(integration: Integration, wire: Wire) -> None:
    """Its bytes bound how long it lasts."""
    mp3 = base64.b64encode(b"\xff\xfb\x90\x00" + bytes(3_996)).decode()
    sound: dict[str, Any] = {"type": "media", "mime_type": "audio/mp3", "data": mp3}
    ledger = Ledger(Budget(tokens=10_000))
    guard(integration.make(wire), ledger).invoke([HumanMessage([TEXT, sound])])
    assert 4 * 32 < ledger.receipt.lines[0].reserved.input_tokens < 4 * 32 + 200
