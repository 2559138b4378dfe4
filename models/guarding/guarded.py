# ruff: noqa: ANN401 - a guard is put on things of any class
"""How a guard is put on a copy of a thing, and taken off it.

The copy gets a class of its own, derived from the thing's: `isinstance`, names and schemas stay
what they were. Only methods that send something are replaced, and each calls the thing's own method
on a copy without the guard.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ConfigDict, PrivateAttr

from shoestring.models.guarding.parts import state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shoestring.budget import Ledger


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What a guard replaces on one kind of thing.

    Attributes:
        root: LangChain's base class of the kind.
        methods: The methods that stand in place of a class's own.
        put_on: Guards a plain thing on given terms; found by name when a guarded thing is unpickled.
        added: Methods that every guarded class gets, whether its own class has them or not.
    """

    root: type
    methods: Callable[[type], Mapping[str, Callable[..., Any]]]
    put_on: Callable[[Any, Any], Any]
    added: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


def dressed(plain: Any, terms: Any, kind: Kind, update: Mapping[str, Any] | None = None) -> Any:
    """A guarded copy of a plain thing.

    Args:
        plain: The thing.
        terms: What the guard is to know; a frozen dataclass with a `ledger`.
        kind: What is replaced.
        update: Values for attributes of the copy.
    """
    guarded = _copied(plain, update or {})
    if isinstance(guarded, BaseModel):
        private = {**(guarded.__pydantic_private__ or {}), "_terms": terms}
        object.__setattr__(guarded, "__pydantic_private__", private)
    else:
        vars(guarded)["_terms"] = terms
    object.__setattr__(guarded, "__class__", _guarded_class(cast("Any", type(plain)), kind))
    return guarded


def undressed(thing: Any) -> Any:
    """A copy of a thing without its guard, if it has one."""
    plain = _copied(thing, {})
    base = getattr(type(thing), "__unguarded__", None)
    if base is not None:
        if isinstance(plain, BaseModel):
            private = {k: v for k, v in (plain.__pydantic_private__ or {}).items() if k != "_terms"}
            object.__setattr__(plain, "__pydantic_private__", private or None)
        else:
            vars(plain).pop("_terms", None)
        object.__setattr__(plain, "__class__", base)
    return plain


def terms_of(guarded: Any) -> Any:
    """What the guard of a thing knows.

    Raises:
        TypeError: If the thing was built anew from the class of a guarded one.
    """
    if isinstance(guarded, BaseModel):
        terms = (guarded.__pydantic_private__ or {}).get("_terms")
    else:
        terms = vars(guarded).get("_terms")
    if terms is None:
        raise TypeError(
            f"this {type(guarded).__name__} was built anew from the class of a guarded one and "
            "has no ledger: guard it, or copy the guarded one with model_copy(update=…)"
        )
    return terms


def with_ledger(guarded: Any, ledger: Ledger) -> Any:
    """The same thing, guarded by another ledger on the same terms."""
    terms = replace(terms_of(guarded), ledger=ledger)
    return type(guarded).__kind__.put_on(undressed(guarded), terms)


def is_guarded(thing: object) -> bool:
    """Whether a model, an embedder or a tool is the work of `guard`."""
    return hasattr(type(thing), "__unguarded__")


def _copied(thing: Any, update: Mapping[str, Any]) -> Any:
    if isinstance(thing, BaseModel):
        return thing.model_copy(update=update)
    twin = object.__new__(type(thing))
    for name, value in {**state_of(thing), **update}.items():
        object.__setattr__(twin, name, value)
    return twin


@cache
def _guarded_class(base: type, kind: Kind) -> type:
    """The class of a guarded thing: the thing's own, with its sending methods replaced.

    Only those that the class has itself: LangChain takes one that is defined for one that works,
    and its own default calls another of them.
    """
    own = {
        name: method
        for name, method in kind.methods(base).items()
        if getattr(base, name, None) is not getattr(kind.root, name, None)
    }
    namespace: dict[str, Any] = {
        **own,
        **kind.added,
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        "__doc__": base.__doc__,
        "__unguarded__": base,
        "__kind__": kind,
        "__reduce__": _reduce,
    }
    if issubclass(base, BaseModel):
        namespace["_terms"] = PrivateAttr()
        # Never built from arguments, so its schema is not needed.
        namespace["model_config"] = ConfigDict(defer_build=True)
    make: Any = type(base)
    made: type = make(base.__name__, (base,), namespace)
    return made


def _reduce(self: Any) -> tuple[Any, ...]:
    # The ledger before the thing: one that cannot travel says so, before a client fails in its own
    # words.
    terms, put_on = terms_of(self), type(self).__kind__.put_on
    return _restore, (put_on, terms.ledger, replace(terms, ledger=None), undressed(self))


def _restore(put_on: Callable[[Any, Any], Any], ledger: Ledger, terms: Any, plain: Any) -> Any:
    return put_on(plain, replace(terms, ledger=ledger))
