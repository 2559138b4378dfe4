"""What is measured: an app that exists, or a function of a task."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from langchain_core.runnables import Runnable

from shoestring.budget import Budget, Ledger
from shoestring.evals.running.threads import in_thread
from shoestring.models import guard_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shoestring.evals.running.task import Task

T = TypeVar("T")


class Target(Protocol):
    """Something that answers tasks."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    async def run(self, task: Task) -> object:
        """Return whatever holds the answer; see `Outcome.of`."""
        ...


class App:
    """A Runnable, a LangGraph graph or an agent of `create_agent`, measured as it is.

    For each task its models are guarded by the task's ledger, in a copy.

    Args:
        app: The app.
        ask: Makes the app's input of a task. By default the question, in the form that the app's
            input schema shows: `messages`, `question`, `input`, or the plain text.
        name: What reports call it.
    """

    def __init__(
        self,
        app: Runnable[Any, Any],
        *,
        ask: Callable[[Task], Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or app.get_name()
        self._app = app
        self._ask = ask or _asking(app)
        self._spends = _holds_models(app)

    async def run(self, task: Task) -> object:
        """Invoke the app with the task's question."""
        app = task.guard(self._app) if self._spends else self._app
        return await app.ainvoke(self._ask(task))


class Function:
    """A function of a task, sync or async.

    It spends by `task.guard(…)`, or by what opens a budget of its own; a model that is called
    unguarded is refused.

    Args:
        function: Returns what holds the answer.
        name: What reports call it.
    """

    def __init__(
        self, function: Callable[[Task], object | Awaitable[object]], *, name: str | None = None
    ) -> None:
        self.name = name or str(getattr(function, "__name__", type(function).__name__))
        self._function = function
        self._waits = inspect.iscoroutinefunction(function)

    async def run(self, task: Task) -> object:
        """Call the function: on the event loop if it is async, else in a thread of its own."""
        if self._waits:
            return await cast("Awaitable[object]", self._function(task))
        returned = await in_thread(lambda: self._function(task))
        return await returned if inspect.isawaitable(returned) else returned


def as_target(thing: object) -> Target:
    """Return the target that a thing is or stands for.

    Args:
        thing: A target, a Runnable (a graph and an agent are), or a function of a `Task`.

    Raises:
        TypeError: If it is none of these.
    """
    if isinstance(thing, Runnable):
        return App(thing)
    if inspect.iscoroutinefunction(getattr(thing, "run", None)):
        return cast("Target", thing)
    if callable(thing):
        return Function(thing)
    raise TypeError(
        f"a target is a Runnable, a graph, an agent or a function of a Task, not {type(thing).__name__}"
    )


def _asking(app: Runnable[Any, Any]) -> Callable[[Task], Any]:
    fields = app.get_input_jsonschema().get("properties", {})
    if "messages" in fields:
        return lambda task: {"messages": [("user", task.question)]}
    field = next((name for name in ("question", "input") if name in fields), None)
    return lambda task: task.question if field is None else {field: task.question}


def _holds_models(app: Runnable[Any, Any]) -> bool:
    """Whether there is anything in it to guard; what cannot be guarded raises now, not later."""
    try:
        guard_all(app, Ledger(Budget(tokens=0)))
    except ValueError as error:
        if type(error) is ValueError:  # the subclasses say that a model cannot be guarded
            return False
        raise
    return True
