# ruff: noqa: ANN401, SLF001 - a tool takes and returns anything, and its hooks are private methods
"""A guarded tool: its cost is reserved before each run and settled after it.

The guard stands below LangChain's callbacks and the checking of arguments: what it pays for is a
run with arguments that fit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.tools import BaseTool

from shoestring.budget import Amount
from shoestring.models.guarding.guarded import Kind, dressed, terms_of, undressed
from shoestring.models.guarding.paying import paying

if TYPE_CHECKING:
    from collections.abc import Generator

    from shoestring.budget import Budget, Hold, Ledger

Cost = Amount | Callable[[dict[str, Any]], Amount]
Spent = Callable[[Any], Amount | None]

# What LangChain adds to a tool's arguments for its own use.
_ADDED = frozenset({"run_manager", "config", "callbacks"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a guarded tool carries: its ledger, and what a run costs."""

    ledger: Ledger
    cost: Cost
    spent: Spent | None
    within: Budget | None
    wait: float


def guard_tool(
    tool: BaseTool,
    ledger: Ledger,
    *,
    cost: Cost = Amount(),  # noqa: B008 - frozen
    spent: Spent | None = None,
    within: Budget | None = None,
    wait: float = 0,
) -> BaseTool:
    """Guard a tool; `guard` says how."""
    if wait < 0:
        raise ValueError(f"wait must not be negative, but is {wait}")
    if not isinstance(cost, Amount) and not callable(cost):
        raise TypeError(f"cost is an Amount or a function of the arguments, not {cost!r:.40}")
    plain = undressed(tool)
    if within is not None:
        _guard_inside(plain, ledger)  # refused now, not at the first run
    terms = Terms(ledger=ledger, cost=cost, spent=spent, within=within, wait=wait)
    guarded: BaseTool = put_on(plain, terms)
    return guarded


def put_on(plain: BaseTool, terms: Terms) -> Any:
    """Guard a plain tool."""
    return dressed(plain, terms, TOOL)


class _Run:
    """One run of a guarded tool."""

    def __init__(self, guarded: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.terms: Terms = terms_of(guarded)
        self.tool: BaseTool = undressed(guarded)
        cost, arguments = self.terms.cost, self._arguments(args, kwargs)
        self.terms.ledger.calling(self.tool.name, arguments)
        bound = cost if isinstance(cost, Amount) else cost(arguments)
        self.request: dict[str, Any] = {
            "bound": bound,
            "what": self.tool.name,
            "wait": self.terms.wait,
        }

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments by name, without what LangChain adds and injects."""
        named = dict(zip(self.tool.args, args, strict=False)) if args else {}
        given = {k: v for k, v in kwargs.items() if k not in _ADDED}
        return {**named, **self.tool._filter_injected_args(given)}

    @contextmanager
    def sent(self, hold: Hold) -> Generator[BaseTool]:
        """The tool to run; on leaving, the hold is settled unless `returned` has done so."""
        within, ledger = self.terms.within, self.terms.ledger
        with paying(hold):
            if within is None:
                yield self.tool
                return
            child = ledger.child(within, name=self.tool.name)
            try:
                yield _guard_inside(self.tool, child)
            finally:
                child.close()

    def returned(self, hold: Hold, result: Any) -> None:
        """Settle by what the tool says it spent, or else by what was reserved."""
        spent = self.terms.spent(result) if self.terms.spent else None
        if spent is None:
            hold.settle(self.request["bound"], basis="estimated")
        else:
            hold.settle(spent)


def _guard_inside(tool: BaseTool, ledger: Ledger) -> BaseTool:
    # Here, because guarding what a thing holds needs the guards of all kinds.
    from shoestring.models.guarding.holding import guard_all

    return guard_all(tool, ledger)


def _methods(base: type) -> dict[str, Callable[..., Any]]:
    """The methods of a guarded class, with the signatures of its own: LangChain reads them."""
    plain: Any = base

    @functools.wraps(plain._run)
    def _run(self: Any, *args: Any, **kwargs: Any) -> Any:
        run = _Run(self, args, kwargs)
        with run.sent(hold := run.terms.ledger.reserve(**run.request)) as tool:
            result = tool._run(*args, **kwargs)
            run.returned(hold, result)
        return result

    @functools.wraps(plain._arun)
    async def _arun(self: Any, *args: Any, **kwargs: Any) -> Any:
        run = _Run(self, args, kwargs)
        with run.sent(hold := await run.terms.ledger.areserve(**run.request)) as tool:
            result = await tool._arun(*args, **kwargs)
            run.returned(hold, result)
        return result

    return {"_run": _run, "_arun": _arun}


TOOL = Kind(root=BaseTool, methods=_methods, put_on=put_on)
