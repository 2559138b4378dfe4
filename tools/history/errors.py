"""What cannot be trimmed.

ValueError
└── HistoryTooLong   what has to stay does not fit
"""

from __future__ import annotations

__all__ = ["HistoryTooLong"]


class HistoryTooLong(ValueError):  # noqa: N818 - it says what is the matter
    """The system messages, the last question and the calls under way alone take too many tokens.

    Attributes:
        needed: The fewest tokens that would do.
        limit: The tokens there were.
    """

    def __init__(self, needed: int, limit: int) -> None:
        super().__init__(needed, limit)
        self.needed = needed
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"the system messages, the last question and the calls under way take {self.needed:,} "
            f"tokens at least, but there are {self.limit:,}: raise tokens=, or shorten the system "
            "message or the question"
        )
