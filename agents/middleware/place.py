"""Where the middleware stands among others: what they put into a request is guarded too."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from langchain.agents.middleware import (
    AgentMiddleware,
    ModelFallbackMiddleware,
    ModelRequest,
    ModelRetryMiddleware,
)

from shoestring.models.guarding.guarded import terms_of, with_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_core.language_models import BaseChatModel

    from shoestring.budget import Ledger

# They take a refusal for a failure of the model, and try again or give it back as an answer.
_SWALLOW = (ModelRetryMiddleware, ModelFallbackMiddleware)


class MisplacedMiddleware(ValueError):  # noqa: N818  a state of the list, not a fault
    """A middleware stands inside the `BudgetMiddleware` that must stand outside of it."""


class GuardedRequest(ModelRequest[Any]):
    """A request whose model is guarded, whichever middleware puts it there."""

    _guard: Callable[[BaseChatModel], BaseChatModel]

    @classmethod
    def of(
        cls, request: ModelRequest[Any], guard: Callable[[BaseChatModel], BaseChatModel]
    ) -> GuardedRequest:
        """Return the same request, its model and any that replaces it guarded by `guard`."""
        values: dict[str, Any] = {f.name: getattr(request, f.name) for f in fields(request)}
        values["model"] = guard(request.model)
        return _guarding(cls(**values), guard)

    def override(self, **overrides: Any) -> ModelRequest[Any]:  # noqa: ANN401  LangChain's own signature
        """Return a new request with these values; a model among them is guarded."""
        if "model" in overrides:
            overrides["model"] = self._guard(overrides["model"])
        changed = super().override(**overrides)
        return _guarding(changed, self._guard)

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: ANN401  as above
        # LangChain warns of this, and still allows it. Its own constructor comes before the guard.
        guard = vars(self).get("_guard")
        super().__setattr__(name, guard(value) if guard and name == "model" else value)


def _guarding(
    request: Any,  # noqa: ANN401  `dataclasses.replace` returns the class it was given
    guard: Callable[[BaseChatModel], BaseChatModel],
) -> GuardedRequest:
    object.__setattr__(request, "_guard", guard)
    guarded: GuardedRequest = request
    return guarded


def refuse_misplaced(name: str, handler: object) -> None:
    """Raise if a middleware that stands inside would swallow what the ledger refuses.

    Args:
        name: Of the middleware that asks.
        handler: What it was given to call.

    Raises:
        MisplacedMiddleware: With the order to write instead.
    """
    swallow = [type(other).__name__ for other in inside(handler) if isinstance(other, _SWALLOW)]
    if swallow:
        order = ", ".join([*dict.fromkeys(swallow), name])
        raise MisplacedMiddleware(
            f"{name} stands before {' and '.join(dict.fromkeys(swallow))}, which would take a refusal of "
            f"the budget for a failed call. Let it stand after: middleware=[{order}, …]"
        )


def reguarded(model: BaseChatModel, ledger: Ledger) -> BaseChatModel:
    """Return a guarded model guarded by `ledger` instead, on the same terms.

    Raises:
        ValueError: If `ledger` does not draw on the account that guards it, or follows it after a
            grant: the model would be taken out of that account.
    """
    theirs: Ledger = terms_of(model).ledger
    known = {ledger.id}
    above = ledger
    while above.parent is not None:
        above = above.parent
        known.add(above.id)
    if theirs.id not in known and f"{theirs.id}, raised" not in ledger.id:
        raise ValueError(
            f"this model is guarded by ledger {theirs.name!r:.60}, on which BudgetMiddleware's does not "
            "draw: give the agent the unguarded model, or BudgetMiddleware that ledger or a child of it"
        )
    guarded: BaseChatModel = with_ledger(model, ledger)
    return guarded


def inside(handler: object) -> Iterator[AgentMiddleware[Any, Any, Any]]:
    """Yield the middlewares that a handler of `create_agent` runs: they stand in its closures."""
    seen: set[int] = set()
    todo = [handler]
    while todo:
        thing: Any = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, AgentMiddleware):
            yield thing
            continue
        for cell in getattr(thing, "__closure__", None) or ():
            content = cell.cell_contents
            if callable(content):
                todo.append(content)
        todo += [
            part for name in ("__wrapped__", "__self__") if (part := getattr(thing, name, None))
        ]
