"""Identifiers: what a tool's output holds that no model can guess or say in other words."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["score_values"]

# A code: letters and digits mixed, or capitals only.
_CODE = re.compile(r"\b(?=[\w-]*\d)(?=[\w-]*[^\W\d])[\w-]{4,}\b|\b[A-Z][A-Z0-9]{4,}\b")
_MOST = 5  # codes; a value with more is no richer (dev: 3 is -8 points on the set of tool outputs)
_READ = 4_000  # characters of a value that are looked at


def score_values(values: Sequence[str]) -> NDArray[np.float64]:
    """Score JSON values by how many different codes they hold: ids, flight numbers, hashes, dates.

    What an agent calls next takes such arguments letter for letter, whatever words the user chose.
    This prior was found on a set of tool outputs whose marks are the next call's arguments, so its
    worth on other data is less certain than that of words.

    Args:
        values: The texts of values.

    Returns:
        A score in [0, 1] each.
    """
    codes = [len(set(_CODE.findall(value[:_READ]))) for value in values]
    return np.minimum(1.0, np.array(codes, np.float64) / _MOST)
