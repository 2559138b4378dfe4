"""Cases and their runs, packed into a page: compressed, contexts once, unpacked when looked at."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from shoestring.evals.cases import choose
from shoestring.evals.documents import documents_of
from shoestring.evals.figures.table import right
from shoestring.evals.looks import KEPT, Look, Stretch
from shoestring.evals.report.evidence import evidence_of
from shoestring.evals.report.text import shown
from shoestring.evals.report.waterfall import waterfall
from shoestring.evals.report.xray import xray
from shoestring.models.usage import part_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from shoestring.evals.cases import Case
    from shoestring.evals.report.summary import Summary
    from shoestring.evals.running.result import Key, Result

__all__ = ["Packed", "pack_cases", "squeezed"]

MOST_CASES = 5_000
"""Cases that are shown; of more, as many by the hash of their ids."""
_BLOCK = 300_000  # bytes that are compressed together: about as much as unpacks in 10 ms
_LONGEST_QUESTION = 240  # characters in the list; the whole stands with the case
_LONGEST_ANSWER = 4_000
_LONGEST_ERROR = 6_000
_LINES = 60  # of a receipt

Packed = dict[str, Any]


def squeezed(content: bytes) -> str:
    """Return bytes as text for a page: by zlib, then base64."""
    return b64encode(zlib.compress(content, 9)).decode()


class _Blocks:
    """Rows, compressed some together; each is found by its block and its place in it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self._rows: list[str] = []
        self._size = 0

    def add(self, row: object) -> tuple[int, int]:
        text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        place = len(self.done), len(self._rows)
        self._rows.append(text)
        self._size += len(text)
        if self._size >= _BLOCK:
            self.close()
        return place

    def close(self) -> None:
        if self._rows:
            self.done.append(squeezed(f"[{','.join(self._rows)}]".encode()))
            self._rows, self._size = [], 0


def pack_cases(
    summary: Summary, traces: Callable[[], Iterable[tuple[Key, Mapping[str, Any]]]]
) -> Packed:
    """Return the cases of a report, ready for its page.

    Args:
        summary: The report's figures.
        traces: Gives what each run came from, in the order runs were finished.

    Returns:
        `cases`, the list that is searched: for each its id, question, scores by column, fields of
        `meta`, and where its row is (`[block, place]`); `blocks`, compressed; `columns`; `reasons`; and
        `of`, how many cases there are in all.
    """
    cases = choose(
        summary.suite.cases, MOST_CASES if len(summary.suite.cases) > MOST_CASES else None
    )
    wanted = {case.id for case in cases}
    runs: dict[str, list[Result]] = {case.id: [] for case in cases}
    for result in summary.results:
        if result.case in wanted:
            runs[result.case].append(result)
    last = {key: trace for key, trace in traces() if key.case in wanted}
    blocks, contexts = _Blocks(), _Blocks()
    known: dict[str, tuple[int, int]] = {}
    reasons: dict[str, int] = {KEPT: 0}
    listed: list[dict[str, Any]] = []
    scorer = summary.info.scorers[0]
    caps = {name: budget.get("tokens") for name, budget in summary.info.budgets.items()}
    for case in cases:
        traced = [(result, last.get(result.key, {})) for result in runs[case.id]]
        row, context = _row(case, traced, reasons, caps)
        name = sha256(json.dumps(context).encode()).hexdigest()
        if name not in known:
            known[name] = contexts.add(context)
        row["context"] = known[name]
        listed.append(
            {
                "id": shown(case.id)[:_LONGEST_QUESTION],
                "question": shown(case.question)[:_LONGEST_QUESTION],
                "scores": [round(right(result, scorer), 4) for result in runs[case.id]],
                "failed": any(result.error for result in runs[case.id]),
                "at": blocks.add(row),
            }
        )
    blocks.close()
    contexts.close()
    return {
        "cases": listed,
        "of": len(summary.suite.cases),
        "reasons": list(reasons),
        "blocks": blocks.done,
        "contexts": contexts.done,
    }


def _row(
    case: Case,
    traced: list[tuple[Result, Mapping[str, Any]]],
    reasons: dict[str, int],
    caps: Mapping[str, int | None],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    documents = documents_of(case)
    looks: list[Look] = []
    mine: list[list[int]] = []
    for _, trace in traced:
        found = _looks(trace)
        mine.append(list(range(len(looks), len(looks) + len(found))))
        base = len(looks)
        looks += [
            look
            if look.after is None
            else Look(look.name, look.note, look.spans, look.rewritten, look.after + base)
            for look in found
        ]
    drawn = xray(documents, looks, evidence_of(case), reasons=reasons, whole=True)
    evidence = [document.pop("evidence") for document in drawn["documents"]]
    context = [
        {key: one[key] for key in ("source", "title", "text", "code")} for one in drawn["documents"]
    ]
    row = {
        "question": shown(case.question),
        "history": shown(case.asked) if case.asked != case.question else "",
        "answers": [shown(answer)[:_LONGEST_ANSWER] for answer in case.answers],
        "meta": {shown(str(key)): shown(str(value))[:200] for key, value in case.meta.items()},
        "evidence": evidence,
        "runs": [
            {
                **_run(result, trace, caps.get(result.budget)),
                "looks": [drawn["looks"][number] for number in numbers],
            }
            for (result, trace), numbers in zip(traced, mine, strict=True)
        ],
    }
    return row, context


def _looks(trace: Mapping[str, Any]) -> list[Look]:
    if trace.get("looks"):
        return [Look.from_dict(look) for look in trace["looks"]]
    if trace.get("shown"):
        spans = tuple(Stretch(source, start, end, KEPT) for source, start, end in trace["shown"])
        return [Look("shown", "what the target says it was shown", spans)]
    return []


def _run(result: Result, trace: Mapping[str, Any], cap: int | None) -> dict[str, Any]:
    lines = [
        {**line, "cached": part_of(str(line.get("detail") or ""), "cached")}
        for line in trace.get("receipt", ())
    ]
    return {
        "budget": shown(result.budget),
        "route": shown(result.route),
        "took": shown(result.took),
        "seed": result.seed,
        "answer": shown(result.answer)[:_LONGEST_ANSWER],
        "kind": shown(result.kind),
        "scores": {shown(name): round(score, 4) for name, score in result.scores.items()},
        "error": shown(result.error or ""),
        "traceback": shown(str(trace.get("traceback") or ""))[-_LONGEST_ERROR:],
        "stopped_by": shown(result.stopped_by or ""),
        "tokens": [result.input_tokens, result.output_tokens],
        "usd": result.usd,
        "calls": result.calls,
        "seconds": round(result.seconds, 3),
        "over": result.over,
        "waterfall": waterfall(lines[:_LINES], cap),
        "more_lines": max(0, len(lines) - _LINES),
    }
