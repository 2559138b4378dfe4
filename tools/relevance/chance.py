"""Chance: how likely a unit holds evidence, and where relevance ends."""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["LOG_MARK", "MARK", "chances", "mark"]

Floats = NDArray[np.float64]

# Log-odds that a unit holds the answer or evidence. Fitted to dev cases of eleven sets, each asked
# with its evidence and without, so that a chance supposes that it is there in one of two cases:
# python benchmarks/calibration.py SUITE_DIR
_CONSTANT = -4.29
_SHARE = 4.62  # of the best unit's score, in [0, 1]
_HEIGHT = 1.66  # of the query found in the best passage, in [0, 1]
_UNITS = -0.63  # for the logarithm of the number of units: one fact stands among so many
MANY = 250  # units; more of them count as so many, since few cases have more

MARK = 0.01
"""A unit is relevant from this chance on.

Before the ranking last changed, in 512 tokens (eleven sets of 24 cases, first and second half),
0.01 / 0.015 / 0.02 gave 74 and 74 / 71 and 73 / 71 and 71 % answer recall for 350 and 366 / 311 and
328 / 284 and 293 tokens: `--marks` of the command above. A fixed share of the best score traded as
well (0.35: 74 and 79 % for 365 and 372 tokens; 0.45: 72 and 71 % for 297 and 306), but does not say
what it stands for.
"""
_LEAST, _MOST = 0.3, 0.6  # the share of the best score at which the mark may stand
LOG_MARK = 0.35
"""The share of the best score from which a line of a log is relevant: logs are not calibrated."""


def mark(height: float, units: int) -> float:
    """Give the share of the best unit's score from which on units are relevant.

    It is where the chance is `MARK`, between three and six tenths: the best unit and those near
    it always stay, and what is far below it never.

    Args:
        height: As for `chances`.
        units: How many units there are.
    """
    odds = math.log(MARK / (1 - MARK)) - _CONSTANT - _HEIGHT * height
    share = (odds - _UNITS * _spread(units)) / _SHARE
    return float(np.clip(share, _LEAST, _MOST))


def chances(shares: Floats, height: float) -> Floats:
    """Give each unit's chance to hold evidence.

    Args:
        shares: Each unit's score as a share of the best unit's, in [0, 1].
        height: How much of the query the best passage holds, in [0, 1].

    Returns:
        Chances in [0, 1]; 0 where the share is 0.
    """
    odds = _CONSTANT + _SHARE * shares + _HEIGHT * height + _UNITS * _spread(len(shares))
    found: Floats = np.where(shares > 0, 1.0 / (1.0 + np.exp(-odds)), 0.0)
    return found


def _spread(units: int) -> float:
    return math.log(min(max(1, units), MANY))
