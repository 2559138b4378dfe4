"""The planner takes the deepest route that what is left can pay for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.agents import Affordable, Choice, Forecast, Planner, Standing, short
from shoestring.budget import Amount, Caps
from shoestring.graphs import Quote


def forecast(least: int, likely: int, success: float, calls: int = 1, money: int = 0) -> Forecast:
    """Return a forecast of so many tokens."""
    return Forecast(Amount(least, 0, money, calls), Amount(likely, 0, money, calls), success)


ROUTES = {
    "quote": Forecast(Amount(), Amount(), 0.2),
    "direct": forecast(300, 700, 0.5),
    "deep": forecast(1_500, 2_500, 0.6, calls=2),
}


def choose(
    tokens: int | None, *, tried: tuple[str, ...] = (), finishing: int | None = None
) -> Choice:
    """Choose with so many tokens left."""
    last = tokens if finishing is None else finishing
    return Affordable().choose(ROUTES, Standing(Caps(tokens=tokens), Caps(tokens=last), tried))


def test_plenty_buys_the_deepest_route() -> None:
    """With twice the likely cost left, the deepest route is taken."""
    assert choose(5_000).route == "deep"
    assert choose(None).route == "deep"


def test_a_first_attempt_leaves_room_for_another() -> None:
    """A route that would take more than half of what is left is not tried first."""
    assert choose(4_999).route == "direct"


def test_after_a_failed_check_all_that_is_left_may_be_used() -> None:
    """Once a route was tried, a deeper one may take the rest."""
    assert choose(2_500, tried=("direct",)).route == "deep"


def test_a_tight_budget_cuts_the_context_before_it_gives_up_the_model() -> None:
    """A route whose least cost fits is taken although its likely cost does not."""
    choice = choose(400)
    assert choice.route == "direct"
    assert "cut to fit" in choice.reason


def test_the_answer_reserve_pays_only_for_the_last_answer() -> None:
    """The cheapest model route is taken from the reserve when nothing else is left."""
    choice = choose(100, finishing=400)
    assert (choice.route, choice.purpose) == ("direct", "answer")
    assert choose(400, finishing=800).purpose == "work"


def test_without_money_the_free_route_is_taken_and_the_cap_named() -> None:
    """A budget too small for any call ends in a quote, and says which cap it was."""
    choice = choose(200)
    assert (choice.route, choice.stopped_by) == ("quote", "tokens")
    assert "direct needs at least 300 tokens, 200 tokens left" in choice.reason


def test_when_every_route_was_tried_there_is_none() -> None:
    """The planner says so instead of repeating a route."""
    assert choose(10_000, tried=("quote", "direct", "deep")).route is None


@pytest.mark.parametrize(
    ("caps", "cap"),
    [
        (Caps(tokens=99), "tokens"),
        (Caps(nanodollars=9), "usd"),
        (Caps(calls=0), "calls"),
        (Caps(seconds=0.0), "seconds"),
        (Caps(tokens=100, nanodollars=10, calls=1, seconds=0.1), None),
        (Caps(), None),
    ],
)
def test_every_cap_can_be_the_one_that_is_short(caps: Caps, cap: str | None) -> None:
    """Tokens, dollars, calls and seconds are each compared."""
    assert short(Amount(100, 0, 10, 1), caps) == cap


@given(
    costs=st.lists(
        st.tuples(st.integers(1, 999), st.integers(0, 999), st.floats(0, 1)), max_size=6
    ),
    left=st.integers(0, 3_000),
    reserve=st.integers(0, 500),
    tried=st.sets(st.integers(0, 5)),
)
def test_no_route_is_chosen_that_cannot_be_paid_for(
    costs: list[tuple[int, int, float]], left: int, reserve: int, tried: set[int]
) -> None:
    """Whatever is left, the chosen route is untried, and its least cost fits under its purpose."""
    routes = {str(i): forecast(c, c + more, p) for i, (c, more, p) in enumerate(costs)}
    standing = Standing(Caps(tokens=left), Caps(tokens=left + reserve), {str(i) for i in tried})
    choice = Affordable().choose(routes, standing)
    if choice.route is None:
        untried = [f for name, f in routes.items() if name not in standing.tried]
        assert all(f.least.tokens > left + reserve for f in untried)
    else:
        assert choice.route not in standing.tried
        caps = standing.finishing if choice.purpose == "answer" else standing.affordable
        assert short(routes[choice.route].least, caps) is None


def test_a_planner_without_a_model_leaves_model_routes_out() -> None:
    """Routes that need a model are no option where there is none."""
    planner = Planner((Quote(),))
    assert planner.choose(None, Standing(Caps(tokens=9), Caps(tokens=9))).route == "quote"


@pytest.mark.parametrize("routes", [(), (Quote(), Quote())])
def test_routes_have_names_of_their_own(routes: tuple[Quote, ...]) -> None:
    """No route, or two of one name, is refused with the names."""
    with pytest.raises(ValueError, match="give at least one, each with a name of its own"):
        Planner(routes)


@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
def test_a_share_is_a_share(share: float) -> None:
    """A first share outside (0, 1] is refused."""
    with pytest.raises(ValueError, match="share above 0"):
        Affordable(first_share=share)
