"""Topping up: what whole units leave of the room, filled with longer forms and shortened units."""

from collections.abc import Callable, Sequence

from shoestring.tools.trimming.pack import longest_prefix
from shoestring.tools.trimming.pieces import Choice, Pieces
from shoestring.tools.trimming.render import title_of
from shoestring.tools.trimming.units import safe_cut

__all__ = ["TopUp"]

_TRIES = 48  # units that are tried for a last, shortened piece


class TopUp:
    """Makes a choice fill its room; every step is measured on the rendering."""

    def __init__(
        self,
        pieces: Pieces,
        limit: int,
        measure: Callable[[Choice], int],
        *,
        full: float,
        per_token: float,
    ) -> None:
        """Take what is measured.

        Args:
            pieces: The units.
            limit: Room, in model tokens.
            measure: Counts the tokens of a choice as rendered.
            full: The tokens from which on nothing is cut to add more; 0 cuts only where nothing else
                would be kept at all.
            per_token: Characters of a token, about.
        """
        self._pieces = pieces
        self._limit = limit
        self._measure = measure
        self._full = full
        self._per_token = per_token

    def widened(self, choice: Choice) -> Choice:
        """Write short forms out, the best first, where what the others leave is room enough."""
        for unit in choice.units:
            if unit in choice.short:
                whole = Choice(choice.units, short=choice.short - {unit})
                if self._measure(whole) <= self._limit:
                    choice = whole
        return choice

    def filled(self, choice: Choice, order: Sequence[int]) -> Choice:
        """Fill what whole units leave with shortened ones, the best first, until it is enough."""
        used = self._measure(choice)
        for untitled in (False, True):
            tries = 0
            for unit in order:
                if used >= (self._full or 1) or tries >= _TRIES:
                    break
                if unit in choice.units or not self._pieces.may_be_cut(unit):
                    continue
                owner = self._pieces.owner[unit]
                if untitled and not self._may_lose_title(owner, choice):
                    continue
                tries += 1
                longer = self._shortened(choice, unit, owner if untitled else None)
                if longer is not None:
                    choice, used = longer
        return choice

    def _may_lose_title(self, owner: int, choice: Choice) -> bool:
        titled = title_of(self._pieces.documents[owner])
        return bool(titled) and all(self._pieces.owner[unit] != owner for unit in choice.units)

    def _shortened(
        self, choice: Choice, unit: int, untitled: int | None
    ) -> tuple[Choice, int] | None:
        """Add as much of a unit as fits; None if not even its first character does."""
        text = self._pieces.content(unit)

        def measured(length: int) -> int:
            return self._measure(choice.with_cut(unit, length, untitled=untitled))

        if measured(1) > self._limit:
            return None
        guess = int(self._per_token * self._limit) + 1
        length = longest_prefix(len(text), guess, lambda n: measured(n) <= self._limit)
        if length < len(text):
            length = self._nice_cut(text, length, measured)
        if length == 0:
            return None
        longer = choice.with_cut(unit, length, untitled=untitled)
        if length == len(text):
            # Without the cut it joins the unit behind it, and with that the space between them.
            whole = Choice(longer.units, choice.cuts, longer.untitled, longer.short)
            used = self._measure(whole)
            if used <= self._limit:
                return whole, used
        return longer, measured(length)

    def _nice_cut(self, text: str, length: int, measured: Callable[[int], int]) -> int:
        """Move a cut to the end of a word, or at least off the middle of a character."""
        word = len(text[:length].rsplit(maxsplit=1)[0]) if " " in text[:length].strip() else 0
        if text[length : length + 1].isspace():
            word = len(text[:length].rstrip())
        for cut, least in ((word, self._full), (safe_cut(text, 0, length), 0.0)):
            if cut and least <= measured(cut) <= self._limit:
                return cut
        return length
