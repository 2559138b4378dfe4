"""Pages: one file each, in which no text of others is anything but text."""

from __future__ import annotations

import json
import re
import sys
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from langchain_core.documents import Document

from shoestring.budget import Amount, Budget, Ledger, MemoryStore
from shoestring.evals.report import answer_page, trim_page
from shoestring.evals.report import page as paging
from shoestring.evals.report.waterfall import waterfall
from shoestring.graphs import build_assistant
from shoestring.graphs.state import Answer
from shoestring.models import MissingExtra
from shoestring.tools import trim

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028\x00\u202e\ud800&amp;"
)


class Parsed(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        last = self.tags[-1][0] if self.tags else ""
        self.texts.setdefault(last, []).append(data)


def data_of(page: str) -> Any:
    """What the scripts of a page draw."""
    (block,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL
    )
    return json.loads(block)


def page_of(text: str, query: str = "engine") -> str:
    documents = [Document(text, metadata={"source": text, "title": text})]
    return trim_page(documents, query, trim(documents, query, 50))


def test_no_text_is_markup() -> None:
    """A hostile text, title, source and query add no tag, and come out of the page as they are shown."""
    plain, hostile = Parsed(page_of("engine")), Parsed(page_of(f"engine {HOSTILE}", HOSTILE))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert data_of(page_of(f"engine {HOSTILE}"))["xray"]["documents"][0]["text"] == (
        "engine </script><script>alert(1)</script><img src=x onerror=alert(2)>"
        "\u2028\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}&amp;"
    )


@given(st.text(max_size=60))
def test_the_data_block_cannot_be_left(text: str) -> None:
    """Whatever a text holds, the block of data has nothing in it that HTML or old parsers would read."""
    page = paging.page(
        "run.html", scripts=[], data={"xray": text}, kicker="", title=text, figures=[], answer=None,
        sent=text,
    )  # fmt: skip
    (block,) = re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert not set(block) & set("<>&\u2028\u2029")
    assert json.loads(block) == {"xray": text}


def test_only_our_scripts_may_run() -> None:
    """The policy allows what is inlined by its hash, and nothing from anywhere else."""
    page = Parsed(page_of("engine"))
    policies = [
        attributes["content"]
        for _, attributes in page.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    (policy,) = policies
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy
    style = page.texts["style"][0]
    assert f"style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
    for _, attributes in page.tags:
        assert not {"style", "onclick", "onload", "src"} & set(attributes)


def test_a_receipt_as_a_waterfall() -> None:
    """Each line has what it reserved and spent, read and written apart, in order."""
    ledger = Ledger(Budget(tokens=1_000))
    hold = ledger.at(node="think", route="direct").reserve(
        Amount(input_tokens=90, output_tokens=50, calls=1)
    )
    hold.dispatching()
    hold.settle(Amount(input_tokens=90, output_tokens=20, calls=1), detail="tiny\x1b")
    ledger.at(node="check").note("check", "passed", dropped=3)
    lines = [{**line.as_dict(), "dropped": line.dropped} for line in ledger.receipt.lines]
    assert waterfall(lines, 1_000) == snapshot(
        {
            "cap": 1000,
            "lines": [
                {
                    "node": "think",
                    "route": "direct",
                    "what": "call",
                    "basis": "measured",
                    "detail": "tiny�",
                    "dropped": 0,
                    "usd": 0.0,
                    "reserved": [90, 50],
                    "spent": [90, 20],
                    "cached": 0,
                },
                {
                    "node": "check",
                    "route": "",
                    "what": "check",
                    "basis": "",
                    "detail": "passed",
                    "dropped": 3,
                    "usd": 0.0,
                    "reserved": [0, 0],
                    "spent": [0, 0],
                    "cached": 0,
                },
            ],
        }
    )


def colours(scheme: str) -> dict[str, str]:
    """The colours of the pages, by name."""
    style = paging._asset("page.css")
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    found = dict(re.findall(r"--([\w-]+): (#\w{6});", light))
    return found | dict(re.findall(r"--([\w-]+): (#\w{6});", dark)) if scheme == "dark" else found


def contrast(one: str, other: str) -> float:
    """The contrast of two colours (WCAG 2.2, 1.4.3)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme: str) -> None:
    """Every text can be read on what it stands on: at least 4.5 to 1, what was left out too."""
    colour = colours(scheme)
    pairs = [
        *((ink, paper) for ink in ("ink", "quiet", "gone", "accent") for paper in ("paper", "card")),
        ("ink", "found"), ("lost", "lost-soft"), ("paper", "lost"), ("paper", "ink"),
    ]  # fmt: skip
    for ink, paper in pairs:
        assert contrast(colour[ink], colour[paper]) >= 4.5, (ink, paper)
    assert contrast(colour["focus"], colour["paper"]) >= 3


def test_an_answer_as_a_page() -> None:
    """The page of an answer holds the documents, each trim and its cited spans."""
    note = Document("The ferry leaves at 07:40. Dogs travel free.", metadata={"source": "ferry.md"})
    store = MemoryStore()
    assistant = build_assistant(None, [note], budget=Budget(tokens=500), ledgers=store)
    keys = [*Answer.__annotations__, "documents", "trims"]
    result = assistant.invoke({"question": "When does the ferry leave?"}, output_keys=keys)
    page = answer_page(result, store.ledger(result["ledger_id"]))
    data = data_of(page)
    assert [look["name"] for look in data["xray"]["looks"]] == ["quote: trim"]
    (document,) = data["xray"]["documents"]
    assert document["source"] == "ferry.md"
    assert document["evidence"] != []
    assert [line["node"] for line in data["waterfall"]["lines"]] == ["plan", "trim", "check"]
    assert "07:40" in Parsed(page).texts["blockquote"][0]


def test_without_jinja(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Jinja2 is missing, the error says what to install."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'shoestring[report]'")):
        paging.ready()
