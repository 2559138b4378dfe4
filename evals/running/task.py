"""What a target is given: a question, never its answers or marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from shoestring.models import guard_all

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from shoestring.budget import Budget, Ledger

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Task:
    """One question of one run.

    Attributes:
        question: The question, after the earlier turns of its conversation if there are any.
        documents: What may be answered from, as "passage 0", "passage 1", …; empty if the case has
            none.
        budget: What may be spent; None for no cap.
        route: The route to take; "" where the target chooses.
        seed: Which repetition this is, for targets that sample.
        ledger: The account of this run. What opens a budget of its own inside (an assistant, an
            agent with a `BudgetMiddleware`) hangs below it by itself.
    """

    question: str
    documents: list[Document]
    budget: Budget | None
    route: str
    seed: int
    ledger: Ledger

    def guard(self, thing: T) -> T:
        """Return a copy of a chain, an agent or a model whose models spend from this run's account.

        As `shoestring.guard_all`.
        """
        return guard_all(thing, self.ledger)
