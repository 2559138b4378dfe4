"""What a route cannot do without, or an error that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoestring.agents import Meter
    from shoestring.tools import Outline


def metered(route: str, meter: Meter | None) -> Meter:
    """Return how the calls of a route are counted.

    Raises:
        ValueError: If there is no model, and so no meter.
    """
    if meter is None:
        raise ValueError(f"route {route!r} needs a model")
    return meter


def outlined(route: str, outline: Outline | None) -> Outline:
    """Return the outline that a route reads by.

    Raises:
        ValueError: If there is none.
    """
    if outline is None:
        raise ValueError(
            f"route {route!r} needs an outline: build_assistant(…, outline=Outline.build(documents))"
        )
    return outline
