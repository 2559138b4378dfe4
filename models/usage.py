"""What a provider reports of a call: whether it can be believed, and how the answer ended."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeGuard, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.messages.ai import UsageMetadata

# More tokens than any call can have; a report above it is noise, not truth.
_ABSURD = 10**12

# Where providers say why an answer ended, and what they say when it was its limit.
_REASONS = ("finish_reason", "stop_reason", "stopReason", "done_reason")
_NAMES = ("model_name", "model", "model_version")
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


# Parts of a report that are priced apart, as a receipt calls them.
_PARTS = {
    "cache_read": "cached",
    "cache_creation": "cache write",
    "ephemeral_5m_input_tokens": "cache write 5 min",
    "ephemeral_1h_input_tokens": "cache write 1 h",
    "reasoning": "reasoning",
    "audio": "audio",
    "image": "images",
}


def parts(usage: UsageMetadata) -> str:
    """What a report says of its tokens beyond their number, for the line of a receipt.

    >>> parts({"input_tokens": 1_500, "output_tokens": 400, "total_tokens": 1_900,
    ...        "input_token_details": {"cache_read": 1_200, "audio": 90},
    ...        "output_token_details": {"reasoning": 340}})
    'cached 1,200; audio in 90; reasoning 340'
    """
    said: list[str] = []
    for side, way in (("input_token_details", "in"), ("output_token_details", "out")):
        details = cast("Mapping[str, object]", usage.get(side) or {})
        for part, name in _PARTS.items():
            label = f"{name} {way}" if part in {"audio", "image"} else name
            for key, tokens in details.items():
                # LangChain puts the service tier before the part, as in `priority_cache_read`.
                tier, _, rest = key.partition("_")
                if part in {key, rest} and is_count(tokens) and tokens:
                    said.append(f"{label if key == part else f'{tier} {label}'} {tokens:,}")
    return "; ".join(said)


def part_of(detail: str, name: str) -> int:
    """How many tokens of one part the detail of a receipt line tells of, as `parts` wrote it.

    >>> part_of("cached 1,200; audio in 90; priority cached 40; reasoning 340", "cached")
    1240
    """
    found = re.findall(rf"(?:^|; )(?:\w+ )?{re.escape(name)} ([\d,]+)(?=;|$)", detail)
    return sum(int(number.replace(",", "")) for number in found)


# Where metadata report what was read and written; the first pair is OpenAI's, the second Ollama's.
_PAIRS = (("prompt_tokens", "completion_tokens"), ("prompt_eval_count", "eval_count"))


def token_usage(report: Mapping[str, Any] | None) -> UsageMetadata | None:
    """Usage as a provider's metadata have it, where LangChain has not brought it into its form.

    >>> token_usage({"prompt_tokens": 9, "completion_tokens": 2})
    {'input_tokens': 9, 'output_tokens': 2, 'total_tokens': 11}
    """
    for read, written in _PAIRS:
        if report and report.get(read) is not None and report.get(written) is not None:
            total = report.get("total_tokens", report[read] + report[written])
            tokens: dict[str, Any] = {
                "input_tokens": report[read],
                "output_tokens": report[written],
            }
            return cast("UsageMetadata", {**tokens, "total_tokens": total})
    return None


def finished(report: Mapping[str, Any]) -> bool:
    """Whether a message's metadata says that the answer ended, or was refused.

    >>> finished({"stop_reason": "end_turn"})
    True
    """
    ended = report.get("done") is True or report.get("status") in {"completed", "incomplete"}
    return ended or any(report.get(key) for key in (*_REASONS, "prompt_feedback"))


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


def answered_by(report: Mapping[str, Any]) -> str:
    """The name of the model that a message's metadata say it comes from; "" where they do not.

    >>> answered_by({"model_name": "gpt-4o-mini-2024-07-18"})
    'gpt-4o-mini-2024-07-18'
    """
    return next((str(report[key]) for key in _NAMES if report.get(key)), "")


def is_count(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number of things, zero included.

    >>> is_count(3), is_count(-1), is_count(True), is_count("3")
    (True, False, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
