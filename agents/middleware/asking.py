"""Asking a person for more, and going on with what they grant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langgraph.types import interrupt

from shoestring.agents.runs import open_account
from shoestring.budget import Budget, BudgetExceeded

if TYPE_CHECKING:
    from shoestring.budget import Ledger, LedgerClosed

_ANSWERS = 'Command(resume={"tokens": 2000}) grants that much more; Command(resume=False) nothing'


def ask(refusal: BudgetExceeded | LedgerClosed, ledger: Ledger) -> Ledger | None:
    """Interrupt the run until a person decides; the ledger's clock stands still meanwhile.

    Args:
        refusal: What the ledger said.
        ledger: The account that is spent.

    Returns:
        The account that pays from now on; None if nothing is granted.
    """
    problem: str | None = None
    while True:
        ledger.pause()
        decision = interrupt(_question(refusal, ledger, problem))
        ledger.resume()
        if not decision:
            return None
        try:
            return _successor(ledger, _granted(decision, ledger))
        except (TypeError, ValueError) as error:
            # To raise would end every later resume in the same way: LangGraph replays the decision.
            problem = f"not understood: {error}"


def _question(
    refusal: BudgetExceeded | LedgerClosed, ledger: Ledger, problem: str | None
) -> dict[str, Any]:
    """Return what the person is shown: plain data, as any checkpointer and server can keep it."""
    question: dict[str, Any] = {
        "reason": "budget",
        "message": str(refusal),
        "ledger_id": ledger.id,
        "spent": ledger.spent.as_dict(),
        "limit": ledger.limit.as_dict(),
        "answers": _ANSWERS,
    }
    if isinstance(refusal, BudgetExceeded):
        question |= {
            "dimension": refusal.dimension,
            "needed": float(refusal.needed),
            "remaining": float(refusal.remaining),
        }
    return question if problem is None else {**question, "problem": problem}


def _granted(decision: object, ledger: Ledger) -> Budget:
    """Return the budget that a person granted.

    Raises:
        TypeError, ValueError: If it is none.
    """
    if isinstance(decision, Mapping):
        decision = Budget(**decision)
    if not isinstance(decision, Budget):
        raise TypeError(f"{decision!r:.60} is no budget: {_ANSWERS}")
    kept = ledger.budget.answer_reserve if ledger.budget is not None else 0
    if decision.answer_reserve == 0 and kept:
        try:
            return replace(decision, answer_reserve=kept)
        except ValueError:  # more than is granted
            return decision
    return decision


def _successor(ledger: Ledger, grant: Budget) -> Ledger:
    """Return the account that follows a spent one, beside it under the same parent.

    Its id is made of the other's: a node that LangGraph runs again, or a thread that is rewound, finds
    it with what it has spent, so that a grant counts once.
    """
    return open_account(grant, f"{ledger.id}, raised", "raised", ledger.store, ledger.parent)
