"""One run: what a target answers to a case, what that is worth, and what it spent."""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from shoestring.agents.runs import paying
from shoestring.budget import BudgetExceeded, LedgerClosed
from shoestring.evals.documents import documents_of
from shoestring.evals.outcome import Outcome
from shoestring.evals.running.result import Result
from shoestring.evals.running.task import Task
from shoestring.evals.running.threads import in_thread
from shoestring.models import refuse_unguarded
from shoestring.models.usage import part_of

if TYPE_CHECKING:
    from shoestring.budget import Budget, Ledger, Receipt
    from shoestring.evals.running.energy import Energy
    from shoestring.evals.running.grid import Cell
    from shoestring.evals.running.target import Target
    from shoestring.evals.scorers import Scorer

_LONGEST_ANSWER = 100_000  # characters that are kept
_LONGEST_TRACE = 20_000

Measured: TypeAlias = "tuple[Result, dict[str, Any]]"
"""A finished run, and what it came from: receipt, citations, looks, traceback."""


class Executor(Protocol):
    """Where a run is made: in this process, or elsewhere."""

    async def measured(self, cell: Cell, ledger: Ledger) -> Measured:
        """Make a run that spends from `ledger`."""
        ...


@dataclass(frozen=True, slots=True)
class Measure:
    """Makes runs in this process.

    Args:
        target: What is measured.
        scorers: The first says what is right.
        timeout: Seconds a run may take; None for no limit.
        energy: Estimates what a run took; None to leave it out.
    """

    target: Target
    scorers: tuple[Scorer, ...]
    timeout: float | None = None
    energy: Energy | None = None

    async def measured(self, cell: Cell, ledger: Ledger) -> Measured:
        """Make a run in this process."""
        case, key = cell.case, cell.key
        task = Task(case.asked, documents_of(case), cell.budget, key.route, key.seed, ledger)
        began = perf_counter()
        outcome, error, trace = Outcome(""), None, ""
        try:
            with paying(ledger), refuse_unguarded():
                async with asyncio.timeout(self.timeout):
                    outcome = Outcome.of(await self.target.run(task))
        except (BudgetExceeded, LedgerClosed) as refusal:
            outcome = Outcome("", stopped_by=_cap(refusal))
            error = _line(refusal)
        except TimeoutError as late:
            error = f"gave no answer within {self.timeout:g} s" if self.timeout else _line(late)
        except asyncio.CancelledError as raised:
            running = asyncio.current_task()
            if running is None or running.cancelling():
                raise  # it is the sweep that is cancelled, not something in the target
            error = _line(raised)
        except (Exception, SystemExit) as raised:  # noqa: BLE001 - whatever a target does, the sweep goes on
            error, trace = _line(raised), "".join(traceback.format_exception(raised))
        seconds = perf_counter() - began
        scores: dict[str, float] = {}
        if error is None:
            # A thread costs more than most scores: only those that ask a model have one.
            scores, failed = (
                await in_thread(lambda: self._scores(cell, outcome))
                if any(getattr(scorer, "asks_model", False) for scorer in self.scorers)
                else self._scores(cell, outcome)
            )
            trace = trace or failed
        result, told = self.told(cell, ledger, outcome, error=error, trace=trace, seconds=seconds)
        return replace(result, scores=scores), told

    def told(
        self,
        cell: Cell,
        ledger: Ledger,
        outcome: Outcome,
        *,
        error: str | None,
        trace: str = "",
        seconds: float,
    ) -> Measured:
        """Return what a run came to, by its ledger, before it is scored."""
        receipt = ledger.receipt
        result = _result(cell, outcome, receipt, error, seconds)
        if self.energy is not None and (used := self.energy.of(receipt.lines)) is not None:
            result = replace(result, wh=used.wh, gco2e=used.gco2e)
        return result, _trace(outcome, receipt, trace)

    def _scores(self, cell: Cell, outcome: Outcome) -> tuple[dict[str, float], str]:
        """Return what each scorer says, and the traceback of one that failed."""
        scores: dict[str, float] = {}
        failed = ""
        for scorer in self.scorers:
            try:
                score = scorer.score(cell.case, outcome)
            except Exception as raised:  # noqa: BLE001 - a scorer may be anybody's
                failed = "".join(traceback.format_exception(raised))
                continue
            if score is not None:
                scores[scorer.name] = float(score)
        return scores, failed


def _result(
    cell: Cell, outcome: Outcome, receipt: Receipt, error: str | None, seconds: float
) -> Result:
    held = receipt.held
    spent = receipt.spent + held  # what is still open is charged as held
    lines = receipt.lines
    presumed = sum(line.spent.tokens for line in lines if line.basis == "presumed") + held.tokens
    return Result(
        *cell.key,
        answer=outcome.answer[:_LONGEST_ANSWER],
        kind=outcome.kind,
        took=outcome.route,
        error=error,
        stopped_by=outcome.stopped_by,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        cached_tokens=sum(part_of(line.detail, "cached") for line in lines),
        reasoning_tokens=sum(part_of(line.detail, "reasoning") for line in lines),
        usd=float(spent.usd),
        calls=spent.calls,
        seconds=round(seconds, 6),
        presumed_tokens=presumed,
        dropped=receipt.dropped,
        over=_over(cell.budget, spent.tokens, float(spent.usd), spent.calls),
    )


def _over(budget: Budget | None, tokens: int, usd: float, calls: int) -> float:
    if budget is None:
        return 0.0
    caps = budget.caps
    pairs = ((tokens, caps.tokens), (usd, caps.usd), (calls, caps.calls))
    return max(0.0, *(float(spent) - float(cap) for spent, cap in pairs if cap is not None), 0.0)


def _trace(outcome: Outcome, receipt: Receipt, trace: str) -> dict[str, Any]:
    return {
        "receipt": [{**line.as_dict(), "dropped": line.dropped} for line in receipt.lines],
        "cited": [(span.source, span.start, span.end) for span in outcome.cited],
        "shown": [(span.source, span.start, span.end) for span in outcome.shown],
        "looks": [look.as_dict() for look in outcome.looks],
        "traceback": trace[-_LONGEST_TRACE:],
    }


def _cap(refusal: BudgetExceeded | LedgerClosed) -> str:
    return refusal.dimension if isinstance(refusal, BudgetExceeded) else "closed"


def _line(error: BaseException) -> str:
    told = " ".join(str(error).split())
    return f"{type(error).__name__}: {told}"[:500] if told else type(error).__name__
