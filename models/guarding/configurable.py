# ruff: noqa: ANN401, SLF001 - LangChain keeps this class, and how it makes its model, to itself
"""A guarded configurable model: whatever model a call chooses is guarded before it is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from langchain_core.runnables import Runnable

from shoestring.models.guarding.guarded import Kind, dressed, terms_of, undressed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain.chat_models.base import _ConfigurableModel
    from langchain_core.runnables import RunnableConfig

    from shoestring.budget import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a guarded configurable model carries: how the chosen model is guarded."""

    ledger: Ledger
    guard_model: Callable[..., Any]
    options: Mapping[str, Any]


def is_configurable(thing: object) -> TypeGuard[_ConfigurableModel]:
    """Whether a thing is what `init_chat_model(configurable_fields=…)` returns."""
    names = [f"{base.__module__}.{base.__qualname__}" for base in type(thing).__mro__]
    return "langchain.chat_models.base._ConfigurableModel" in names


def put_on(plain: Any, terms: Terms) -> Any:
    """Guard a plain configurable model."""
    return dressed(plain, terms, CONFIGURABLE)


def _model(self: Any, config: RunnableConfig | None = None) -> Any:
    """The model that a configuration chooses, guarded, with what was queued for it."""
    plain, terms = undressed(self), terms_of(self)
    plain._queued_declarative_operations = []
    model = terms.guard_model(plain._model(config), terms.ledger, **terms.options)
    for name, args, kwargs in self._queued_declarative_operations:
        model = getattr(model, name)(*args, **kwargs)
    return model


def _getattr(self: Any, name: str) -> Any:
    plain, terms = undressed(self), terms_of(self)
    found = plain.__getattr__(name)
    # What needs the model, such as bind_tools, LangChain queues on a new instance of its own class.
    if getattr(found, "__name__", "") == "queue":

        def queue(*args: Any, **kwargs: Any) -> Any:
            return put_on(found(*args, **kwargs), terms)

        return queue
    # The default model's own, which is to be guarded too.
    return getattr(self._model(), name)


def _with_config(self: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
    return put_on(undressed(self).with_config(config, **kwargs), terms_of(self))


CONFIGURABLE = Kind(
    root=Runnable,
    methods=lambda _: {"_model": _model, "__getattr__": _getattr, "with_config": _with_config},
    put_on=put_on,
)
