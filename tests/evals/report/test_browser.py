"""Pages of one run in a real Chromium: what is drawn, what is clicked, and what never runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import Document

from shoestring.budget import Amount, Budget, Ledger
from shoestring.evals.report import answer_page, trim_page
from shoestring.tools import trim

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    Open = Callable[..., Any]

pytestmark = [
    pytest.mark.slow,
    # Playwright's own loop outlives the test that began it.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ATTACKS = [
    "<script>window.hacked=1;alert(1)</script>",
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror='window.hacked=1'>",
    "<svg onload=window.hacked=1>",
    "<iframe src='https://example.invalid/'></iframe>",
    "<style>@import url(https://example.invalid/x.css)</style>",
    "javascript:window.hacked=1",
    "{{ 7 * 7 }}${7*7}",
    "\u2028window.hacked=1\u2029",
    "\x00\x1b[31m\u202eevil\u2066\ud800",
    "&lt;script&gt;&amp;",
    "__proto__",
]
QUERY = "Who designed the engine?"
TEXT = "It rained \N{OWL} all day in old London. Charles Babbage designed the engine there. Otters sleep in holts."


def trimmed_page(texts: list[str], query: str = QUERY, tokens: int = 12) -> str:
    documents = [Document(text, metadata={"source": f"{n}.md"}) for n, text in enumerate(texts)]
    return trim_page(documents, query, trim(documents, query, tokens))


def answered_page(text: str = TEXT, **more: Any) -> str:
    """An answer by two trims and one call, cited."""
    documents = [
        Document(text, metadata={"source": "heron.md", "start": 0}),
        Document("Terns dive for fish.", metadata={"source": "tern.md", "start": 0}),
    ]
    first = trim(documents, QUERY, 30)
    ledger = Ledger(Budget(tokens=1_000))
    thinking = ledger.at(node="think", route="chain_of_thought")
    hold = thinking.reserve(Amount(input_tokens=300, output_tokens=200, calls=1))
    hold.dispatching()
    hold.settle(Amount(input_tokens=300, output_tokens=50, calls=1), detail="cached 20")
    start = text.find("Charles")
    result = {
        "question": QUERY,
        "answer": "Charles Babbage.",
        "kind": "generated",
        "route": "chain_of_thought",
        "stopped_by": None,
        "sources": [{"source": "heron.md", "start": start, "end": start + 42, "text": ""}],
        "documents": documents,
        "trims": [
            {
                "node": node,
                "route": "chain_of_thought",
                "given": given,
                "room": trimmed.limit,
                "tokens": trimmed.tokens,
                "kept": list(trimmed.documents),
                "dropped": [
                    {"source": d.source, "start": d.start, "end": d.end, "reason": d.reason}
                    for d in trimmed.dropped
                ],
            }
            for node, given, trimmed in (
                ("trim for think", "documents", first),
                ("trim for answer", "shown", trim(list(first.documents), QUERY, 12)),
            )
        ],
    }
    return answer_page({**result, **more}, ledger)


def visible(page: Page, selector: str) -> list[str]:
    """The texts of what can be seen."""
    return [one.inner_text() for one in page.locator(selector).all() if one.is_visible()]


def test_a_trim_is_drawn(opened: Open) -> None:
    """Kept text stands plain, what was left out stands greyed beside its reason, and all of it is there."""
    done = opened(trimmed_page([TEXT]))
    page = done.page
    assert visible(page, "span.kept") == ["Charles Babbage designed the engine there."]
    left = visible(page, "del")
    assert any("Otters sleep" in text for text in left)
    assert set(visible(page, "del .why")) <= {"not relevant", "no room"}
    whole = page.locator(".text").inner_text()
    for sentence in TEXT.split(". "):
        assert sentence.strip(".") in whole
    assert "Kept 43 of" in page.locator(".told").inner_text()
    kept, gone = (
        page.locator(one).first.evaluate("one => getComputedStyle(one).color")
        for one in ("span.kept", "del")
    )
    assert kept != gone
    assert (done.requests, done.errors) == ([], [])


def test_choosing_what_is_shown(opened: Open) -> None:
    """Only what was kept, or only what was left out, at a click."""
    page = opened(trimmed_page([TEXT, "Terns dive."])).page
    page.get_by_label("what was kept", exact=True).check()
    assert visible(page, "del") == []
    assert len(visible(page, "span.kept")) == 1
    assert visible(page, ".document.out") == []
    page.get_by_label("what was left out", exact=True).check()
    assert visible(page, "span.kept") == []
    assert visible(page, "del") != []


def test_an_answer_is_drawn(opened: Open) -> None:
    """The answer, a bar that is as long as what was spent, the cited span, and one X-ray a trim."""
    done = opened(answered_page())
    page = done.page
    assert page.locator("blockquote").inner_text() == "Charles Babbage."
    assert page.locator("#waterfall .told").inner_text() == "350 of 1,000 tokens spent (35 %)."
    (row,) = page.locator("tr.paid").all()
    assert row.locator(".figure").inner_text().split("\n") == ["300 in · 50 out", "500 reserved"]
    assert "cached 20" in row.locator(".note").inner_text()
    read, written, kept = (
        page.locator(f".bars .{kind}").evaluate("one => one.getBoundingClientRect().width")
        for kind in ("read", "written", "reserved")
    )
    assert read / kept == pytest.approx(0.6, abs=0.02)
    assert written / kept == pytest.approx(0.1, abs=0.02)
    assert (
        page.locator("mark.found")
        .inner_text()
        .endswith("Charles Babbage designed the engine there.")
    )
    assert page.locator("mark .tag").inner_text() == "cited"
    after = visible(page, "del")
    page.get_by_label("chain_of_thought: trim for think").check()
    assert visible(page, "del") != after
    assert (done.requests, done.errors) == ([], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_evidence_that_was_left_out_is_told(opened: Open, scheme: str) -> None:
    """Evidence that was withheld is marked in words, in light and in dark."""
    start = TEXT.find("Otters")
    source = {"source": "heron.md", "start": start, "end": start + 23, "text": ""}
    page = opened(answered_page(sources=[source]), scheme=scheme).page
    assert page.locator("mark.lost .tag").inner_text() == "cited, left out"


def test_no_text_runs(opened: Open) -> None:
    """Markup and scripts in every field are shown as text; nothing runs, nothing is asked for."""
    bad = " ".join(ATTACKS)
    texts = [f"A heron lays three eggs. {attack} Otters sleep." for attack in ATTACKS]
    documents = [
        Document(text, metadata={"source": attack, "title": attack, "start": 0})
        for text, attack in zip(texts, ATTACKS, strict=True)
    ]
    kept = trim(documents, f"{QUERY} {bad}", 60)
    pages = [
        trim_page(documents, f"{QUERY} {bad}", kept),
        answered_page(
            f"{TEXT} {bad}", question=bad, answer=bad, kind=bad, route=bad, stopped_by=bad
        ),
    ]
    for html in pages:
        done = opened(html)
        page = done.page
        for summary in page.locator("summary").all():
            summary.click()
        assert page.evaluate("window.hacked") is None
        assert page.locator("iframe, img, script[src], main style, main script").count() == 0
        assert "<script>window.hacked=1;alert(1)</script>" in page.locator("h1").inner_text()
        assert "{{ 7 * 7 }}" in page.locator("h1").inner_text()
        assert (done.requests, done.errors) == ([], [])


def test_injected_markup_could_not_run_either(opened: Open) -> None:
    """Were there ever a hole in the escaping, the page's policy still runs and loads nothing."""
    hole = "<main>" + "".join(ATTACKS[:5]).replace("src=x", "src=https://example.invalid/a.png")
    done = opened(trimmed_page([TEXT]).replace("<main", f"{hole}</main><main", 1))
    assert done.page.evaluate("window.hacked") is None
    assert any("Content Security Policy" in error for error in done.errors)
    assert done.requests == []


