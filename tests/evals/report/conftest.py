"""Pages in a real browser."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page, Request

    Open = Callable[..., "Opened"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@dataclass
class Opened:
    """A page that was opened, with all that it did besides being drawn."""

    page: Page
    requests: list[str] = field(default_factory=list[str])
    """Addresses it asked for, its own file left out."""
    errors: list[str] = field(default_factory=list[str])
    """What its scripts threw, and what its policy refused."""

    def width(self) -> tuple[int, int]:
        """The width of what is drawn, and of the window."""
        found = self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        return (found[0], found[1])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium once a module: while Playwright is there, no other loop runs in this thread."""
    if CHROMIUM is None:
        told = "chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("SHOESTRING_REQUIRE_CHROMIUM"):
            pytest.fail(told)
        pytest.skip(told)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


def note(done: Opened, url: str, own: str) -> None:
    """Note what a page asked for."""
    if url not in {own, "data:,"}:
        done.requests.append(url)


def refused(done: Opened, request: Request) -> None:
    """Strike what never left the browser, because the page's policy refused it."""
    if request.failure == "csp":
        done.requests.remove(request.url)


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open a page from a file, as a person does who was sent it."""
    contexts: list[BrowserContext] = []

    def show(html: str, *, width: int = 1100, scheme: str = "light") -> Opened:
        file = tmp_path / f"page{len(contexts)}.html"
        file.write_text(html, encoding="utf-8", newline="")
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        contexts.append(context)
        done = Opened(context.new_page())
        done.page.on("request", lambda request: note(done, request.url, file.as_uri()))
        done.page.on("requestfailed", lambda request: refused(done, request))
        done.page.on("pageerror", lambda error: done.errors.append(str(error)))
        done.page.on("console", lambda message: done.errors.append(message.text))
        done.page.on("dialog", lambda dialog: done.errors.append(dialog.message))
        done.page.goto(file.as_uri())
        return done

    yield show
    for context in contexts:
        context.close()
