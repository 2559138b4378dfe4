"""The folder a sweep is kept in: every finished run is on disk before the next one counts.

sweep.json             what is run: target, suite, grid, scorers, versions
cases.jsonl.gz         the cases, in the schema of any suite (`read_cases(folder, "cases")`)
cases.contexts.jsonl.gz  their contexts, each once
results.jsonl          one `Result` a line
traces.jsonl           what each came from: receipt, citations, traceback
ledger.sqlite          the account of the whole, where it has a cap and lives nowhere else
account                the name of that account
lock                   held while a sweep runs
"""

from __future__ import annotations

import errno
import gzip
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from shoestring.evals.cases import read_cases
from shoestring.evals.running.result import Key, Result
from shoestring.evals.suite import Suite
from shoestring.tools.files.lock import LockHeld, locked

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from shoestring.evals.cases import Case

FORMAT = 1
_FULL = (errno.ENOSPC, errno.EDQUOT)


class BrokenRun(ValueError):  # noqa: N818 - named for what is wrong
    """A folder holds no run, or one that cannot be read, or goes on with, here; the message says why."""


@dataclass(frozen=True, slots=True)
class SweepInfo:
    """What is run.

    Attributes:
        target: The target's name.
        suite: The suite's name.
        digest: The suite's hash.
        budgets: Labels of the budgets, in their order, with their caps (`Caps.as_dict`).
        routes: Routes asked for; "" where the target chooses.
        seeds: The repetitions.
        scorers: Names of the scorers; the first says what is right.
        version: Of shoestring.
        format: Of this folder.
    """

    target: str
    suite: str
    digest: str
    budgets: Mapping[str, Mapping[str, Any]]
    routes: tuple[str, ...]
    seeds: tuple[int, ...]
    scorers: tuple[str, ...]
    version: str
    format: int = FORMAT


