"""What a target answered, whatever it returned it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage

if TYPE_CHECKING:
    from shoestring.evals.looks import Look

__all__ = ["Junk", "Outcome", "Span"]

_TEXTS = ("answer", "output", "text", "content")


class Junk(TypeError):  # noqa: N818 - it says what came back
    """A target returned what holds no answer."""


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` of a source: of "passage N" of the case."""

    source: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, with what is known of how it came about.

    Attributes:
        answer: The text.
        kind: "generated", "quote" or "abstained"; "" where the target does not tell.
        route: The route it took; "" as above.
        cited: What it cites.
        shown: What it was shown, where it tells.
        stopped_by: The cap that ended its work; None for none.
        looks: The trims of its context: what each kept and left out, and why.

    >>> Outcome.of({"messages": [("human", "7 + 1?"), ("ai", "8")]}).answer
    '8'
    """

    answer: str
    kind: str = ""
    route: str = ""
    cited: tuple[Span, ...] = ()
    shown: tuple[Span, ...] = ()
    stopped_by: str | None = None
    looks: tuple[Look, ...] = ()

    @classmethod
    def of(cls, returned: object) -> Outcome:
        """Read what a target returned.

        Args:
            returned: A text, a message, an `Outcome`, the final state of an assistant or an agent, or
                a mapping with `answer`, `output` or `messages`.

        Raises:
            Junk: If no text is found in it.
        """
        match returned:
            case Outcome():
                return returned
            case str():
                return cls(returned)
            case BaseMessage():
                return cls(returned.text, stopped_by=_stopped(returned))
            case Mapping():
                return cls._of_mapping({str(key): value for key, value in returned.items()})
            case _:
                raise Junk(f"the target returned {type(returned).__name__}, which holds no answer")

    @classmethod
    def _of_mapping(cls, state: Mapping[str, Any]) -> Outcome:
        text = next((state[key] for key in _TEXTS if isinstance(state.get(key), str)), None)
        stopped = state.get("stopped_by")
        if text is None:
            last = _last(state.get("messages"))
            if last is None:
                keys = ", ".join(sorted(state)[:8])
                raise Junk(f"the target returned a mapping without an answer: {keys:.200}")
            text, stopped = last
        return cls(
            answer=text,
            kind=_word(state.get("kind")),
            route=_word(state.get("route")),
            cited=tuple(_spans(state.get("sources"))),
            shown=tuple(_spans(state.get("shown"))),
            stopped_by=stopped if isinstance(stopped, str) else None,
        )


def _last(messages: object) -> tuple[str, str | None] | None:
    """Give the text of the last message, and the cap that it says ended the work."""
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        return None
    last = messages[-1]
    match last:
        case BaseMessage():
            return last.text, _stopped(last)
        case (str(), str() as text):
            return text, None
        case {"content": str() as text}:
            return text, None
        case _:
            return None


def _stopped(message: BaseMessage) -> str | None:
    found = message.response_metadata.get("stopped_by")
    return found if isinstance(found, str) else None


def _spans(found: object) -> list[Span]:
    spans: list[Span] = []
    for one in found if isinstance(found, list | tuple) else ():
        match one:
            case Span():
                spans.append(one)
            case {"source": str() as source, "start": int() as start, "end": int() as end}:
                spans.append(Span(source, start, end))
            case _:
                continue
    return spans


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""
