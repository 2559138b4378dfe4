"""How large is a report, and how fast does it open?

    python benchmarks/report.py [--cases 5000] [--budgets 5] [--keep report.html]

Cases whose contexts are 10 KB of English each (sentences of Python's own documentation, drawn anew for
each case, so that no two contexts are alike), with trims, receipts and answers under each budget. The
page is opened in Chromium three times, each time in a new profile; the medians are printed.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from pydoc_data import topics
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from shoestring.evals import Case, Passage, Suite
from shoestring.evals.looks import KEPT, Look, Stretch
from shoestring.evals.report import write_report
from shoestring.evals.running.folder import RunFolder, SweepInfo
from shoestring.evals.running.result import Result

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTEXT = 10_000  # bytes
PASSAGES = 10
OPENED = 3


def texts(cases: int) -> Iterator[list[str]]:
    """Draw the passages of each case."""
    draw = random.Random(7)
    whole = " ".join(topics.topics.values())
    sentences = [one for one in re.split(r"(?<=[.!?])\s+", whole) if 30 < len(one) < 300]
    for _ in range(cases):
        yield [_passage(draw, sentences) for _ in range(PASSAGES)]


def _passage(draw: random.Random, sentences: list[str]) -> str:
    text = ""
    while len(text) < CONTEXT // PASSAGES:
        text += f"{draw.choice(sentences)} "
    return text[: CONTEXT // PASSAGES]


def fill(folder: Path, cases: int, budgets: int) -> RunFolder:
    """Write a run down as a sweep does."""
    draw = random.Random(11)
    made = tuple(
        Case(
            str(number), f"What does number {number} say about {passages[3][:40]}?",
            tuple(Passage(str(n), f"Part {n}", text, gold=n == 3) for n, text in enumerate(passages)),
            (passages[3][:24],), {"language": draw.choice(["en", "fr", "de"])},
        )
        for number, passages in enumerate(texts(cases))
    )  # fmt: skip
    suite = Suite("generated", made)
    labels = [f"{200 * 2**n:,} tokens" for n in range(budgets)]
    caps = {label: {"tokens": 200 * 2**n} for n, label in enumerate(labels)}
    run = RunFolder(folder)
    info = SweepInfo("assistant", suite.name, suite.digest, caps, ("",), (0,), ("contains",), "0")
    folder.mkdir()
    run.begin(info, suite)
    for case in made:
        for place, label in enumerate(labels):
            right = float(draw.random() < 0.3 + 0.1 * place)
            tokens = 150 * 2**place
            result = Result(
                case.id, label, "", 0, answer=f"It says {case.answers[0]}.", kind="generated",
                took="direct", scores={"contains": right}, input_tokens=tokens, output_tokens=20,
                calls=1, seconds=0.1, dropped=30,
            )  # fmt: skip
            run.add(result, _trace(draw, case, tokens, place))
    return run


def _trace(draw: random.Random, case: Case, tokens: int, place: int) -> dict[str, object]:
    spans: list[Stretch] = []
    for number, passage in enumerate(case.passages):
        cuts = sorted({0, len(passage.text), *draw.sample(range(len(passage.text)), 4)})
        for start, end in pairwise(cuts):
            kept = draw.random() < 0.1 * (place + 1)
            reason = KEPT if kept else draw.choice(["not relevant", "no room"])
            spans.append(Stretch(f"passage {number}", start, end, reason))
    amount = {"input_tokens": tokens, "output_tokens": 20, "calls": 1, "usd": 0.0}
    nothing = {"input_tokens": 0, "output_tokens": 0, "calls": 0, "usd": 0.0}
    receipt = [
        {
            "node": node, "route": "direct", "what": node, "reserved": spent, "spent": spent,
            "basis": "measured", "detail": f"{tokens} tokens of room", "dropped": 3,
        }
        for node, spent in (("plan", nothing), ("trim", nothing), ("answer", amount), ("check", nothing))
    ]  # fmt: skip
    look = Look("direct: trim", f"{tokens} tokens of room used", tuple(spans))
    return {
        "receipt": receipt,
        "looks": [look.as_dict()],
        "cited": [],
        "shown": [],
        "traceback": "",
    }


def opened(file: Path) -> tuple[float, float, float, float]:
    """Return seconds until it can be searched, the curve stands, a case is drawn, the curve answers."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        began = perf_counter()
        page.goto(file.as_uri())
        page.wait_for_selector(".cases summary")
        ready = perf_counter() - began
        page.wait_for_function("document.querySelector('#curve img').naturalWidth > 0")
        drawn = perf_counter() - began
        began = perf_counter()
        page.locator(".cases summary").nth(20).click()
        page.wait_for_selector(".case .xray")
        looked = perf_counter() - began
        began = perf_counter()
        page.locator("#explore").click()
        page.wait_for_selector("#curve .main-svg")
        explored = perf_counter() - began
        browser.close()
    return ready, drawn, looked, explored


def main() -> None:
    """Write a report, open it, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5_000)
    parser.add_argument("--budgets", type=int, default=5)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        run = fill(folder / "run", options.cases, options.budgets)
        out = options.keep or folder / "report.html"
        began = perf_counter()
        write_report(run, out)
        print(f"{options.cases:,} cases x {options.budgets} budgets, contexts of {CONTEXT:,} bytes")
        print(f"written in {perf_counter() - began:.1f} s, {out.stat().st_size / 1e6:.1f} MB")
        times = [opened(out) for _ in range(OPENED)]
    for name, seconds in zip(
        ("searchable", "curve drawn", "a case drawn", "curve explored"),
        zip(*times, strict=True),
        strict=True,
    ):
        print(
            f"{name:<14}{median(seconds):6.2f} s  (of {', '.join(f'{one:.2f}' for one in seconds)})"
        )


if __name__ == "__main__":
    main()
