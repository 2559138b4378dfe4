"""Logs: events with the lines that go on with them, and runs of events that say the same."""

import re
from collections.abc import Iterator, Sequence

from shoestring.tools.relevance.loglines import FEWEST, goes_on, is_log, tells_of_failure, template
from shoestring.tools.trimming.units import LONGEST, Unit, units

__all__ = ["Log"]

_MOSTLY = 0.8  # of the units are lines
_TRACE = re.compile(r"Traceback ")
_ERROR = re.compile(r"[A-Za-z_][\w.]*(?::|\s*$)", re.MULTILINE)  # what a Python trace ends with
_RUN = 4  # events of one template that follow each other, at least, are a run


class Log:
    """A log: a line is kept with the stack trace or the value that goes on with it.

    Events that follow each other and differ in numbers only (progress, downloads) are a run, unless
    they tell of a failure. What is left out of a run is written as a count beside what is kept.
    """

    name = "log"

    def units(self, text: str, source: str) -> list[Unit] | None:
        """Split a log into events and runs; see `Kind`."""
        del source
        if text.count("\n") + text.count("\r") < FEWEST - 1:  # far cheaper than splitting
            return None
        found = units(text)
        lines = [unit for unit in found if unit.kind == "line"]
        if len(lines) < _MOSTLY * len(found):
            return None
        if not is_log([text[unit.start : unit.end] for unit in lines]):
            return None
        merged: list[Unit] = []
        moved: list[int] = []  # where each unit went, for those that name it as their header
        for run in _runs(text, _events(text, found)):
            like = len(merged) if len(run) > 1 else -1
            for event in run:
                header = moved[event[0].header] if event[0].header >= 0 else -1
                moved += [len(merged)] * len(event)
                merged.append(event[0]._replace(end=event[-1].end, header=header, like=like))
        return merged


def _events(text: str, found: Sequence[Unit]) -> Iterator[list[Unit]]:
    """Yield lines with those that go on with them, and whatever else there is by itself."""
    event: list[Unit] = []
    for unit in found:
        if (
            event
            and unit.end - event[0].start <= LONGEST
            and _adjoin(text, event[-1], unit)
            and _continues(text, event, unit)
        ):
            event.append(unit)
            continue
        if event:
            yield event
        event = [unit]
    if event:
        yield event


def _runs(text: str, events: Iterator[list[Unit]]) -> Iterator[list[list[Unit]]]:
    """Yield events that follow each other and say the same, any other by itself."""
    run: list[list[Unit]] = []
    pattern = ""
    for event in events:
        said = text[event[0].start : event[-1].end]
        same = template(said)
        if run and same == pattern and _adjoin(text, run[-1][-1], event[0]):
            run.append(event)
            continue
        yield from _done(run)
        run, pattern = [event], "" if tells_of_failure(said) else same
    yield from _done(run)


def _done(run: list[list[Unit]]) -> Iterator[list[list[Unit]]]:
    if len(run) >= _RUN:
        yield run
    else:
        yield from ([event] for event in run)


def _adjoin(text: str, unit: Unit, after: Unit) -> bool:
    """Say whether two units are lines without a blank one between them."""
    return unit.kind == after.kind == "line" and text.count("\n", unit.end, after.start) == 1


def _continues(text: str, event: Sequence[Unit], unit: Unit) -> bool:
    """Say whether a line goes on with an event: by how it begins, or as the end of a trace."""
    if goes_on(text[unit.start - _indent(text, unit) : unit.end]):
        return True
    return (
        _TRACE.match(text, event[0].start) is not None
        and _ERROR.match(text, unit.start) is not None
    )


def _indent(text: str, unit: Unit) -> int:
    """Give the blanks that stand before a unit on its line."""
    line = text.rfind("\n", 0, unit.start) + 1
    return unit.start - line if not text[line : unit.start].strip() else 0
