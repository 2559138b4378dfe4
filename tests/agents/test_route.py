"""A call is costed before it is made: its prompt, its context and its answer, in tokens and money."""

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage

from shoestring.agents import Meter
from shoestring.budget import Caps
from shoestring.models import ByteBound, Price

METER = Meter(ByteBound())
PRICED = Meter(ByteBound(), Price(input=1, output=4))


def test_room_is_what_is_affordable_less_prompt_and_output() -> None:
    """What a token cap leaves after the prompt and the bound on the answer is room for context."""
    assert METER.room(Caps(tokens=1_000), prompt=100, output=128) == 772
    assert METER.room(Caps(tokens=100), prompt=100, output=128) == 0


def test_the_window_binds_like_a_cap() -> None:
    """A model's context window is respected where the budget would allow more."""
    assert Meter(ByteBound(), window=500).room(Caps(), prompt=100, output=128) == 272
    assert METER.room(Caps(), prompt=100, output=128) > 1_000_000


@given(
    nanodollars=st.integers(0, 10**9), prompt=st.integers(0, 10_000), output=st.integers(0, 4_000)
)
def test_a_dollar_cap_buys_exactly_what_it_can(nanodollars: int, prompt: int, output: int) -> None:
    """The room under a dollar cap can be paid for, and one token more cannot."""
    room = PRICED.room(Caps(nanodollars=nanodollars), prompt=prompt, output=output)
    if room:
        assert PRICED.bound(prompt + room, output).nanodollars <= nanodollars
    assert PRICED.bound(prompt + room + 1, output).nanodollars > nanodollars


@given(tokens=st.integers(0, 9_999), nanodollars=st.integers(0, 10**9))
def test_every_cap_binds(tokens: int, nanodollars: int) -> None:
    """Under two caps the room is the smaller of what each leaves."""
    both = PRICED.room(Caps(tokens=tokens, nanodollars=nanodollars), prompt=50, output=16)
    assert both == min(
        PRICED.room(Caps(tokens=tokens), prompt=50, output=16),
        PRICED.room(Caps(nanodollars=nanodollars), prompt=50, output=16),
    )


def test_a_prompt_is_counted_with_its_framing_and_the_seam() -> None:
    """The prompt's own tokens are never fewer than what the counter says of the messages."""
    messages = [HumanMessage("How many people does the ferry carry?")]
    assert METER.prompt(messages) > ByteBound().count_messages(messages)
    assert METER.bound(10, 5).calls == 1
