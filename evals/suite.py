"""A suite: cases with a name, from wherever they are."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from shoestring.evals.cases import BrokenCases, Case, OnBad, Passage, choose, read_cases, read_file

__all__ = ["Suite"]

_LONGEST_FIELD = 64 * 2**20  # characters of one field of a CSV file


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases to be measured on.

    Args:
        name: What reports call it.
        cases: The cases; ids are given once.

    Raises:
        BrokenCases: If there are no cases, or two of one id.

    >>> suite = Suite("rivers", (Case("1", "Where does the Loire end?", (), ("Atlantic",)),))
    >>> len(suite.cases)
    1
    """

    name: str
    cases: tuple[Case, ...]

    def __post_init__(self) -> None:
        if not self.cases:
            raise BrokenCases(f"suite {self.name!r:.60} has no cases")
        seen: set[str] = set()
        for case in self.cases:
            if case.id in seen:
                raise BrokenCases(f"suite {self.name!r:.60} has two cases with id {case.id!r:.60}")
            seen.add(case.id)

    @classmethod
    def read(cls, path: Path | str, *, split: str = "dev", on_bad: OnBad | None = None) -> "Suite":
        """Read a suite from a file or a folder.

        Args:
            path: A `.jsonl`, `.jsonl.gz` or `.csv` file, or a folder with `<split>.jsonl[.gz]`. Of a
                CSV file the columns `id`, `question`, `answers` (one, or a JSON list) and `context`
                are read; every other becomes a field of `meta`.
            split: Which files of a folder.
            on_bad: Told of each case that cannot be used, which is then left out: a broken line, an
                id given twice. None to raise.

        Raises:
            BrokenCases: If there is nothing to read, or what there is cannot be used.
        """
        path = Path(path)
        if path.is_dir():
            cases = read_cases(path, split, on_bad=on_bad)
        elif path.suffix == ".csv":
            cases = list(_from_rows(_csv_rows(path), str(path), on_bad))
        else:
            cases = read_file(path, on_bad=on_bad)
        name = path.name if path.is_dir() else path.name.partition(".")[0]
        return cls(name, tuple(cases if on_bad is None else _once(cases, on_bad)))

    @classmethod
    def from_rows(
        cls,
        name: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        question: str = "question",
        answers: str = "answers",
        context: str = "context",
        id: str = "id",  # noqa: A002 - the column's name
        on_bad: OnBad | None = None,
    ) -> "Suite":
        """Make a suite of mappings, such as the rows of a Hugging Face dataset.

        Args:
            name: What reports call it.
            rows: A `datasets.Dataset`, or any iterable of mappings.
            question: The column of the question.
            answers: The column of the right answers: one, a list, or a mapping with a list `text`.
            context: The column of the text to answer from: one text, or a list of them.
            id: The column of the id; the row's number where there is none.
            on_bad: Told of each row that cannot be used, which is then left out, as for `read`.

        Raises:
            BrokenCases: If a row has no question, or the suite is none.
        """
        names = {question: "question", answers: "answers", context: "context", id: "id"}
        renamed = ({names.get(key, key): value for key, value in row.items()} for row in rows)
        cases = _from_rows(renamed, name, on_bad)
        return cls(name, tuple(cases if on_bad is None else _once(cases, on_bad)))

    def choose(self, limit: int | None) -> "Suite":
        """Return the suite with at most `limit` cases, the same each time; see `choose`."""
        return Suite(self.name, tuple(choose(self.cases, limit)))

    @property
    def digest(self) -> str:
        """What tells this suite from another: a hash of all it holds."""
        told = sha256()
        for case in self.cases:
            passages = [(p.id, p.title, p.text, p.gold) for p in case.passages]
            row = [case.id, case.question, passages, case.answers, dict(case.meta)]
            told.update(json.dumps(row, sort_keys=True, default=str).encode())
        return told.hexdigest()[:16]


def _once(cases: Iterable[Case], on_bad: OnBad) -> Iterator[Case]:
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            on_bad(BrokenCases(f"id {case.id!r:.60} is given twice: the first is kept"))
            continue
        seen.add(case.id)
        yield case


def _csv_rows(path: Path) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(_LONGEST_FIELD)
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            yield from csv.DictReader(lines)
    except (OSError, csv.Error) as error:
        raise BrokenCases(f"{path}: cannot be read: {error}") from error


def _from_rows(
    rows: Iterable[Mapping[str, Any]], where: str, on_bad: OnBad | None
) -> Iterator[Case]:
    numbers = count(1)
    for row in rows:
        number = next(numbers)
        question = row.get("question")
        if not isinstance(question, str) or not question.strip():
            error = BrokenCases(f'{where}, row {number}: "question" is missing or empty')
            if on_bad is None:
                raise error
            on_bad(error)
            continue
        known = {"id", "question", "answers", "context", "passages"}
        yield Case(
            id=str(row.get("id") or number),
            question=question,
            passages=tuple(_passages(row.get("context"))),
            answers=tuple(_answers(row.get("answers"))),
            meta={str(key): value for key, value in row.items() if key not in known},
        )


def _passages(context: object) -> Iterator[Passage]:
    texts = context if isinstance(context, list | tuple) else [context]
    for place, text in enumerate(texts):
        if isinstance(text, str) and text.strip():
            yield Passage(f"p{place}", "", text)


def _answers(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = value.get("text")
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError):  # an answer that begins with a bracket
            value = json.loads(value)
    for one in value if isinstance(value, list | tuple) else [value]:
        if one is not None and str(one).strip():
            yield str(one)
