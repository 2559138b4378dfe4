"""Routes by name: what a person types becomes a route, or a sentence that says what is wrong."""

from __future__ import annotations

import pytest

from shoestring.graphs import ChainOfDraft, ChainOfThought, Direct, Quote, planner_of
from shoestring.graphs.strategies.knobs import route_of

ROUTES = (Quote(), Direct(), ChainOfThought(), ChainOfDraft())


def test_a_name_alone_is_the_route_as_it_stands() -> None:
    """Without knobs nothing is copied or changed."""
    assert [route_of(route.name, ROUTES) for route in ROUTES] == list(ROUTES)


def test_knobs_follow_the_name() -> None:
    """Whole and broken numbers, several at once; the route keeps its name."""
    found = route_of("  direct context=1024   success=0.25 ", ROUTES)
    assert found == Direct(context=1024, success=0.25)
    assert [route.name for route in planner_of(["direct context=1024", "quote"]).routes] == [
        "direct",
        "quote",
    ]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("", "no route is called '': there are quote, direct"),
        ("dirct context=9", "no route is called 'dirct'"),
        (
            "direct contxt=9",
            "'direct' has no knob 'contxt': it has context, least, output, success",
        ),
        ("direct name=x", "no knob 'name'"),
        ("direct context", "context is a whole number from 0, not ''"),
        ("direct context=1.5", "context is a whole number from 0, not '1.5'"),
        ("direct context=-1", "context is a whole number from 0, not '-1'"),
        ("direct success=nan", "success is a number from 0, not 'nan'"),
        ("direct context=99999999999999999999", "context is a whole number from 0"),
        ("quote needs_model=1", "no knob 'needs_model'"),
        ("chain_of_draft words=0", "words must be at least 1"),
    ],
)
def test_what_is_no_route_is_told(spec: str, told: str) -> None:
    """The message names the route, the knob and what there is."""
    with pytest.raises(ValueError, match=told):
        route_of(spec, ROUTES)
