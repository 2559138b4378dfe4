"""Policies choose what fits and pays, and say why not the others."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.agents import (
    Affordable,
    Expected,
    Forecast,
    Policy,
    Session,
    Standing,
    Thresholds,
    Worth,
    short,
)
from shoestring.budget import Amount, Caps

FREE = Amount()
ROUTES = {
    "quote": Forecast(FREE, FREE, 0.2),
    "direct": Forecast(Amount(250, 50, 0, 1), Amount(500, 100, 0, 1), 0.5),
    "thought": Forecast(Amount(900, 100, 0, 2), Amount(1_300, 200, 0, 2), 0.6),
    "research": Forecast(Amount(2_000, 500, 0, 5), Amount(5_000, 1_000, 0, 8), 0.8),
}
POLICIES: list[Policy] = [Affordable(), Thresholds(), Expected(), Expected(Worth(tokens=100))]


def at(
    tokens: int | None,
    *,
    finishing: int | None = None,
    tried: tuple[str, ...] = (),
    share: float = 1.0,
    session: Session | None = None,
) -> Standing:
    """Return a standing with so many tokens left."""
    last = tokens if finishing is None else finishing
    return Standing(Caps(tokens=tokens), Caps(tokens=last), tried, share, session=session)


@pytest.mark.parametrize(
    ("share", "route"),
    [(0.9, "research"), (0.5, "thought"), (0.2, "direct"), (0.05, "quote")],
)
def test_bands_go_from_deep_to_free(share: float, route: str) -> None:
    """High takes the deepest, medium the middle one, low the cheapest, critical a free one."""
    choice = Thresholds().choose(ROUTES, at(100_000, share=share))
    assert choice.route == route
    assert f"{share:.0%} of the budget is left" in choice.reason


def test_a_band_whose_route_does_not_fit_takes_the_next_cheaper() -> None:
    """High with little money is no reason to refuse."""
    assert Thresholds().choose(ROUTES, at(2_000)).route == "thought"
    assert Thresholds().choose(ROUTES, at(400)).route == "direct"


@pytest.mark.parametrize("bands", [(0.3, 0.7, 0.1), (2, 1, 0), (0.7, 0.3, float("nan"))])
def test_bands_that_do_not_fall_are_refused(bands: tuple[float, float, float]) -> None:
    """Shares out of order or out of range are a ValueError."""
    with pytest.raises(ValueError, match="shares from 1 to 0"):
        Thresholds(*bands)


@pytest.mark.parametrize(
    ("worth", "route"), [(1_000_000, "research"), (5_000, "direct"), (1_000, "quote")]
)
def test_what_a_right_answer_is_worth_sets_the_depth(worth: int, route: str) -> None:
    """A rich caller goes deep, a poor one cheap; the gain after cost decides."""
    choice = Expected(Worth(tokens=worth)).choose(ROUTES, at(None))
    assert choice.route == route


def test_dollars_set_the_depth_too() -> None:
    """A worth in dollars compares the money of the routes."""
    routes = {
        "cheap": Forecast(Amount(10, 1, 1_000, 1), Amount(10, 1, 1_000, 1), 0.6),
        "dear": Forecast(Amount(10, 1, 9_000_000, 1), Amount(10, 1, 9_000_000, 1), 0.8),
    }
    assert Expected(Worth(usd="0.01")).choose(routes, at(None)).route == "cheap"
    assert Expected(Worth(usd=1)).choose(routes, at(None)).route == "dear"


@pytest.mark.parametrize(
    "worth", [{}, {"tokens": 0}, {"tokens": 5, "usd": 1}, {"usd": "nan"}, {"usd": "x"}, {"usd": -1}]
)
def test_a_worth_is_one_positive_figure(worth: dict[str, int]) -> None:
    """None, both, zero, NaN and nonsense are refused."""
    with pytest.raises(ValueError, match="give tokens= or usd="):
        Worth(**worth)


def test_a_route_not_worth_its_cost_is_not_taken() -> None:
    """To abstain is worth nothing, which is more than a loss; the receipt says so."""
    routes = {name: ROUTES[name] for name in ("direct", "research")}
    choice = Expected(Worth(tokens=100)).choose(routes, at(10_000))
    assert (choice.route, choice.stopped_by) == (None, None)
    assert "no route is worth its cost at 100 tokens a right answer" in choice.reason


def test_a_route_runs_in_a_set_aside_of_its_ninety_per_cent_cost() -> None:
    """What nine runs in ten read, and the bound of what may be written; never more than is left."""
    learned = Forecast(
        Amount(250, 50, 0, 1),
        Amount(300, 20, 0, 1),
        0.5,
        high=Amount(400, 40, 0, 1),
        bound=Amount(500, 100, 0, 1),
        runs=50,
    )
    aside = Expected().choose({"direct": learned}, at(10_000)).set_aside
    assert aside is not None
    assert (aside.tokens, aside.calls) == (500, 1)
    cut = Expected().choose({"direct": learned}, at(320)).set_aside
    assert cut is not None
    assert cut.tokens == 320


def test_each_route_is_explained() -> None:
    """The line for the receipt has the choice with its forecast, and each other route with why not."""
    choice = Expected(Worth(tokens=10_000)).choose(ROUTES, at(4_000, tried=("thought",)))
    assert choice.route == "direct"
    assert str(choice) == (
        "direct: 50% right, likely 600 tokens, worth +0.440 at 10,000 tokens a right answer, "
        "4,000 tokens left; not quote: 20% right, free of charge, worth +0.200; "
        "not research: does not fit as it likes to run: 80% right, likely 6,000 tokens; "
        "not thought: tried before"
    )


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: str(policy)[:30])
@given(
    costs=st.lists(
        st.tuples(st.integers(0, 999), st.integers(0, 999), st.floats(0, 1)), max_size=6
    ),
    left=st.integers(0, 3_000),
    reserve=st.integers(0, 500),
    tried=st.sets(st.integers(0, 5)),
    share=st.floats(0, 1),
    questions=st.integers(1, 20),
    spent=st.integers(0, 50_000),
)
def test_no_policy_chooses_what_cannot_be_paid_or_refuses_what_can(  # noqa: PLR0917 - hypothesis gives them
    policy: Policy,
    costs: list[tuple[int, int, float]],
    left: int,
    reserve: int,
    tried: set[int],
    share: float,
    questions: int,
    spent: int,
) -> None:
    """Whatever is left, the chosen route is untried and fits; none is chosen only where none fits or pays."""
    routes = {
        str(i): Forecast(Amount(c, 0, 0, int(c > 0)), Amount(c + more, 0, 0, int(c > 0)), p)
        for i, (c, more, p) in enumerate(costs)
    }
    session = Session(questions, questions // 2, Caps(tokens=40_000), Amount(spent))
    names = tuple(str(i) for i in tried)
    standing = at(left, finishing=left + reserve, tried=names, share=share, session=session)
    choice = policy.choose(routes, standing)
    untried = {name: f for name, f in routes.items() if name not in names}
    if choice.route is None:
        worthless = "worth its cost" in choice.reason
        assert worthless or all(f.least.tokens > left + reserve for f in untried.values())
    else:
        caps = standing.finishing if choice.purpose == "answer" else standing.affordable
        assert short(untried[choice.route].least, caps) is None
        if choice.set_aside is not None:
            assert routes[choice.route].least.tokens <= (choice.set_aside.tokens or 0) <= left
    assert set(choice.others) == set(routes) - {choice.route}


def session_of(policy: Policy, limit: int, questions: int, seed: int) -> tuple[int, int, int]:
    """Play a session; return questions answered by a model, those refused though one fitted, and spent."""
    rng = random.Random(seed)
    spent = answered = stranded = 0
    for asked in range(questions):
        hard = rng.random()
        routes = {
            "direct": Forecast(Amount(100, 50, 0, 1), Amount(200, 50, 0, 1), 0.7 - 0.4 * hard),
            "deep": Forecast(Amount(700, 100, 0, 2), Amount(900, 100, 0, 2), 0.75),
        }
        left = limit - spent
        session = Session(questions, asked, Caps(tokens=limit), Amount(spent))
        choice = policy.choose(routes, at(left, share=left / limit, session=session))
        fitted = any(short(f.least, Caps(tokens=left)) is None for f in routes.values())
        if choice.route is None:
            stranded += fitted
            continue
        answered += 1
        aside = choice.set_aside.tokens if choice.set_aside is not None else left
        spent += min(aside or 0, routes[choice.route].likely.tokens)
    return answered, stranded, spent


def test_early_questions_do_not_starve_late_ones() -> None:
    """A thousand sessions: by expectation every question has its answer, and the money is used."""
    starved = 0
    for seed in range(1_000):
        rng = random.Random(seed)
        questions = rng.randint(2, 30)
        limit = questions * rng.randint(250, 1_200)
        policy = Expected(Worth(tokens=1_000_000))
        answered, stranded, spent = session_of(policy, limit, questions, seed)
        assert (answered, stranded) == (questions, 0)
        assert spent <= limit
        starved += session_of(Affordable(first_share=1.0), limit, questions, seed)[0] < questions
    assert starved > 200  # the same sessions, each question taking what it can


def test_a_session_with_plenty_is_not_held_back() -> None:
    """Where every question may go deep, every one does."""
    limit, questions = 100_000, 10
    _, _, spent = session_of(Expected(Worth(tokens=10**9)), limit, questions, 3)
    assert spent == questions * 1_000


@pytest.mark.parametrize(("questions", "asked"), [(0, 0), (3, -1)])
def test_a_session_has_questions(questions: int, asked: int) -> None:
    """A session of none, or with fewer than none asked, is refused."""
    with pytest.raises(ValueError, match="is none"):
        Session(questions, asked, Caps(tokens=1), Amount())


def test_a_worth_takes_any_exact_dollars() -> None:
    """Decimals, whole dollars and strings mean the same."""
    cost = Amount(nanodollars=10_000_000)
    assert Worth(usd=Decimal("0.1")).share(cost) == Worth(usd="0.1").share(cost) == 0.1
