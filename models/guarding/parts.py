# ruff: noqa: ANN401 - things of any class are taken apart
"""What a thing is made of, and how a copy of it is made with other parts.

Containers, functions with what they close over, bound methods, partials and plain objects. A part
that cannot be exchanged in a copy (a global, an attribute of a class) is marked as fixed.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage

Exchange = Callable[[Any], Any]
Made = Callable[[Any], Any]

# What holds nothing that is called.
_ATOMS = (
    *(str, bytes, bytearray, int, float, complex, range, slice, type(None), type(...)),
    *(type, ModuleType, BuiltinFunctionType, CodeType, BaseException, Document, BaseMessage),
)


_MAKING = frozenset({"__init__", "__new__", "__post_init__", "model_post_init"})


class Part(NamedTuple):
    """One part of a thing.

    Attributes:
        label: How a reader finds it in the thing, as in `.model` or `['a']`.
        value: The part.
        fixed: Whether a copy of the thing would keep it.
    """

    label: str
    value: Any
    fixed: bool = False


def parts(thing: Any) -> Iterator[Part]:
    """What a thing is made of, where that may be something that is called."""
    if isinstance(thing, _ATOMS):
        return
    if isinstance(thing, dict):
        yield from (Part(f"[{key!r:.40}]", value) for key, value in thing.items())
    elif isinstance(thing, list | tuple):
        yield from (Part(f"[{index}]", value) for index, value in enumerate(thing))
    elif isinstance(thing, set | frozenset):
        yield from (Part("{…}", value, fixed=True) for value in thing)
    elif isinstance(thing, CellType):
        yield from (Part("", value) for value in _contents(thing))
    elif isinstance(thing, FunctionType):
        yield from _function_parts(thing)
    elif isinstance(thing, MethodType):
        yield Part(".__self__", thing.__self__)
        yield Part(f".{thing.__func__.__name__}", thing.__func__)
    elif isinstance(thing, partial):
        yield Part(".func", thing.func)
        yield Part(".args", thing.args)
        yield Part(".keywords", thing.keywords)
    elif not _standard(type(thing).__module__):
        yield from (Part(f".{name}", value) for name, value in state_of(thing).items())
        yield from _class_parts(type(thing))


def with_parts(thing: Any, exchange: Exchange, made: Made) -> Any:
    """A copy of a thing with each part exchanged.

    Args:
        thing: The thing.
        exchange: Returns what stands in the place of a part.
        made: Told of the copy before its parts are exchanged, as they may hold the thing itself;
            returns the copy that it was told of first.

    Raises:
        TypeError: If a thing of its class cannot be copied.
    """
    make = next((make for kind, make in _MAKERS if isinstance(thing, kind)), _object_with)
    return make(thing, exchange, made)


def _tuple_with(thing: Any, exchange: Exchange, _: Made) -> Any:
    values = [exchange(value) for value in thing]
    named = getattr(thing, "_make", None)
    return named(values) if named else tuple(values)


def _method_with(method: MethodType, exchange: Exchange, _: Made) -> Any:
    return MethodType(exchange(method.__func__), exchange(method.__self__))


def _partial_with(thing: Any, exchange: Exchange, _: Made) -> Any:
    return partial(exchange(thing.func), *exchange(thing.args), **exchange(thing.keywords))


def _cell_with(cell: CellType, exchange: Exchange, made: Made) -> Any:
    made(twin := CellType())
    twin.cell_contents = exchange(cell.cell_contents)
    return twin


def _container_with(thing: Any, exchange: Exchange, made: Made) -> Any:
    made(twin := copy.copy(thing))
    for key in list(thing) if isinstance(thing, dict) else range(len(thing)):
        twin[key] = exchange(thing[key])
    return twin


def _function_with(function: FunctionType, exchange: Exchange, made: Made) -> Any:
    closure = tuple(exchange(cell) for cell in function.__closure__ or ())
    twin = FunctionType(function.__code__, function.__globals__, function.__name__, None, closure)
    if (first := made(twin)) is not twin:
        return first  # one of its cells holds it, and made it
    twin.__module__, twin.__qualname__ = function.__module__, function.__qualname__
    twin.__doc__, twin.__annotations__ = function.__doc__, function.__annotations__
    twin.__defaults__ = exchange(function.__defaults__)
    twin.__kwdefaults__ = exchange(function.__kwdefaults__)
    twin.__dict__.update({name: exchange(value) for name, value in vars(function).items()})
    return twin


def _object_with(thing: Any, exchange: Exchange, made: Made) -> Any:
    if hasattr(type(thing), "__del__"):
        raise TypeError("it cleans up after itself, and a copy would do so too")
    made(twin := object.__new__(type(thing)))
    state = {name: exchange(value) for name, value in state_of(thing).items()}
    if hasattr(thing, "__dict__"):
        own = {name: state.pop(name) for name in vars(thing)}
        object.__setattr__(twin, "__dict__", own)
    for name, value in state.items():
        object.__setattr__(twin, name, value)
    return twin


_MAKERS: tuple[tuple[Any, Callable[[Any, Exchange, Made], Any]], ...] = (
    (tuple, _tuple_with),
    (MethodType, _method_with),
    (partial, _partial_with),
    (CellType, _cell_with),
    ((dict, list), _container_with),
    (FunctionType, _function_with),
)


def state_of(thing: Any) -> dict[str, Any]:
    """The attributes an object has of its own, those in slots included."""
    found: dict[str, Any] = dict(getattr(thing, "__dict__", {}))
    for base in type(thing).__mro__:
        slots = vars(base).get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            private = slot.startswith("__") and not slot.endswith("__")
            name = f"_{base.__name__.lstrip('_')}{slot}" if private else slot
            if name in {"__dict__", "__weakref__"}:
                continue
            try:
                found[name] = object.__getattribute__(thing, name)
            except AttributeError:
                continue
    return found


def _function_parts(function: FunctionType) -> Iterator[Part]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield Part(f".{name}", cell)
    yield Part(".__defaults__", function.__defaults__)
    yield Part(".__kwdefaults__", function.__kwdefaults__)
    yield from (Part(f".{name}", value) for name, value in vars(function).items())
    if _installed(function.__module__):
        return
    for name in sorted(_names(function.__code__)):
        value = function.__globals__.get(name)
        # Of other modules' functions it is not known which belong to the same program.
        elsewhere = isinstance(value, FunctionType) and value.__module__ != function.__module__
        if not elsewhere:
            yield Part(f" (global {name})", value, fixed=True)


def _class_parts(cls: type) -> Iterator[Part]:
    """What the classes of a program's own objects hold, and their methods use.

    Not what Python and pydantic note of a class, and what only runs when an object is made.
    """
    for base in cls.__mro__:
        if _installed(base.__module__):
            continue
        for name, value in list(vars(base).items()):
            inner = getattr(value, "__func__", getattr(value, "fget", value))
            noted = name.startswith("__") and not isinstance(inner, FunctionType)
            if noted or name in _MAKING:
                continue
            yield Part(f" (class attribute {name})", inner, fixed=True)


def _contents(cell: CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()  # not filled yet


def _names(code: CodeType) -> set[str]:
    """The globals a function may read, those of functions inside it included."""
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return {*code.co_names}.union(*map(_names, inner))


def _standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


@cache
def _installed(module: str | None) -> bool:
    """Whether a module belongs to a library, and not to the program that uses it."""
    if not module or _standard(module) or module.startswith("shoestring."):
        return True
    path = getattr(sys.modules.get(module), "__file__", None) or ""
    return "site-packages" in path or "dist-packages" in path
