"""What a token buys: cases with evidence, the figures of a trim, and the baseline beside it."""

from shoestring.evals.baseline import best_passages
from shoestring.evals.cases import BrokenCases, Case, Passage, choose, read_cases
from shoestring.evals.intervals import interval
from shoestring.evals.scores import answer_oracle, answer_recall, gold_oracle, gold_recall
from shoestring.evals.trimming import Room, Row, measure, methods
from shoestring.evals.tuning import TooFewCases, Tuned, tune

__all__ = [
    "BrokenCases",
    "Case",
    "Passage",
    "Room",
    "Row",
    "TooFewCases",
    "Tuned",
    "answer_oracle",
    "answer_recall",
    "best_passages",
    "choose",
    "gold_oracle",
    "gold_recall",
    "interval",
    "measure",
    "methods",
    "read_cases",
    "tune",
]
