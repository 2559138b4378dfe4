"""The draft of an answer as it grows: what a call makes of it, and what stays when the money ends."""

from __future__ import annotations

from shoestring.graphs.state import BudgetState, Draft


def failed(problem: str, cap: str | None = None) -> Draft:
    """Return a draft without a text, saying why."""
    return Draft(kind="abstained", text="", truncated=False, problem=problem, cap=cap)


def generated(text: str, *, truncated: bool) -> Draft:
    """Return a draft that a model wrote."""
    return Draft(kind="generated", text=text, truncated=truncated, problem="", cap=None)


def drafted(state: BudgetState, draft: Draft) -> BudgetState:
    """Take a call's draft for the best so far; where it failed, the one before stays, if it is whole.

    A failure by the budget ends the route.
    """
    if not draft["problem"]:
        return {"draft": draft}
    best = state["draft"]
    if best["text"] and not best["truncated"]:
        best = best.copy()
        best["cap"] = draft["cap"]
        return {"draft": best, "over": True}
    return {"draft": draft, "over": True}


def noted(state: BudgetState, draft: Draft) -> BudgetState:
    """Take a call's draft for the best so far, and for the thoughts that the next call reads."""
    update = drafted(state, draft)
    return update if draft["problem"] else update | {"thoughts": draft["text"]}
