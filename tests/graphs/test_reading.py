"""Reading navigates an outline under the budget, and goes on without the model where that errs."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from shoestring.agents import Planner
from shoestring.budget import Amount, Budget, Ledger, MemoryStore, SQLiteStore
from shoestring.graphs import BudgetContext, Direct, Quote, Reading, build_assistant
from shoestring.graphs.menus import heard, menu, menu_of
from shoestring.tools import Outline

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CountingServer

QUESTION = "How many people does the ferry to Ellery Island carry?"
ANSWER = "The ferry to Ellery Island carries 120 people [1]."
LINE = re.compile(r"^\s*\[([a-z2-7]{10})\] (.*?) \([\d,]+ tokens\)", re.MULTILINE)


def letters(topic: str, number: int = 12) -> str:
    return " ".join(f"The archive of {topic} holds letter number {n}." for n in range(number))


def handbook() -> list[Document]:
    """Three parts of three chapters of three sections; the answer stands in one of them."""
    lines = ["# Handbook"]
    for part in ("Harbours", "Islands", "Railways"):
        lines.append(f"## {part}\n\n{letters(part, 2)}")
        for chapter in ("History", "Traffic", "Tolls"):
            lines.append(f"### {part} {chapter}\n\n{letters(chapter, 2)}")
            for section in ("First", "Second", "Third"):
                lines.append(f"#### {part} {chapter} {section}\n\n{letters(section)}")
                if (part, chapter, section) == ("Islands", "Traffic", "Second"):
                    lines.append("The ferry to Ellery Island carries 120 people and no cars.")
    return [Document("\n\n".join(lines), metadata={"source": "handbook.md"})]


HANDBOOK = handbook()
OUTLINE = Outline.build(HANDBOOK)


def asked(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def shown(body: dict[str, Any]) -> dict[str, str]:
    """The parts that a request shows: title → id; none where it asks for an answer."""
    text = asked(body)
    return {title: name for name, title in LINE.findall(text)} if "Outline:" in text else {}


def picking(*titles: str, how: str = "[{}]") -> Any:
    """Return a script: picks the first of these titles that stands in the outline, or answers."""

    def says(body: dict[str, Any]) -> str:
        parts = shown(body)
        if not parts:
            return ANSWER
        picked = [parts[title] for title in titles if title in parts]
        return " and ".join(how.format(name) for name in picked) or "none of these"

    return says


def ask(
    server: CountingServer,
    budget: Budget,
    route: Any = None,
    **options: Any,
) -> tuple[dict[str, Any], Ledger]:
    """Ask the ferry question on the reading route alone."""
    store = options.pop("ledgers", None) or MemoryStore()
    assistant = build_assistant(
        server.model(),
        HANDBOOK,
        budget=budget,
        outline=options.pop("outline", OUTLINE),
        planner=Planner((route or Reading(),)),
        ledgers=store,
        **options,
    )
    keys = ["answer", "kind", "route", "sources", "receipt", "stopped_by", "ledger_id"]
    result = assistant.invoke(
        {"question": QUESTION}, output_keys=[*keys, "trims", "documents", "spend", "context"]
    )
    return result, store.ledger(result["ledger_id"])


def notes(result: dict[str, Any], what: str) -> list[str]:
    return [line["detail"] for line in result["receipt"] if line["what"] == what]


# One root line, so that each level is asked for by itself.
NARROW = Reading(rough=110, peek=0, least_look=40, rounds=3, context=160, least=60)


def test_the_model_finds_its_way_down_three_levels(server: CountingServer) -> None:
    """Part, chapter, section: each look shows what stands in the part picked before, then it answers."""
    server.says = picking("Islands Traffic Second", "Islands Traffic", "Islands")
    result, ledger = ask(server, Budget(tokens=6_000), NARROW)
    looks = [shown(body) for body in server.requests if shown(body)]
    assert len(looks) == 3
    assert "Islands" in looks[0] and "Islands Traffic" not in looks[0]
    assert "Islands Traffic" in looks[1] and "Railways" not in looks[1]
    assert "Islands Traffic Second" in looks[2] and "Islands Tolls" not in looks[2]
    assert (result["route"], result["kind"]) == ("reading", "generated")
    assert result["answer"] == ANSWER
    (source, *_) = result["sources"]
    assert HANDBOOK[0].page_content[source["start"] : source["end"]] == source["text"]
    assert server.billed == ledger.spent.tokens
    assert ledger.held == Amount()
    nodes = [line["node"] for line in result["receipt"] if line["what"] == "gpt-4o-mini"]
    assert nodes == ["choose", "choose", "choose", "answer"]