def test_by_keyboard_alone(opened: Open) -> None:
    """All that a mouse can do the keyboard can: skip, choose, step through, open."""
    page = opened(trimmed_page([TEXT, "Terns dive for fish."])).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.value") == "all"
    page.keyboard.press("ArrowRight")
    assert page.locator(".xray").get_attribute("data-show") == "kept"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Next kept piece"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.className") == "kept"
    second = page.locator("details.document").nth(1)
    assert second.get_attribute("open") is None
    second.locator("summary").focus()
    page.keyboard.press("Enter")
    assert (
        visible(page, "del")[-1].endswith("Terns dive for fish.⟩")
        or "Terns" in visible(page, "del")[-1]
    )


def test_every_control_has_a_name(opened: Open) -> None:
    """What a screen reader meets has a role and a name."""
    page = opened(answered_page()).page
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("table").count() == 1
    assert page.get_by_role("rowheader", name="think").count() == 1
    assert page.get_by_role("group", name="Show").count() == 1
    assert page.get_by_role("radio", name="what was kept").count() == 1
    assert page.get_by_role("img").get_attribute("aria-label", timeout=1_000)
    assert page.get_by_role("progressbar").first.get_attribute("aria-label")


@pytest.mark.parametrize("width", [320, 360])
def test_on_a_phone(opened: Open, width: int) -> None:
    """Nothing is wider than the screen, however long the words are."""
    long = "W" * 500
    documents = [
        Document(f"Heron eggs. {long}\n| a | b |\n{long}", metadata={"source": long, "title": long})
    ]
    for html in (
        trim_page(documents, f"heron {long}", trim(documents, "heron eggs", 20)),
        answered_page(answer=long, question=long, route=long),
    ):
        done = opened(html, width=width)
        drawn, there = done.width()
        assert drawn <= there == width


def test_in_other_scripts(opened: Open) -> None:
    """Arabic runs from right to left, and what was left out of it is where it stood."""
    text = "مالك الحزين طائر. يضع ثلاث بيضات. القطط تنام."
    page = opened(trimmed_page([text], "كم بيضة يضع مالك الحزين؟", 12)).page
    assert page.locator(".text").evaluate("one => getComputedStyle(one).direction") == "rtl"
    assert page.locator(".text").inner_text() != ""


def test_a_log_of_many_lines(opened: Open) -> None:
    """A context of megabytes opens, with the middles of what was left out not shown, and said so."""
    lines = "\n".join(f"2026-01-01 worker {n} is idle" for n in range(150_000))
    log = f"{lines}\nERROR disk sda1 failed\n{lines}"
    documents = [Document(log, metadata={"source": "build.log"})]
    html = trim_page(documents, "Which disk failed?", trim(documents, "Which disk failed?", 100))
    assert len(html) < 200_000
    page = opened(html).page
    assert "ERROR disk sda1 failed" in " ".join(visible(page, "span.kept"))
    assert any("characters not shown here" in text for text in visible(page, ".why"))
