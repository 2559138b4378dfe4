"""One finished run of a case, as it is written down."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Key(NamedTuple):
    """Which cell of the grid a result is of."""

    case: str
    budget: str
    route: str
    seed: int


@dataclass(frozen=True, slots=True)
class Result:
    """What one case came to under one budget, on one route, with one seed.

    Attributes:
        case: The case's id.
        budget: The budget's label, such as "500 tokens".
        route: The route that was asked for; "" where the target chooses.
        seed: The repetition.
        answer: What was answered.
        kind: "generated", "quote", "abstained", or "" where the target does not tell.
        took: The route that was taken, where the target tells.
        scores: By scorer; a score of None is left out. The first scorer's is `right` in all figures.
        error: What went wrong, in one line; None if nothing did. A run that went wrong scores 0.
        stopped_by: The cap that ended the work; None for none.
        input_tokens: Read by models; likewise the rest: what their providers reported, or what
            was held where they did not.
        output_tokens: Written by models.
        cached_tokens: Part of what was read that the provider had cached.
        reasoning_tokens: Part of what was written that was thought.
        usd: Dollars.
        calls: Calls of models, and of tools where they are counted.
        seconds: By the clock.
        presumed_tokens: Part of the tokens that nobody reported: charged as held.
        dropped: Pieces of text that were left out to make room.
        over: By how much a cap was passed, in its unit; 0 unless a provider ignored its limit.
        wh: Watt-hours, from and to; None where they are not estimated.
        gco2e: Grams of CO₂ equivalent, from and to; likewise.
    """

    case: str
    budget: str
    route: str
    seed: int
    answer: str = ""
    kind: str = ""
    took: str = ""
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    error: str | None = None
    stopped_by: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    usd: float = 0.0
    calls: int = 0
    seconds: float = 0.0
    presumed_tokens: int = 0
    dropped: int = 0
    over: float = 0.0
    wh: tuple[float, float] | None = None
    gco2e: tuple[float, float] | None = None

    @property
    def key(self) -> Key:
        """Which cell of the grid it is."""
        return Key(self.case, self.budget, self.route, self.seed)

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Result:
        """Return the result of a row of a results file.

        Raises:
            ValueError: If the row is of another version of the format.
        """
        known = {one.name for one in fields(cls)}
        strange = sorted(set(row) - known)
        lacking = sorted({"case", "budget", "route", "seed"} - set(row))
        if strange or lacking:
            raise ValueError(f"a result with {strange} and without {lacking}")
        pairs = {name: tuple(row[name]) for name in ("wh", "gco2e") if row.get(name)}
        merged: dict[str, Any] = {**row, **pairs}
        return cls(**merged)
