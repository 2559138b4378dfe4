"""What is kept back for the answer."""

from __future__ import annotations

from shoestring.budget.amount import MAX_UNITS, Amount

Units = tuple[int, int, int]  # tokens, nanodollars, calls


class AnswerReserve:
    """The reserve of one ledger, less what calls for the answer have spent and hold there."""

    __slots__ = ("_calls", "_held", "_money", "_price", "_priced_tokens", "_spent", "_tokens")

    def __init__(self, reserve: int | Amount) -> None:
        self._price = self._priced_tokens = 0
        if isinstance(reserve, Amount):
            self._tokens = reserve.tokens
            self._money = reserve.nanodollars
            self._calls = reserve.calls
        else:
            self._tokens = self._priced_tokens = reserve
            self._money = 0
            self._calls = 1
        self._spent: Units = (0, 0, 0)
        self._held: Units = (0, 0, 0)

    def state(self) -> tuple[int, int, Units, Units]:
        """Return what to keep of it beside the budget: dearest price, money, spent and held."""
        return self._price, self._money, self._spent, self._held

    def restore(self, price: int, money: int, spent: Units, held: Units) -> None:
        """Go on from what was kept."""
        self._price, self._money, self._spent, self._held = price, money, spent, held

    def know_price(self, token_price: int) -> None:
        """Keep a reserve given in tokens in money too, at the dearest price seen."""
        if token_price > self._price:
            # The money first: an interrupt must not leave a price that is known and not kept.
            self._money = max(self._money, self._money_at(token_price))
            self._price = token_price

    def use(self, spent: Units, held: Units) -> None:
        """Count what calls for the answer have spent, and hold; the figures may be negative."""
        self._spent = _plus(self._spent, spent)
        self._held = _plus(self._held, held)

    def restart(self) -> None:
        """Keep all of it back again; the dearest price stays known."""
        self._spent = self._held = (0, 0, 0)

    def whole(self) -> Units:
        """Return what is kept back before anything of it is used."""
        return self._tokens, self._money, self._calls

    def kept(self, token_price: int = 0) -> Units:
        """Return what work may not use now, or would not at that price."""
        spent, held = self._spent, self._held
        money = max(self._money, self._money_at(token_price)) if token_price else self._money
        return (
            max(0, self._tokens - spent[0] - held[0]),
            max(0, money - spent[1] - held[1]),
            max(0, self._calls - spent[2] - held[2]),
        )

    def kept_at_best(self) -> Units:
        """Return what work could not use even if every hold were released."""
        spent = self._spent
        return (
            max(0, self._tokens - spent[0]),
            max(0, self._money - spent[1]),
            max(0, self._calls - spent[2]),
        )

    def _money_at(self, token_price: int) -> int:
        return min(self._priced_tokens * token_price, MAX_UNITS)


def _plus(one: Units, other: Units) -> Units:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]
