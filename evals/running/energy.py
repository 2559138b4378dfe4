"""What a run takes from the grid, and puts into the air: estimates of the ecologits package."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from shoestring.budget.extras import require

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shoestring.budget.receipt import ReceiptLine

_THOUSAND = 1_000  # kWh to Wh, kg to g


class Footprint(NamedTuple):
    """A range of energy and one of emissions.

    Attributes:
        wh: Watt-hours, from and to.
        gco2e: Grams of CO₂ equivalent, from and to; making the hardware counts in.
    """

    wh: tuple[float, float]
    gco2e: tuple[float, float]


class Energy:
    """Estimates what the calls of a run took, from its models and what they wrote.

    The ranges are those of ecologits (Rincé and Banse, "EcoLogits: evaluating the environmental
    impacts of generative AI", JOSS 2025): sizes of models that are not published, and providers'
    data centres, are themselves estimates. How long a call took is taken from its tokens, not
    measured, so that a replayed run weighs what the recorded one did.

    Args:
        zone: Where the electricity comes from, as ISO 3166-1 alpha-3 such as "FRA"; "WOR" is the mean
            of the world, None where each provider's data centres are.

    Raises:
        MissingExtra: If ecologits is not installed.
        ValueError: If it does not know the zone.
    """

    def __init__(self, zone: str | None = None) -> None:
        require("ecologits", "energy")
        from ecologits.electricity_mix_repository import electricity_mixes

        if zone is not None and electricity_mixes.find_electricity_mix(zone=zone) is None:
            raise ValueError(
                f"no electricity mix is known for {zone!r:.20}: give a country by its three letters, "
                "as FRA, or WOR for the world"
            )
        self.zone = zone

    def of(self, lines: Iterable[ReceiptLine]) -> Footprint | None:
        """Return the sums over the lines of a receipt.

        Args:
            lines: Of one run. A line that wrote no tokens takes nothing: a tool, an embedder.

        Returns:
            Both ranges; None where ecologits does not know a model: a part is no sum.
        """
        wh, gco2e = (0.0, 0.0), (0.0, 0.0)
        for line in lines:
            if not line.spent.output_tokens:
                continue
            provider = _providers().get(named := line.what.rpartition("/")[2])
            if provider is None:
                provider = _providers().get(named := line.what)
            found = provider and _of_call(provider, named, line.spent.output_tokens, self.zone)
            if not found:
                return None
            wh = (wh[0] + found.wh[0], wh[1] + found.wh[1])
            gco2e = (gco2e[0] + found.gco2e[0], gco2e[1] + found.gco2e[1])
        return Footprint(wh, gco2e)


@lru_cache(maxsize=1)
def _providers() -> dict[str, str]:
    """Who runs each model that ecologits knows; of names that two have, the first."""
    from ecologits.model_repository import models

    known: dict[str, str] = {}
    for model in models.list_models():
        known.setdefault(model.name, model.provider.value)
    return known


# Two milliseconds a call, and many calls write as many tokens as another.
@lru_cache(maxsize=4_096)
def _of_call(provider: str, name: str, tokens: int, zone: str | None) -> Footprint | None:
    from ecologits.tracers.utils import llm_impacts

    found = llm_impacts(provider, name, tokens, math.inf, zone)
    if found.energy is None or found.gwp is None:
        return None
    return Footprint(_range(found.energy.value), _range(found.gwp.value))


def _range(value: Any) -> tuple[float, float]:  # noqa: ANN401 - a number, or a range of two
    low, high = getattr(value, "min", value), getattr(value, "max", value)
    return float(low) * _THOUSAND, float(high) * _THOUSAND
