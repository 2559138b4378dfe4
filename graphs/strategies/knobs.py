"""A route by its name, with other knobs than it stands with."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shoestring.agents import Route

_MOST = 2**31


def route_of(spec: str, routes: Iterable[Route]) -> Route:
    """Return the route that a name stands for, with the knobs that follow it.

    Args:
        spec: A name, then knobs, as in "direct context=1024 output=48": fields of the route that are
            numbers.
        routes: The routes there are.

    Returns:
        The route, still under its name.

    Raises:
        ValueError: If no route has the name, or the route has no such knob, or does not take the value.

    >>> from shoestring.graphs import Direct, Quote
    >>> route_of("direct context=1024", [Quote(), Direct()]).context
    1024
    """
    by_name = {route.name: route for route in routes}
    name, *knobs = spec.split() or [""]
    if name not in by_name:
        raise ValueError(f"no route is called {name!r:.40}: there are {', '.join(by_name)}")
    route: Any = by_name[name]
    known = _knobs(route)
    values: dict[str, int | float] = {}
    for knob in knobs:
        key, _, value = knob.partition("=")
        if key not in known:
            some = f"it has {', '.join(known)}" if known else "it has none"
            raise ValueError(f"route {name!r} has no knob {key!r:.40}: {some}")
        values[key] = _number(name, key, value, known[key])
    turned: Route = replace(route, **values) if values else route
    return turned


def _knobs(route: object) -> dict[str, int | float]:
    """Return the fields of a route that are numbers, as they are."""
    if not is_dataclass(route):
        return {}
    found = {one.name: getattr(route, one.name) for one in fields(route)}
    return {
        key: value
        for key, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _number(name: str, key: str, text: str, now: float) -> int | float:
    whole = isinstance(now, int)
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= _MOST:
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"route {name!r}: {key} is {kind} from 0, not {text!r:.40}")
    return value
