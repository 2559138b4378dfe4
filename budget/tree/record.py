"""What a tree remembers of a request: who asked, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from shoestring.budget.amount import Amount
from shoestring.budget.receipt import ReceiptLine

if TYPE_CHECKING:
    from shoestring.budget.receipt import Basis
    from shoestring.budget.tree.account import Account, Purpose

HoldState = Literal["reserved", "dispatched", "settled", "released"]

NOTHING = Amount()

# What a hold came to: the amount, on what basis, with which remark.
Outcome = tuple[Amount, "Basis", str]


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """At which account a request is made, under which labels and for what purpose."""

    account: Account
    node: str
    route: str
    purpose: Purpose


class Record:
    """One request, and the hold it becomes. Its fields change only under the lock of its tree.

    Attributes:
        origin: Who asked.
        what: What for.
        asked: The bound as asked for; what a breach is measured against.
        bound: The bound as held: what was asked for, widened.
        at: When it was reserved: the windows of that time pay for it.
        lease: Seconds its owner may be silent.
        deadline: When the lease ends.
        timeout: Seconds of active time left when it was granted.
        seq: Its place in the order of its tree.
        sent: Whether the request went out.
        lapsed: Whether its spending is presumed because the lease ended.
        outcome: What it came to; None while it is open, and once it is released.
    """

    __slots__ = (
        "asked",
        "at",
        "bound",
        "deadline",
        "lapsed",
        "lease",
        "origin",
        "outcome",
        "sent",
        "seq",
        "state",
        "timeout",
        "what",
    )

    def __init__(self, origin: Origin, what: str, asked: Amount, lease: float) -> None:
        self.origin = origin
        self.what = what
        self.asked = self.bound = asked
        self.at = 0.0
        self.lease = lease
        self.deadline = 0.0
        self.timeout: float | None = None
        self.seq = 0
        self.state: HoldState = "reserved"
        self.sent = False
        self.lapsed = False
        self.outcome: Outcome | None = None

    @property
    def id(self) -> str:
        """The ledger's id and the request's place in its tree."""
        return f"{self.origin.account.id}:{self.seq}"

    @property
    def open(self) -> bool:
        """Whether it still holds something."""
        return self.state == "reserved" or self.state == "dispatched"  # noqa: PLR1714  hot path


def receipt_line(record: Record, bound: Amount, outcome: Outcome | None) -> ReceiptLine:
    """Return the line of `record`, as it stood with that bound and outcome."""
    spent, basis, detail = outcome or (NOTHING, "presumed", "still held")
    origin = record.origin
    return ReceiptLine(
        origin.node, origin.route, record.what, bound, spent, basis, detail, hold=record.id
    )
