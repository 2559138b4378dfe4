"""The report of an evaluation in a real Chromium: searched, opened, clicked, on a phone, offline."""

from __future__ import annotations

from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.evals.report.made import a_case, a_run, silent

from shoestring.evals import Suite, sweep
from shoestring.evals.report import write_report
from shoestring.evals.scorers import Contains

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    Open = Callable[..., Any]

pytestmark = [
    pytest.mark.slow,
    # Playwright's own loop outlives the test that began it.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ATTACKS = (
    "</script><script>window.hacked=1</script>",
    "<img src=https://example.invalid/x.png onerror='window.hacked=1'>",
    "<a href='javascript:window.hacked=1'>x</a>\u2028\x00\u202e",
    "plain",
)
_MAP_STYLE = "Applying inline style violates"
"""plotly brings styles for maps, which the page's policy refuses: there are no maps."""


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of 60 cases."""
    folder = tmp_path_factory.mktemp("report")
    page, *_ = write_report(a_run(folder / "run", 60), folder / "report.html")
    return page.read_text(encoding="utf-8")


def errors(done: Any) -> list[str]:
    return [error for error in done.errors if not error.startswith(_MAP_STYLE)]


def cases(page: Page) -> list[str]:
    return [one.inner_text() for one in page.locator(".cases > li > details > summary .name").all()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1000])
def test_the_curve_stands_at_once(opened: Open, html: str, width: int, scheme: str) -> None:
    """As a picture in the colours of the page and for its width, with what it shows in words."""
    done = opened(html, width=width, scheme=scheme)
    picture = done.page.locator("#curve img")
    done.page.wait_for_function("document.querySelector('#curve img').naturalWidth > 0")
    assert "best is" in (picture.get_attribute("alt") or "")
    source = str(picture.evaluate("image => image.currentSrc"))
    drawn = b64decode(source.partition(",")[2]).decode()
    assert ("#ece8df" in drawn, "#1f1c18" in drawn) == (scheme == "dark", scheme == "light")
    assert ('width="244' in drawn) == (width == 360)
    assert (done.requests, errors(done)) == ([], [])


def explore(page: Page) -> None:
    page.locator("#explore").click()
    page.wait_for_selector("#curve .main-svg")


def test_the_curve_is_explored(opened: Open, html: str) -> None:
    """Each budget is a point with its interval; the axis can be chosen; a name tells what is seen."""
    done = opened(html)
    page = done.page
    explore(page)
    assert not page.locator("#explore").is_visible()
    assert page.locator("#curve .scatterlayer .point").count() == 2
    assert page.locator("#curve .errorbar").count() == 2
    assert "best is" in (page.locator("#curve").get_attribute("aria-label") or "")
    before = page.locator("#curve .xtitle").text_content()
    page.get_by_label("dollars a question").check()
    page.wait_for_selector("#curve[data-axis=usd]")
    assert before == "mean tokens a question"
    assert page.locator("#curve .xtitle").text_content() == "mean dollars a question"
    assert (done.requests, errors(done)) == ([], [])


def test_an_axis_brings_the_curve_that_answers(opened: Open, html: str) -> None:
    """Another spend than the picture's is asked for: no button has to be found first."""
    page = opened(html).page
    page.get_by_label("dollars a question").check()
    page.wait_for_selector("#curve[data-axis=usd] .main-svg")


def test_a_case_is_found_and_looked_into(opened: Open, html: str) -> None:
    """Searched by its words, opened, with the answer, the waterfall and the X-ray of each budget."""
    done = opened(html)
    page = done.page
    assert len(cases(page)) == 40
    page.get_by_role("button", name="Show more").click()
    assert len(cases(page)) == 60
    page.get_by_label("Search questions and ids").fill("harbour 17 lamp")
    assert cases(page) == ["In which light does the lamp of harbour 17 shine?"]
    assert page.get_by_role("status").inner_text() == "1 case of 60."
    page.locator(".cases summary").first.click()
    page.wait_for_selector(".case blockquote")
    page.get_by_label("400 tokens").check()
    assert page.locator(".case blockquote").inner_text() == "In green light."
    assert page.locator(".case .waterfall tr.paid").count() == 1
    assert "(5 cached)" in page.locator(".case .waterfall .figure").first.inner_text()
    assert page.locator(".case mark.found").inner_text().endswith("green")
    assert page.locator(".case del .why").first.inner_text() in {
        "not relevant",
        "no room",
        "duplicate",
    }
    assert (done.requests, errors(done)) == ([], [])


def test_filters(opened: Open, html: str) -> None:
    """What failed is a click away, with its error and traceback."""
    page = opened(html).page
    page.get_by_label("something failed").check()
    assert cases(page) == ["In which light does the lamp of harbour 3 shine?"]
    page.locator(".cases summary").first.click()
    page.wait_for_selector(".case blockquote")
    assert page.locator(".case blockquote").inner_text() == "OSError: the line is dead"
    page.get_by_label("never right").check()
    assert len(cases(page)) >= 1
    page.get_by_label("Search questions and ids").fill("nothing like it")
    assert cases(page) == []


def test_by_keyboard(opened: Open, html: str) -> None:
    """A case is searched and opened without a mouse."""
    page = opened(html).page
    page.locator("#search").focus()
    page.keyboard.type("harbour 5 ")
    page.locator(".cases summary").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".case blockquote")
    assert page.locator(".case .xray").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(opened: Open, html: str, scheme: str) -> None:
    """At 360 pixels only tables scroll, inside their own boxes; an opened case fits too."""
    done = opened(html, width=360, scheme=scheme)
    explore(done.page)
    done.page.locator(".cases summary").first.click()
    done.page.wait_for_selector(".case blockquote")
    drawn, there = done.width()
    assert drawn <= there == 360


def test_no_text_of_a_case_runs(opened: Open, tmp_path: Path) -> None:
    """Markup and scripts in every field of the cases and in the suite's name: nothing runs or loads."""
    run = a_run(tmp_path / "run", 12, poison=ATTACKS, name=ATTACKS[0])
    page_file, *_ = write_report(run, tmp_path / "report.html")
    done = opened(page_file.read_text(encoding="utf-8"))
    page = done.page
    explore(page)
    for summary in page.locator(".cases > li > details > summary").all():
        summary.click()
    page.wait_for_function("document.querySelectorAll('.case blockquote').length === 12")
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main iframe, main a").count() == 0
    assert "<script>window.hacked=1</script>" in page.locator("h1").inner_text()
    assert (done.requests, errors(done)) == ([], [])


def test_a_target_that_does_not_tell_what_it_read(opened: Open, tmp_path: Path) -> None:
    """Its context stands with the evidence marked, and it is said that the rest is not told."""
    suite = Suite("lamps", (a_case(1),))
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(
            sweep, silent, suite, budgets=[50], scorers=[Contains()],
            folder=tmp_path / "run",
        ).result()  # fmt: skip
    page_file, *_ = write_report(run, tmp_path / "report.html")
    page = opened(page_file.read_text(encoding="utf-8")).page
    page.locator(".cases summary").first.click()
    page.wait_for_selector(".case .xray")
    assert (
        page.locator(".case .xray .told").inner_text()
        == "What was read of this context is not told."
    )
    assert page.locator(".case mark.found").inner_text().endswith("beige")
    assert page.locator(".case .strip").count() == 0
