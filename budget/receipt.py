"""Who spent what, on which node and route, and on what evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from shoestring.budget.amount import Amount

if TYPE_CHECKING:
    from shoestring.budget.amount import Caps

_NOTHING = Amount()

Basis = Literal["measured", "estimated", "presumed"]


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One reservation, or one note.

    Attributes:
        node: Who asked; "" if not named.
        route: On which path; "" if not named.
        what: The kind of thing paid for ("call"), or noted.
        reserved: What was set apart, as widened; zero for a note.
        spent: What was charged; zero for a note and for a hold still open.
        basis: `measured` by the provider, `estimated` here, or `presumed` because nobody knows: the
            hold is charged in full. A hold still open is presumed.
        detail: Anything a reader should know: a breach, a lease that ended.
        dropped: How many pieces of text were left out to make room.
        hold: The id of the hold; "" for a note.
    """

    node: str
    route: str
    what: str
    reserved: Amount
    spent: Amount
    basis: Basis
    detail: str = ""
    dropped: int = 0
    hold: str = field(default="", compare=False)

    def as_dict(self) -> dict[str, object]:
        """Return the line as plain data, ready for JSON."""
        return {
            "node": self.node,
            "route": self.route,
            "what": self.what,
            "reserved": self.reserved.as_dict(),
            "spent": self.spent.as_dict(),
            "basis": self.basis,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """The account of a ledger and all ledgers below it, at one instant.

    Attributes:
        lines: In the order of reservation, of all windows. Released holds leave no line.
        limit: The ledger's own caps.
        spent: What was spent, in the current window if the ledger renews.
        held: What open holds and set-asides keep, likewise.
        remaining: What is left, here and in every ledger above.
        past_spent: What was spent in earlier windows. With `spent` it is the sum of the lines.
    """

    lines: tuple[ReceiptLine, ...]
    limit: Caps
    spent: Amount
    held: Amount
    remaining: Caps
    past_spent: Amount = _NOTHING

    @property
    def dropped(self) -> int:
        """How many pieces of text were left out, over all lines."""
        return sum(line.dropped for line in self.lines)
