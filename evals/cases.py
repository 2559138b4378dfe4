"""Cases: questions with their passages, answers and marks, read from files."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["BrokenCases", "Case", "OnBad", "Passage", "choose", "read_cases", "read_file"]

T = TypeVar("T")

_LONGEST_LINE = 64 * 2**20  # bytes; the largest real context is a few MB


class BrokenCases(ValueError):  # noqa: N818 - it names what is wrong, as the ledger's errors do
    """A file of cases is missing or cannot be read; the message names the file and the line."""


OnBad = Callable[[BrokenCases], None]
"""Told of a case that cannot be used."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of text a question may be answered from."""

    id: str
    title: str
    text: str
    gold: bool = False
    """Whether it holds evidence; never shown to what is measured."""


@dataclass(frozen=True, slots=True)
class Case:
    """A question with the passages it is asked over."""

    id: str
    question: str
    passages: tuple[Passage, ...]
    answers: tuple[str, ...] = ()
    """Right answers; never shown to what is measured."""
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def asked(self) -> str:
        """The question, after the earlier turns of its conversation if there are any."""
        history = self.meta.get("history")
        found = history if isinstance(history, list) else []
        turns = [turn for turn in found if isinstance(turn, str)]
        return "\n".join([*turns, self.question])


def read_cases(folder: Path, split: str = "dev", *, on_bad: OnBad | None = None) -> list[Case]:
    """Read the cases of one set.

    Args:
        folder: Holds `<split>.jsonl` or `<split>.jsonl.gz`, as `read_file` takes it.
        split: The files' stem.
        on_bad: As for `read_file`.

    Returns:
        All cases, in the order of the file.

    Raises:
        BrokenCases: As `read_file`.
    """
    return read_file(_there(folder, split), on_bad=on_bad)


def read_file(file: Path, *, on_bad: OnBad | None = None) -> list[Case]:
    """Read a file of cases.

    Args:
        file: One JSON object a line, gzip-compressed where its name ends in `.gz`. Contexts and
            passages that cases share stand beside it, in `<stem>.contexts.jsonl` and
            `<stem>.passages.jsonl` (or `.jsonl.gz`), and are joined in.
        on_bad: Told of each line that cannot be used, which is then left out; None to raise.

    Returns:
        All cases, in the order of the file.

    Raises:
        BrokenCases: If a file is missing or damaged, or a line is not what it should be.
    """
    stem = file.name.removesuffix(".gz").removesuffix(".jsonl")
    contexts: dict[str, tuple[Passage, ...]] = {}
    shared: dict[str, Passage] = {}

    def context(row: dict[str, Any], at: Path, number: int) -> tuple[str, tuple[Passage, ...]]:
        return _text(row, "context_id", at, number), _passages(row.get("passages"), at, number)

    def passage(row: dict[str, Any], at: Path, number: int) -> tuple[str, Passage]:
        made = _passage({"id": row.get("pid"), **row}, at, number)
        return made.id, made

    beside = _there(file.parent, f"{stem}.contexts")
    if beside.exists():
        contexts = dict(_made(beside, context, on_bad))
    beside = _there(file.parent, f"{stem}.passages")
    if beside.exists():
        shared = dict(_made(beside, passage, on_bad))
    return list(
        _made(file, lambda row, at, number: _case(row, contexts, shared, at, number), on_bad)
    )


def choose(cases: Sequence[Case], limit: int | None) -> list[Case]:
    """Choose cases the same way each time: the first by the hash of their ids.

    Files often hold all questions of one document side by side; the hash mixes them.

    Args:
        cases: All cases.
        limit: How many; None for all, in the file's order.
    """
    if limit is None:
        return list(cases)
    return sorted(cases, key=lambda case: sha256(case.id.encode(errors="replace")).digest())[:limit]


