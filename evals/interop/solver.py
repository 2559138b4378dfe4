"""A target as a solver of inspect-ai: its limits cap our ledger, and our receipt stands in its log."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
from inspect_ai.model import ChatMessageAssistant, ModelOutput
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import LimitExceededError, sample_limits

from shoestring.agents.runs import paying
from shoestring.budget import Budget, BudgetExceeded, Ledger, LedgerClosed, MemoryStore
from shoestring.evals.documents import documents_of
from shoestring.evals.interop.calls import tell, watched
from shoestring.evals.interop.dataset import case_of
from shoestring.evals.outcome import Outcome
from shoestring.evals.running.grid import NO_CAP, label, parse_budget
from shoestring.evals.running.target import as_target
from shoestring.evals.running.task import Task
from shoestring.models import refuse_unguarded

if TYPE_CHECKING:
    from inspect_ai.util import Limit

    from shoestring.budget import Receipt

RECEIPT = "shoestring"
"""Where in a sample's metadata the run is told: receipt, spend, route, citations."""


def as_solver(
    target: object, *, budget: Budget | int | str | None = None, route: str = ""
) -> Solver:
    """Return a target as a solver of inspect-ai.

    Each sample is run under a ledger that `budget` caps, and what inspect-ai's own limits leave: its
    `token_limit` (where it counts all tokens), `cost_limit` and `time_limit`. Nothing is asked for that
    would pass them; where it is inspect-ai's limit that stops the run, the sample ends with it, as for any
    solver. Each call is an event of the log, with its prompt, answer and tokens, which count in inspect-ai's
    usage; the receipt, and what was left out of the context, is in the sample's metadata under "shoestring".

    Args:
        target: As for `sweep`. Its models are its own: `--model` of inspect-ai is not used.
        budget: What a sample may spend, as for `sweep`; None for no cap but inspect-ai's.
        route: The route to ask for; "" lets the target choose.

    inspect-ai takes a `cost_limit` only where it knows the price of `--model`: tell it by `set_model_info`.
    An error of the target ends its sample as inspect-ai is told to let it (`fail_on_error`). Epochs are
    the target's seeds.
    """
    measured, own = as_target(target), parse_budget(budget)

    # Named by what a reader of the log wants to know.
    @solver(name="shoestring")
    def shoestring(target: str, budget: str, route: str) -> Solver:
        del target, budget

        async def solve(state: TaskState, generate: Generate) -> TaskState:
            del generate
            caps = _Caps.of(own)
            case = case_of(state)
            ledger = Ledger(caps.budget or NO_CAP, name=case.id, store=MemoryStore())
            seed = state.epoch - 1
            task = Task(case.question, documents_of(case), caps.budget, route, seed, ledger)
            outcome, refusal = Outcome(""), None
            with watched() as watch:
                try:
                    with paying(ledger), refuse_unguarded():
                        outcome = Outcome.of(await measured.run(task))
                except (BudgetExceeded, LedgerClosed) as refused:
                    refusal = refused
                finally:
                    ledger.close()
                    state.metadata[RECEIPT] = _told(ledger.receipt, outcome, refusal, caps)
                    # A limit of time may have ended it: what it spent is told all the same.
                    with anyio.CancelScope(shield=True):
                        await tell(ledger.receipt, watch, case.question)
            caps.blame(refusal, outcome, ledger.receipt)
            state.output = ModelOutput.from_content(measured.name, outcome.answer)
            state.messages.append(ChatMessageAssistant(content=outcome.answer))
            return state

        return solve

    return shoestring(measured.name, label(own), route)


class _Caps(NamedTuple):
    """What a sample may spend, and which of it are inspect-ai's limits, not ours."""

    budget: Budget | None
    theirs: dict[str, Limit]

    @classmethod
    def of(cls, own: Budget | None) -> _Caps:
        limits = sample_limits()
        caps: dict[str, Any] = {
            "tokens": None if own is None else own.caps.tokens,
            "usd": None if own is None else own.caps.usd,
            "seconds": None if own is None else own.caps.seconds,
        }
        theirs: dict[str, Limit] = {}
        # A limit by a formula, or on output alone, is not ours to translate: it is checked after.
        counted = {"usd": limits.cost, "seconds": limits.time}
        if getattr(limits.token, "type", "") == "all":
            counted["tokens"] = limits.token
        for name, limit in counted.items():
            left = limit.remaining
            if left is None or (caps[name] is not None and caps[name] <= left):
                continue
            caps[name] = max(0, math.floor(left) if name == "tokens" else left)
            theirs[name] = limit
        if not theirs:
            return cls(own, theirs)
        if own is not None:
            caps |= {"calls": own.caps.calls, "repeats": own.repeats}
            caps["answer_reserve"] = own.answer_reserve
        return cls(Budget(**caps), theirs)

    def blame(
        self, refusal: BudgetExceeded | LedgerClosed | None, outcome: Outcome, receipt: Receipt
    ) -> None:
        """Raise inspect-ai's error where it is its limit that stopped the run."""
        stopped = _stopped(refusal) or (outcome.stopped_by if not outcome.answer else None)
        limit = self.theirs.get(stopped or "")
        if limit is None or limit.limit is None:
            return
        kind = {"tokens": "token", "usd": "cost", "seconds": "time"}[stopped or ""]
        spent: dict[str, float] = {"token": receipt.spent.tokens, "cost": float(receipt.spent.usd)}
        raise LimitExceededError(
            kind,  # type: ignore[arg-type]  # one of its words, as the line above says
            value=spent.get(kind, limit.usage),
            limit=limit.limit,
            message=f"the run needs more than the {kind} limit of {limit.limit:,} leaves: {refusal or ''}",
            source=limit,
        )


def _stopped(refusal: BudgetExceeded | LedgerClosed | None) -> str | None:
    return refusal.dimension if isinstance(refusal, BudgetExceeded) else None


def _told(
    receipt: Receipt,
    outcome: Outcome,
    refusal: BudgetExceeded | LedgerClosed | None,
    caps: _Caps,
) -> dict[str, Any]:
    return {
        "cap": label(caps.budget),
        "spent": {"tokens": receipt.spent.tokens, **receipt.spent.as_dict()},
        "route": outcome.route,
        "kind": outcome.kind,
        "stopped_by": _stopped(refusal) or outcome.stopped_by,
        "refusal": None if refusal is None else str(refusal),
        "dropped": receipt.dropped,
        "shown": [[span.source, span.start, span.end] for span in outcome.shown],
        "cited": [[span.source, span.start, span.end] for span in outcome.cited],
        "receipt": [{**line.as_dict(), "dropped": line.dropped} for line in receipt.lines],
        "looks": [look.as_dict() for look in outcome.looks],
    }
