# ruff: noqa: ANN401 - what holds models may be anything
"""`guard_all(thing, ledger)`: guards every model that a middleware, a chain or an agent holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.runnables.configurable import RunnableConfigurableFields

from shoestring.budget import Ledger
from shoestring.models.guarding import tool as guarded_tool
from shoestring.models.guarding.configurable import is_configurable
from shoestring.models.guarding.fields import ConfigurableFields
from shoestring.models.guarding.guard import guard
from shoestring.models.guarding.guarded import is_guarded, terms_of, with_ledger
from shoestring.models.guarding.parts import Part, parts, with_parts

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# Things looked at before the search gives up: an agent with a few middlewares has some 500.
_MOST = 50_000
_SHOWN = 6


class Unreachable(TypeError):  # noqa: N818 - it says what is the matter
    """A model was found where no copy can be given a guarded one."""


def guard_all(
    thing: T,
    ledger: Ledger,
    *,
    max_output: int | None = None,
    min_output: int = 16,
    wait: float = 0,
) -> T:
    """Return a copy of a thing in which every model is guarded by the ledger.

    For what calls models of its own: middleware (fallbacks, summarisers, selectors), chains,
    agents and graphs, retrievers, tools, or a list of them. Chat models, completion models and
    embeddings are found in attributes, containers and partials, and in what functions and methods
    close over. The thing itself is not changed: it may serve another ledger at the same time. What
    holds no model is shared with it, not copied: clients, stores, checkpointers.

    A model that is guarded by this ledger, or by one below it, stays as it is; one that is guarded
    by another ledger is guarded by this one instead, on the same terms. So what needs a `price` or
    an `output_field` of its own is guarded before.

    It does not see a model that is made during a call, or looked up in a module or a registry:
    `refuse_unguarded` stops those.

    Args:
        thing: What holds the models.
        ledger: What they may spend.
        max_output: As for `guard`, of every chat and completion model.
        min_output: The same.
        wait: As for `guard`.

    Raises:
        ValueError: If no model is found in it: it would spend nothing, or unseen.
        Unreachable: If a model is found where it cannot be exchanged: in a global, in an attribute
            of a class, in an object that cannot be copied. The message says where, and the cure.
        UnknownProvider, UnknownPrice: As for `guard`; a note says where the model is.
    """
    search = _Search(thing, ledger)
    options: dict[str, Any] = {"max_output": max_output, "min_output": min_output, "wait": wait}

    def guarded(found: Any) -> Any:
        if isinstance(found, guarded_tool.Terms):
            return replace(found, ledger=ledger)
        if is_guarded(found):
            return with_ledger(found, ledger)
        own: dict[str, Any] = {"wait": wait} if _embeds(found) else options
        return guard(found, ledger, **own)

    return search.copy(guarded)  # type: ignore[no-any-return]  # a copy of what was given


class _Search:
    """What was found in a thing, and how to copy it."""

    def __init__(self, thing: Any, ledger: Ledger) -> None:
        self.thing = thing
        self.models = 0
        self.found: dict[int, Any] = {}
        self.seen: dict[int, Any] = {}
        self.above: dict[int, tuple[int, str]] = {}
        self.holders: dict[int, list[tuple[int, Part]]] = {}
        self._look(ledger)
        if not self.models:
            raise ValueError(
                f"no model found in {type(thing).__name__}: it holds none, or makes it when it is "
                "called. Guard the model where it is made; refuse_unguarded() stops one that is not"
            )
        self.exchanged = self._holding()

    def _look(self, ledger: Ledger) -> None:
        waiting = [self.thing]
        while waiting:
            thing = waiting.pop()
            if id(thing) in self.seen:
                continue
            self.seen[id(thing)] = thing
            if len(self.seen) > _MOST:
                raise Unreachable(
                    f"{type(self.thing).__name__} holds more than {_MOST:,} things: guard its "
                    "models one by one, before it is made"
                )
            if _spends(thing):
                self.models += not isinstance(thing, guarded_tool.Terms)
                if not _under(thing, ledger):
                    self.found[id(thing)] = thing
                continue
            if isinstance(thing, Ledger):
                continue
            for part in parts(thing):
                self.above.setdefault(id(part.value), (id(thing), part.label))
                self.holders.setdefault(id(part.value), []).append((id(thing), part))
                waiting.append(part.value)

    def _holding(self) -> set[int]:
        """All that holds, directly or not, what must be exchanged."""
        holding, waiting = set(self.found), list(self.found)
        while waiting:
            inner = waiting.pop()
            for holder, part in self.holders.get(inner, ()):
                if part.fixed:
                    raise Unreachable(
                        f"{self._where(holder)} uses {part.label.strip()}, where a copy cannot be "
                        "given a guarded model. Guard it there: guard(model, ledger), or pass it "
                        "in as an argument or an attribute"
                    )
                if holder not in holding:
                    holding.add(holder)
                    waiting.append(holder)
        return holding

    def copy(self, guarded: Callable[[Any], Any]) -> Any:
        """A copy of the thing, in which each thing that was found is exchanged."""
        made: dict[int, Any] = {}

        def exchange(thing: Any) -> Any:
            key = id(thing)
            if key not in self.exchanged:
                return thing
            if key in made:
                return made[key]
            try:
                if key in self.found:
                    twin = guarded(thing)
                else:
                    twin = with_parts(thing, exchange, lambda new: made.setdefault(key, new))
            except Unreachable:
                raise
            except (TypeError, AttributeError) as error:
                raise Unreachable(
                    f"{self._where(key)} cannot be copied ({error}): guard the model in it before "
                    "it is made"
                ) from error
            except ValueError as error:
                error.add_note(f"The model is held at {self._where(key)}.")
                raise
            if type(twin) is RunnableConfigurableFields and is_guarded(twin.default):
                object.__setattr__(twin, "__class__", ConfigurableFields)
            return made.setdefault(key, twin)

        return exchange(self.thing)

    def _where(self, key: int) -> str:
        """How a reader finds a part of the thing."""
        labels: list[str] = []
        while key in self.above and key != id(self.thing):
            key, label = self.above[key]
            labels.append(label)
        shown = "".join(reversed(labels[:_SHOWN]))
        return f"{type(self.thing).__name__}{'…' if len(labels) > _SHOWN else ''}{shown}"


def _embeds(thing: object) -> bool:
    """Whether these are embeddings that send, and not some around others."""
    return isinstance(thing, Embeddings) and not any(
        isinstance(part, Embeddings) for part in vars(thing).values()
    )


def _spends(thing: object) -> bool:
    return (
        isinstance(thing, BaseChatModel | BaseLLM | guarded_tool.Terms)
        or is_configurable(thing)
        or _embeds(thing)
    )


def _under(thing: Any, ledger: Ledger) -> bool:
    """Whether it is guarded by the ledger or one below it."""
    own: Ledger | None
    if isinstance(thing, guarded_tool.Terms):
        own = thing.ledger
    elif is_guarded(thing):
        own = terms_of(thing).ledger
    else:
        return False
    while own is not None and (own.id, own.store) != (ledger.id, ledger.store):
        own = own.parent
    return own is not None
