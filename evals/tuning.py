"""Tuning: a ranker fitted to one's own cases, and whether it helps."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from shoestring.budget.extras import require
from shoestring.evals.documents import documents_of
from shoestring.evals.scores import answer_recall, gold_recall, plain
from shoestring.models.counting.counting import counter
from shoestring.models.counting.vocabularies import encoding
from shoestring.tools.relevance.features import features
from shoestring.tools.relevance.ranker import MOST, Ranker
from shoestring.tools.relevance.score import look
from shoestring.tools.trimming.pieces import Pieces
from shoestring.tools.trimming.render import render
from shoestring.tools.trimming.trim import trim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shoestring.evals.cases import Case
    from shoestring.tools.relevance.tiers import Tier

__all__ = ["TooFewCases", "Tuned", "tune"]

FEWEST = 20
"""Cases with evidence below which a ranker would be fitted to chance."""

_VOCABULARY = "cl100k_base"  # as the figures of the evals
_FOLDS = 5
_RIDGE = 1.0  # inverse strength, on standardised features
_ROOMS = (128, 256, 512)  # tokens at which ranker and stated rule are compared
_RESAMPLES = 2_000


class TooFewCases(ValueError):  # noqa: N818 - it names what is wrong
    """There are fewer cases with evidence than a ranker can be fitted to."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A ranker, if one helps, and what it was worth on cases it was not fitted to."""

    ranker: Ranker | None
    """None where the stated rule is as good: use that."""
    cases: int
    """The cases that have evidence."""
    rule: float
    """Recall by the stated rule, a mean of cases and rooms, in [0, 1]."""
    gain: float
    """What the ranker adds to it, each case ranked by what was fitted on other cases."""
    interval: tuple[float, float]
    """95 % of the gain, by bootstrap over cases."""

    @property
    def helps(self) -> bool:
        """Whether the whole interval of the gain lies above 0."""
        return self.ranker is not None


def tune(cases: Sequence[Case], *, tiers: Sequence[Tier] = ()) -> Tuned:
    """Fit a ranker to cases, and keep it only if it helps on cases it has not seen.

    A logistic curve with a ridge over `FEATURES` and the tiers' scores of the best units, where a
    unit is evidence if it holds a required string and stands in a gold passage (or does either,
    where a case has but one of these marks). Five folds by case, where cases over the same passages
    fall into the same fold; recall within 128, 256 and 512 tokens decides.

    Args:
        cases: Cases with answers that stand in the text, or with gold passages.
        tiers: The tiers that `trim` will be given.

    Returns:
        The ranker fitted to all cases, or None in its place; and the measured gain.

    Raises:
        TooFewCases: If fewer than 20 cases have evidence.
        MissingExtra: If scikit-learn is not installed.
    """
    examples = [found for case in cases if (found := _example(case, tiers)) is not None]
    if len(examples) < FEWEST:
        raise TooFewCases(
            f"{len(examples)} of {len(cases)} cases have evidence in their passages; "
            f"give at least {FEWEST}"
        )
    folds = np.array([example.fold for example in examples])
    gains, rules = np.zeros(len(examples)), np.zeros(len(examples))
    for fold in range(_FOLDS):
        held = np.flatnonzero(folds == fold)
        rest = [example for example, own in zip(examples, folds, strict=True) if own != fold]
        if not len(held) or not rest:
            continue
        ranker = _fit(rest)
        for place in held.tolist():
            case = examples[place].case
            rules[place] = _recall(case, tiers, None)
            gains[place] = _recall(case, tiers, ranker) - rules[place]
    low, high = _interval(gains)
    return Tuned(
        ranker=_fit(examples) if low > 0 else None,
        cases=len(examples),
        rule=float(rules.mean()),
        gain=float(gains.mean()),
        interval=(low, high),
    )


@dataclass(frozen=True, slots=True)
class _Example:
    case: Case
    fold: int
    names: tuple[str, ...]
    rows: NDArray[np.float64]
    evidence: NDArray[np.bool_]


def _example(case: Case, tiers: Sequence[Tier]) -> _Example | None:
    """Describe the best units of a case; None if none of them is evidence."""
    if not case.passages or not case.asked.strip():
        return None
    pieces = Pieces(documents_of(case))
    found = look(pieces.texts, case.asked, 4.0 * max(_ROOMS), tiers=tiers)
    chosen = np.sort(np.argsort(-found.shares, kind="stable")[:MOST])
    chosen = chosen[[pieces.may_stand(unit) for unit in chosen.tolist()]]
    evidence = _evidence(case, pieces, chosen.tolist())
    if not evidence.any():
        return None
    names, rows = features(pieces.texts, case.asked, found.shares, chosen, found.seen)
    # By the passages, not the case: questions about one text know each other's answers.
    content = "\0".join(passage.text for passage in case.passages)
    fold = sha256(content.encode(errors="surrogatepass")).digest()[0] % _FOLDS
    return _Example(case, fold, tuple(names), rows, evidence)


def _evidence(case: Case, pieces: Pieces, chosen: Sequence[int]) -> NDArray[np.bool_]:
    strings = case.meta.get("evidence_strings")
    if not isinstance(strings, list):
        strings = case.answers if case.meta.get("extractive") else ()
    wanted = [plain(string) for string in strings if isinstance(string, str) and plain(string)]
    marked = any(passage.gold for passage in case.passages)
    found: list[bool] = []
    for unit in chosen:
        text = plain(pieces.content(unit)) if wanted else ""
        held = not wanted or any(string in text for string in wanted)
        gold = not marked or case.passages[pieces.owner[unit]].gold
        found.append(held and gold and (marked or bool(wanted)))
    return np.array(found, np.bool_)


def _fit(examples: Sequence[_Example]) -> Ranker:
    rows = np.vstack([example.rows for example in examples])
    labels = np.concatenate([example.evidence for example in examples])
    each = np.concatenate(
        [np.full(len(example.rows), 1 / len(example.rows)) for example in examples]
    )
    means, spread = rows.mean(axis=0), rows.std(axis=0)
    spread = np.where(spread > 1e-9, spread, 1.0)  # noqa: PLR2004 - a feature that never changes
    logistic = require("sklearn.linear_model", "retrieval").LogisticRegression(
        C=_RIDGE, max_iter=1_000
    )
    logistic.fit((rows - means) / spread, labels, sample_weight=each * len(each) / each.sum())
    return Ranker(
        examples[0].names,
        tuple(means.tolist()),
        tuple((logistic.coef_[0] / spread).tolist()),
        float(logistic.intercept_[0]),
    )


def _recall(case: Case, tiers: Sequence[Tier], ranker: Ranker | None) -> float:
    """Mean recall over the rooms: of the answer, or of the gold tokens where it has no answer."""
    count = counter(_VOCABULARY).count
    documents = documents_of(case)
    total = 0.0
    for room in _ROOMS:
        kept = trim(
            documents, case.asked, room, count=count, fill="budget", tiers=tiers, ranker=ranker
        ).documents
        found = answer_recall(case, render(kept))
        if found is None:
            spans: dict[int, list[tuple[int, int]]] = {}
            for piece in kept:
                place = int(str(piece.metadata["source"]).removeprefix("passage "))
                own = (piece.metadata["start"], piece.metadata["end"])
                spans.setdefault(place, []).extend(piece.metadata.get("spans", [own]))
            found = gold_recall(case, spans, encoding(_VOCABULARY))
        total += found or 0.0
    return total / len(_ROOMS)


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    generator = np.random.default_rng(0)
    picks = generator.integers(0, len(values), (_RESAMPLES, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
