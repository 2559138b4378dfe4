"""The receipt as a waterfall: what each step reserved and spent, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shoestring.evals.report.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["waterfall"]

_LONGEST_DETAIL = 600  # characters; a detail may quote a provider


def waterfall(receipt: Iterable[Mapping[str, Any]], cap: int | None) -> dict[str, Any]:
    """Return what the page draws of a receipt, as plain data.

    Args:
        receipt: The lines, as `ReceiptLine.as_dict` gives them; `dropped` and `cached` (input tokens
            that a provider read from its cache) where they are known.
        cap: The cap on tokens; None for none.

    Returns:
        `cap`, and `lines` with `node`, `route`, `what`, `basis`, `detail`, `dropped`, `usd` (nanodollars
        would not be exact in a browser), `reserved` and `spent`, each `[input, output]` tokens,
        and `cached`.
    """
    return {"cap": cap, "lines": [_line(line) for line in receipt]}


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    reserved, spent = line["reserved"], line["spent"]
    detail = shown(str(line.get("detail") or ""))
    return {
        "node": shown(str(line["node"])),
        "route": shown(str(line["route"])),
        "what": shown(str(line["what"])),
        "basis": str(line["basis"]) if reserved.get("calls") or spent.get("calls") else "",
        "detail": detail if len(detail) <= _LONGEST_DETAIL else f"{detail[:_LONGEST_DETAIL]}…",
        "dropped": int(line.get("dropped") or 0),
        "usd": float(spent.get("usd") or 0),
        "reserved": _tokens(reserved),
        "spent": _tokens(spent),
        "cached": int(line.get("cached") or 0),
    }


def _tokens(amount: Mapping[str, Any]) -> list[int]:
    return [int(amount.get("input_tokens") or 0), int(amount.get("output_tokens") or 0)]