def _there(folder: Path, stem: str) -> Path:
    """Give the file of that stem: compressed, if there is one."""
    plain = folder / f"{stem}.jsonl"
    return plain if plain.exists() else folder / f"{stem}.jsonl.gz"


def _made(
    file: Path, make: Callable[[dict[str, Any], Path, int], T], on_bad: OnBad | None
) -> Iterator[T]:
    """Yield what is made of each line of a file."""
    for number, line in _lines(file):
        try:
            made = make(_row(line, file, number), file, number)
        except BrokenCases as error:
            if on_bad is None:
                raise
            on_bad(error)
            continue
        yield made


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file that are not blank with their numbers, from 1.

    Of a line that is too long only its beginning is held.
    """
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
            number = 0
            while line := lines.readline(_LONGEST_LINE + 1):
                number += 1
                if line.strip():
                    yield number, line
                while len(line) > _LONGEST_LINE and not line.endswith(b"\n"):
                    line = lines.readline(_LONGEST_LINE + 1)
    except FileNotFoundError as error:
        raise BrokenCases(f"{file}: no such file") from error
    except (OSError, EOFError, zlib.error) as error:
        raise BrokenCases(f"{file}: cannot be read: {error}") from error


def _row(line: bytes, file: Path, number: int) -> dict[str, Any]:
    if len(line) > _LONGEST_LINE:
        raise _broken(file, number, f"longer than {_LONGEST_LINE:,} bytes")
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _broken(file, number, "not a JSON object") from error
    if not isinstance(row, dict):
        raise _broken(file, number, "not a JSON object")
    return row


def _broken(file: Path, number: int, why: str) -> BrokenCases:
    return BrokenCases(f"{file}, line {number}: {why}")


def _text(row: Mapping[str, Any], key: str, file: Path, number: int) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise _broken(file, number, f'"{key}" is missing or no string')
    return value


def _texts(row: Mapping[str, Any], key: str, file: Path, number: int) -> list[str]:
    values = row.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _broken(file, number, f'"{key}" is no list of strings')
    return [str(value) for value in values]


def _passage(row: object, file: Path, number: int) -> Passage:
    if not isinstance(row, dict):
        raise _broken(file, number, "a passage is no object")
    title = row.get("title") or ""
    if not isinstance(title, str):
        raise _broken(file, number, '"title" is no string')
    return Passage(
        id=_text(row, "id", file, number),
        title=title,
        text=_text(row, "text", file, number),
        gold=row.get("gold") is True,
    )


def _passages(rows: object, file: Path, number: int) -> tuple[Passage, ...]:
    if not isinstance(rows, list):
        raise _broken(file, number, '"passages" is no list')
    return tuple(_passage(row, file, number) for row in rows)


def _case(
    row: Mapping[str, Any],
    contexts: Mapping[str, tuple[Passage, ...]],
    shared: Mapping[str, Passage],
    file: Path,
    number: int,
) -> Case:
    gold = frozenset(_texts(row, "gold_ids", file, number))
    if "context_id" in row:
        context = _text(row, "context_id", file, number)
        if context not in contexts:
            raise _broken(file, number, f"its context {context!r} is in no file beside it")
        passages = contexts[context]
    elif "passage_ids" in row:
        ids = _texts(row, "passage_ids", file, number)
        missing = next((one for one in ids if one not in shared), None)
        if missing is not None:
            raise _broken(file, number, f"its passage {missing!r} is in no file beside it")
        passages = tuple(shared[one] for one in ids)
    else:
        passages = _passages(row.get("passages", []), file, number)
    meta = row.get("meta") or {}
    if not isinstance(meta, dict):
        raise _broken(file, number, '"meta" is no object')
    return Case(
        id=_text(row, "id", file, number),
        question=_text(row, "question", file, number),
        passages=tuple(
            Passage(p.id, p.title, p.text, gold=True) if p.id in gold else p for p in passages
        ),
        answers=tuple(_texts(row, "answers", file, number)),
        meta=meta,
    )