class RunFolder:
    """A sweep on disk.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    # Writing.

    @contextmanager
    def alone(self) -> Generator[None]:
        """Keep other sweeps off this folder.

        Raises:
            BrokenRun: If one runs here.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with locked(self.path / "lock", 0):
                yield
        except LockHeld as error:
            raise BrokenRun(
                f"another sweep runs in {str(self.path)!r}: wait for it, or give another folder"
            ) from error

    def begin(self, info: SweepInfo, suite: Suite) -> dict[Key, Result]:
        """Begin a sweep, or go on with the one that is here.

        Args:
            info: What is run. Budgets, routes and seeds may be added to those that are here.
            suite: The cases.

        Returns:
            What is finished.

        Raises:
            BrokenRun: If the folder holds a run of another target, suite or scorer, or of another
                format.
        """
        if (self.path / "sweep.json").exists():
            info = self._grown(self.info(), info)
        elif any((self.path / name).exists() for name in ("results.jsonl", "cases.jsonl.gz")):
            raise BrokenRun(f"{str(self.path)!r} holds part of a run and no sweep.json: clear it")
        else:
            self._keep(suite)
        self._put("sweep.json", json.dumps(asdict(info), indent=1).encode())
        for name in ("results.jsonl", "traces.jsonl"):
            _mend(self.path / name)
        return {result.key: result for result in self.results()}

    def add(self, result: Result, trace: Mapping[str, Any]) -> None:
        """Write a finished run down; when this returns, a killed process has it.

        Raises:
            OSError: If the disk does not take it. What was there stays whole.
        """
        # The trace first: a result always has one.
        _append(self.path / "traces.jsonl", {"key": list(result.key), **trace})
        _append(self.path / "results.jsonl", result.as_dict())

    def account(self) -> str:
        """Return the name of the account of the whole: of this folder, wherever ledgers live."""
        file = self.path / "account"
        if not file.exists():
            self._put("account", f"sweep {uuid4().hex}".encode())
        return file.read_text(encoding="ascii")

    def _grown(self, here: SweepInfo, now: SweepInfo) -> SweepInfo:
        for what in ("target", "digest", "scorers"):
            if getattr(here, what) != getattr(now, what):
                raise BrokenRun(
                    f"{str(self.path)!r} holds a run with {what} {getattr(here, what)!r:.80}, not "
                    f"{getattr(now, what)!r:.80}: give another folder"
                )
        return replace(
            now,
            budgets={**here.budgets, **now.budgets},
            routes=tuple(dict.fromkeys([*here.routes, *now.routes])),
            seeds=tuple(dict.fromkeys([*here.seeds, *now.seeds])),
        )

    def _keep(self, suite: Suite) -> None:
        contexts: dict[str, list[dict[str, str]]] = {}
        rows: list[dict[str, Any]] = []
        for case in suite.cases:
            context, texts = _context(case)
            contexts.setdefault(context, texts)
            rows.append(
                {
                    "id": case.id,
                    "question": case.question,
                    "answers": case.answers,
                    "context_id": context,
                    "gold_ids": [str(n) for n, p in enumerate(case.passages) if p.gold],
                    "meta": dict(case.meta),
                }
            )
        shared = ({"context_id": id_, "passages": texts} for id_, texts in contexts.items())
        self._put("cases.contexts.jsonl.gz", _packed(shared))
        self._put("cases.jsonl.gz", _packed(iter(rows)))

    def _put(self, name: str, content: bytes) -> None:
        """Write a file as a whole or not at all."""
        new = self.path / f"{name}.new"
        new.write_bytes(content)
        new.replace(self.path / name)

    # Reading.

    def info(self) -> SweepInfo:
        """Return what is run here.

        Raises:
            BrokenRun: If there is no run, or one of another format.
        """
        try:
            row = json.loads((self.path / "sweep.json").read_bytes())
            found = row["format"]
        except FileNotFoundError as error:
            raise BrokenRun(f"{str(self.path)!r} holds no run: it has no sweep.json") from error
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenRun(f"{str(self.path / 'sweep.json')!r} cannot be read: {error}") from error
        if found != FORMAT:
            raise BrokenRun(
                f"{str(self.path)!r} holds a run of format {found!r:.20}, and this is shoestring for "
                f"format {FORMAT}: read it with the version that wrote it ({row.get('version')!r:.20})"
            )
        try:
            tuples = {name: tuple(row[name]) for name in ("routes", "seeds", "scorers")}
            merged: dict[str, Any] = {**row, **tuples}
            return SweepInfo(**merged)
        except (KeyError, TypeError) as error:
            raise BrokenRun(f"{str(self.path / 'sweep.json')!r} is incomplete: {error}") from error

    def suite(self) -> Suite:
        """Return the cases.

        Raises:
            BrokenCases: If they cannot be read.
        """
        return Suite(self.info().suite, tuple(read_cases(self.path, "cases")))

    def results(self) -> Iterator[Result]:
        """Yield what is finished, in the order it was.

        Raises:
            BrokenRun: If a line is damaged.
        """
        for number, row in _read(self.path / "results.jsonl"):
            try:
                yield Result.from_dict(row)
            except (ValueError, TypeError) as error:
                where = f"{str(self.path / 'results.jsonl')!r}, line {number}"
                raise BrokenRun(f"{where}: {error}") from error

    def traces(self) -> Iterator[tuple[Key, dict[str, Any]]]:
        """Yield what each finished run came from; of a run that was cut off, also what it left."""
        for _, row in _read(self.path / "traces.jsonl"):
            yield Key(*row.pop("key")), row


def _context(case: Case) -> tuple[str, list[dict[str, str]]]:
    """Give a case's passages under ids of their own, and what names them."""
    texts = [{"id": str(n), "title": p.title, "text": p.text} for n, p in enumerate(case.passages)]
    return sha256(json.dumps(texts).encode()).hexdigest()[:16], texts


def _packed(rows: Iterator[Mapping[str, Any]]) -> bytes:
    # Without a date, the same cases are the same bytes.
    return gzip.compress("".join(_line(row) for row in rows).encode(), mtime=0)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, default=str) + "\n"  # ASCII: lone surrogates come back as they were


def _append(path: Path, row: Mapping[str, Any]) -> None:
    line = _line(row).encode()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        before = os.fstat(file).st_size
        try:
            if os.write(file, line) == len(line):
                return
            error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as raised:
            error = raised
        # Half a line is none; what is wrong with the disk stays the error that is told.
        with suppress(OSError):
            os.ftruncate(file, before)
        cure = "free some room and go on" if error.errno in _FULL else "mend that and go on"
        told = f"a result could not be written down ({error.strerror}): {cure}"
        raise OSError(error.errno, told, str(path)) from error
    finally:
        os.close(file)


def _mend(path: Path) -> None:
    """Drop a last line that a killed process did not finish."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65_536)
            file.seek(start)
            at = file.read(end - start).rfind(b"\n")
            if at >= 0:
                file.truncate(start + at + 1)
                return
            end = start
        file.truncate(0)


def _read(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return  # being written
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise BrokenRun(f"{str(path)!r}, line {number}: no JSON object") from error
