"""What a token buys: cases with evidence, the figures of a trim and of a run, and baselines beside them."""

from shoestring.evals.baseline import best_passages
from shoestring.evals.cases import BrokenCases, Case, Passage, choose, read_cases
from shoestring.evals.intervals import difference, interval, permutation
from shoestring.evals.outcome import Outcome, Span
from shoestring.evals.running.account import CapReached
from shoestring.evals.running.energy import Energy
from shoestring.evals.running.folder import BrokenRun, RunFolder
from shoestring.evals.running.result import Result
from shoestring.evals.running.sweep import asweep, sweep
from shoestring.evals.running.target import App, Target
from shoestring.evals.running.task import Task
from shoestring.evals.scores import answer_oracle, answer_recall, gold_oracle, gold_recall
from shoestring.evals.suite import Suite
from shoestring.evals.trimming import Room, Row, measure, methods
from shoestring.evals.tuning import TooFewCases, Tuned, tune

__all__ = [
    "App",
    "BrokenCases",
    "BrokenRun",
    "CapReached",
    "Case",
    "Energy",
    "Outcome",
    "Passage",
    "Result",
    "Room",
    "Row",
    "RunFolder",
    "Span",
    "Suite",
    "Target",
    "Task",
    "TooFewCases",
    "Tuned",
    "answer_oracle",
    "answer_recall",
    "asweep",
    "best_passages",
    "choose",
    "difference",
    "gold_oracle",
    "gold_recall",
    "interval",
    "measure",
    "methods",
    "permutation",
    "read_cases",
    "sweep",
    "tune",
]
