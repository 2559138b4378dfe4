"""What a step relies on, so that it can be kept where others came in between.

A step of the law adds to the sums of some accounts, subtracts from them, and compares them with caps.
Run on a `NotedSum` in place of each integer, it notes every comparison as a guard: an inequality
between sums as the store has them. Whatever those sums have become meanwhile, wherever all guards
hold the step would have gone the same way, and changed each sum by the same difference. So the store
needs to know nothing of the law: it checks inequalities, and adds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shoestring.budget.tree.account import Account

# Up to here integers, and sums of several, are exact in scripts whose numbers are doubles.
EXACT = 2**50
# A linear form is one integer, with a signed digit of so many bits for each sum.
_DIGIT = 16
_MASK = (1 << _DIGIT) - 1
_SIGN = 1 << (_DIGIT - 1)
# Of so many sums of a step, what stands for them is kept for the next.
_REMEMBERED = 500


class Unfollowed(Exception):  # noqa: N818  no fault: the step is run on plain integers instead
    """A step did with a sum what cannot be noted as a guard."""


class NotedSum:
    """Sums of the store, added or subtracted, and a constant.

    Two that differ by a constant subtract to a plain integer.

    Attributes:
        form: Which sums.
        added: The constant.
        value: What it comes to, as far as this process knows.
    """

    __slots__ = ("_most", "added", "form", "value")

    def __init__(self, form: int, added: int, value: int, most: dict[int, int]) -> None:
        self.form = form
        self._most = most
        self.added = added
        self.value = value

    def __add__(self, other: int | NotedSum) -> int | NotedSum:
        if isinstance(other, int):
            if not other:
                return self
            return NotedSum(self.form, self.added + other, self.value + other, self._most)
        form = self.form + other.form
        added = self.added + other.added
        return NotedSum(form, added, self.value + other.value, self._most) if form else added

    __radd__ = __add__

    def __sub__(self, other: int | NotedSum) -> int | NotedSum:
        if isinstance(other, int):
            if not other:
                return self
            return NotedSum(self.form, self.added - other, self.value - other, self._most)
        form = self.form - other.form
        added = self.added - other.added
        return NotedSum(form, added, self.value - other.value, self._most) if form else added

    def __neg__(self) -> NotedSum:
        return NotedSum(-self.form, -self.added, -self.value, self._most)

    def __rsub__(self, other: int) -> int | NotedSum:
        return -self + other

    def __gt__(self, other: int | NotedSum) -> bool:
        if not isinstance(other, int):
            return self - other > 0
        if above := self.value > other:
            form, most = -self.form, self.added - other - 1
        else:
            form, most = self.form, other - self.added
        known = self._most.get(form)
        if known is None or most < known:
            self._most[form] = most
        return above

    def __le__(self, other: int | NotedSum) -> bool:
        return not self > other

    def __lt__(self, other: int | NotedSum) -> bool:
        return -self > -other

    def __ge__(self, other: int | NotedSum) -> bool:
        return not self < other

    def _unfollowed(self, *_: object) -> NoReturn:
        raise Unfollowed

    # Else Python would compare identities, take every sum for true, and show none.
    __bool__ = __eq__ = __ne__ = __hash__ = __int__ = __index__ = _unfollowed  # pyright: ignore[reportAssignmentType]  none returns
    __float__ = __str__ = __format__ = _unfollowed  # pyright: ignore[reportAssignmentType]  as above


class Guards:
    """The sums of the accounts of one step, and what it relies on of them; then those of the next."""

    __slots__ = ("_armed", "_most", "_noted", "_place")

    def __init__(self) -> None:
        # The accounts, with the forms of their sums.
        self._armed: list[tuple[Account, list[int]]] = []
        self._place = 0
        self._most: dict[int, int] = {}
        # What stood for the sums of earlier steps, by place and count: making it anew takes long.
        self._noted: dict[tuple[int, int], tuple[list[int], list[NotedSum]]] = {}

    def begin(self) -> None:
        """Forget the accounts, and what was relied on."""
        self._armed.clear()
        self._place = 0
        self._most.clear()

    def arm(self, account: Account, sums: list[int]) -> None:
        """Put noted sums in the place of those integers, which are the account's."""
        where = self._place, len(sums)
        forms, noted = self._noted.get(where) or self._new(*where)
        for one, value in zip(noted, sums, strict=True):
            one.value = value
        self._place += len(sums)
        self._armed.append((account, forms))
        put_sums(account, cast("list[int]", noted))

    def _new(self, place: int, count: int) -> tuple[list[int], list[NotedSum]]:
        forms = [1 << where * _DIGIT for where in range(place, place + count)]
        found = forms, [NotedSum(form, 0, 0, self._most) for form in forms]
        if place < _REMEMBERED:
            self._noted[place, count] = found
        return found

    def disarm(self) -> list[tuple[list[int], list[int]]]:
        """Put the integers back; return each account's, and what they have changed by.

        Raises:
            Unfollowed: If a sum did not change by a constant, or is too large for a script.
        """
        found: list[tuple[list[int], list[int]]] = []
        for account, forms in self._armed:
            noted: list[Any] = sums_of(account)
            try:
                if [one.form for one in noted] != forms:
                    raise Unfollowed
                values = [one.value for one in noted]
                changes = [one.added for one in noted]
            except AttributeError:  # an integer that somebody has set
                raise Unfollowed from None
            if (
                max(values) > EXACT
                or max(changes) > EXACT
                or min(values) < -EXACT
                or min(changes) < -EXACT
            ):
                raise Unfollowed
            put_sums(account, values)
            found.append((values, changes))
        return found

    def rows(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield the guards: the most that may be, and the sums added up, counted from 1.

        A sum that is subtracted is negative.
        """
        for form, most in self._most.items():
            yield most, variables(form)


@lru_cache(maxsize=1024)
def variables(form: int) -> tuple[int, ...]:
    """Return which sums a form adds up, counted from 1; negative is subtracted."""
    found: list[int] = []
    place = 1
    while form:
        digit = ((form & _MASK) ^ _SIGN) - _SIGN
        found += [place if digit > 0 else -place] * abs(digit)
        form = (form - digit) >> _DIGIT
        place += 1
    return tuple(found)


def sums_of(account: Account) -> list[int]:
    """Return the figures of an account that steps add to: always the same, in the same order."""
    sums: list[int] = [*account.figures()]
    if account.window is not None:
        _, past, own = account.window.state()
        sums += past
        sums += own
    if account.reserve is not None:
        *_, spent, held = account.reserve.state()
        sums += spent
        sums += held
    return sums


def put_sums(account: Account, sums: Iterable[int]) -> None:
    """Put those figures in their place.

    Raises:
        ValueError: If they are too few or too many.
    """
    figures = tuple(sums)
    account.restore(figures[:8])  # type: ignore[arg-type]  # too few are a ValueError
    rest = figures[8:]
    if account.window is not None:
        account.window.past.restore(rest[:8])  # type: ignore[arg-type]  # as above
        a, b, c, d = rest[8:12]
        account.window.own = (a, b, c, d)
        rest = rest[12:]
    if account.reserve is not None:
        price, money, *_ = account.reserve.state()
        a, b, c, d, e, f = rest[:6]
        account.reserve.restore(price, money, (a, b, c), (d, e, f))
        rest = rest[6:]
    if rest:
        raise ValueError("more figures than an account has")
