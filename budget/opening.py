"""Going on with a ledger, or beginning it: what a service does for each tenant at each start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoestring.budget.amount import check_type
from shoestring.budget.budget import Budget
from shoestring.budget.errors import BudgetChanged, LedgerNotFound
from shoestring.budget.ledger import Ledger

if TYPE_CHECKING:
    from shoestring.budget.stores.store import Store


def open_ledger(
    budget: Budget,
    id: str,  # noqa: A002  the public name of the thing
    *,
    under: Store | Ledger,
    name: str | None = None,
) -> Ledger:
    """Go on with the ledger of that id, or begin it: the same line in every process, at every start.

    Args:
        budget: Its caps.
        id: How the store finds it.
        under: The store of a root, or the ledger above it.
        name: How messages call it, if it is begun here; its id if not given.

    Raises:
        BudgetChanged: If it began with another budget, or elsewhere in the tree.
        BudgetExceeded, LedgerClosed, StoreError: As for `Ledger` and `child`.

    >>> from shoestring.budget import Amount, MemoryStore
    >>> store = MemoryStore()
    >>> open_ledger(Budget(tokens=90), "tenant-7", under=store).reserve(Amount(40)).settle(Amount(40))
    >>> open_ledger(Budget(tokens=90), "tenant-7", under=store).remaining.tokens
    50
    """
    check_type("a ledger's budget", budget, Budget)
    found, begun = find_or_begin(budget, id, under=under, name=id if name is None else name)
    if begun:
        return found
    if found.budget is None or _terms(found.budget) != _terms(budget):
        raise BudgetChanged(
            f"ledger {id!r:.60} began with {found.budget}, not {budget}: go on with what it has by "
            f"store.ledger(id), or begin another under another id"
        )
    above = under if isinstance(under, Ledger) else None
    if (found.parent and found.parent.id) != (above and above.id):
        stands = "is a root" if found.parent is None else f"is below {found.parent.id!r:.60}"
        raise BudgetChanged(
            f"ledger {id!r:.60} {stands} in this store: open it there, or choose another id"
        )
    return found


def find_or_begin(
    budget: Budget,
    id: str,  # noqa: A002  the public name of the thing
    *,
    under: Store | Ledger,
    name: str,
) -> tuple[Ledger, bool]:
    """Return the ledger of that id, whatever its budget, and whether it was begun here."""
    store = under.store if isinstance(under, Ledger) else under
    try:
        return store.ledger(id), False
    except LedgerNotFound:
        try:
            begun = (
                under.child(budget, name=name, id=id)
                if isinstance(under, Ledger)
                else Ledger(budget, name=name, id=id, store=under)
            )
        except ValueError:  # somebody beside us was first
            return store.ledger(id), False
        return begun, True


def _terms(budget: Budget) -> tuple[object, ...]:
    """Return what a budget says, however it was written."""
    return budget.caps, budget.answer_reserve, budget.per, budget.repeats
