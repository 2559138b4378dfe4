"""Scorers: each says how right an outcome is, from 0 to 1."""

from shoestring.evals.scorers.choice import MultipleChoice
from shoestring.evals.scorers.evidence import Abstention, CitationPrecision, EvidenceRecall
from shoestring.evals.scorers.judge import Judge
from shoestring.evals.scorers.numeric import Numeric
from shoestring.evals.scorers.scorer import Scorer
from shoestring.evals.scorers.text import Contains, ExactMatch, TokenF1

__all__ = [
    "Abstention",
    "CitationPrecision",
    "Contains",
    "EvidenceRecall",
    "ExactMatch",
    "Judge",
    "MultipleChoice",
    "Numeric",
    "Scorer",
    "TokenF1",
]
