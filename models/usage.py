"""What a provider reports of a call: whether it can be believed, and how the answer ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.messages.ai import UsageMetadata

# More tokens than any call can have; a report above it is noise, not truth.
_ABSURD = 10**12

# Where providers say why an answer ended, and what they say when it was its limit.
_REASONS = ("finish_reason", "stop_reason", "stopReason", "done_reason")
_LIMIT_REASONS = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})


def measured(usage: UsageMetadata | None) -> UsageMetadata | None:
    """A report of usage that can be charged; None where there is none or it cannot be true.

    Tokens that only the total knows of were written: some providers leave out what was thought.

    >>> measured({"input_tokens": 5, "output_tokens": 2, "total_tokens": 9})["output_tokens"]
    4
    >>> measured({"input_tokens": -5, "output_tokens": 2, "total_tokens": -3}) is None
    True
    """
    if not usage:
        return None
    read, written = usage.get("input_tokens"), usage.get("output_tokens")
    total = usage.get("total_tokens")
    if not is_count(read) or not is_count(written) or read + written == 0:
        return None
    if is_count(total):
        written = max(written, total - read)
    if read + written > _ABSURD:
        return None
    return {**usage, "input_tokens": read, "output_tokens": written, "total_tokens": read + written}


def finished(report: Mapping[str, Any]) -> bool:
    """Whether a message's metadata says that the answer ended.

    >>> finished({"stop_reason": "end_turn"})
    True
    """
    return any(report.get(key) for key in _REASONS) or report.get("status") in {
        "completed",
        "incomplete",
    }


def truncated(report: Mapping[str, Any]) -> bool:
    """Whether a message's metadata says that the answer was cut at its limit.

    >>> truncated({"finish_reason": "length"}), truncated({"finish_reason": "stop"})
    (True, False)
    """
    details = report.get("incomplete_details")
    reasons = [report.get(key) for key in _REASONS]
    if isinstance(details, dict):
        reasons.append(details.get("reason"))
    return any(str(reason).lower() in _LIMIT_REASONS for reason in reasons if reason)


def is_count(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number of things, zero included.

    >>> is_count(3), is_count(-1), is_count(True), is_count("3")
    (True, False, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
