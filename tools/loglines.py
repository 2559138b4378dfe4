"""Log lines: which of them tell what went wrong, without a question's words."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["asks_for_failure", "is_log", "score_lines"]

Floats = NDArray[np.float64]

_STAMP = re.compile(
    r"\d{1,2}:\d{2}:\d{2}|\d{4}-\d{2}-\d{2}|\x1b\[|^\s*(?:\[\s*\d+%?\]|\$ |\+ |>{1,3} )"
    r"|\b(?:DEBUG|INFO|WARN(?:ING)?|ERROR|FATAL|TRACE)\b|\d+%"
)
_GRAVE = re.compile(
    r"\b(?:errors?|fail(?:ed|ures?|s|ing)?|fatal|exceptions?|panic(?:ked)?|traceback|abort(?:ed)?"
    r"|assert(?:ion)?|segfault|undefined|unable|cannot|could not|denied|refused|killed|invalid"
    r"|no such|not found|timed? ?out|expected|unresolved|missing|exited with)\b"
    r"|\w(?:Error|Exception|Failure)\b|✗|✘|❌|\bE\s{2,}",
    re.IGNORECASE,
)
_MILD = re.compile(r"\bwarn(?:ing)?s?\b|deprecat|\bskipped\b", re.IGNORECASE)
_VARIABLE = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+", re.IGNORECASE)
_FAILURE = re.compile(
    r"\b(?:error|fail|crash|exception|broke|wrong|traceback|fatal|abort|panic)", re.IGNORECASE
)

_FEWEST = 40  # lines; below that a text is read as lines of their own
_STAMPED = 0.15  # of the lines carry a time, a level, a prompt or a colour
_REPEATED = 0.3  # of the lines share their template with another
_REACH = 6  # neighbours an error's weight spreads to on either side (field measurement)
_TAIL = 0.12  # of the log, at least 40 lines: where builds say why they failed


def asks_for_failure(query: str) -> bool:
    """Say whether a question asks what went wrong."""
    return _FAILURE.search(query) is not None


def is_log(lines: Sequence[str]) -> bool:
    """Say whether lines are a log: many, and stamped or from templates that repeat."""
    if len(lines) < _FEWEST:
        return False
    sample = lines[:: max(1, len(lines) // 2000)]
    stamped = sum(1 for line in sample if _STAMP.search(line[:200])) / len(sample)
    if stamped < _STAMPED:
        return False
    templates = Counter(_template(line) for line in sample)
    repeated = sum(n for n in templates.values() if n > 1) / len(sample)
    return stamped >= 2 * _STAMPED or repeated >= _REPEATED


def score_lines(lines: Sequence[str]) -> Floats:
    """Score the lines of a log by how much they tell about a failure.

    Error words times the rarity of the line's template, spread to the neighbours, plus a prior for
    the tail (field-notes figures: error words alone and the tail alone each find most of what the
    labelled logs of CI runs mark).

    Args:
        lines: All lines, in order.

    Returns:
        A score in [0, 1] a line; the highest is 1.
    """
    n = len(lines)
    templates = [_template(line) for line in lines]
    seen = Counter(templates)
    own = np.zeros(n)
    for place, (line, template) in enumerate(zip(lines, templates, strict=True)):
        if _GRAVE.search(line[:1000]):
            own[place] = 1.0 / (1.0 + np.log(seen[template]))
        elif _MILD.search(line[:1000]):
            own[place] = 0.3 / (1.0 + np.log(seen[template]))
    spread = own.copy()
    for step in range(1, min(_REACH, n - 1) + 1):
        fade = 1.0 - step / (_REACH + 1)
        spread[step:] = np.maximum(spread[step:], fade * own[:-step])
        spread[:-step] = np.maximum(spread[:-step], fade * own[step:])
    back = np.arange(n - 1, -1, -1, dtype=np.float64)
    score = spread + np.exp(-back / max(40.0, _TAIL * n))
    top = float(score.max()) if n else 0.0
    return score / top if top > 0 else score


def _template(line: str) -> str:
    return _VARIABLE.sub("0", line[:300])
