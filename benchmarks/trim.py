"""How fast is trimming? Seconds and memory, splitting, indexing and token counting included.

    python benchmarks/trim.py [--passages 1000] [--log 100] [--peers trimwise] [--tiers static,bi-encoder]

The passages are the Python language reference, which every Python ships, in pieces of about 100
tokens, trimmed to 3,000. The log is made here: 60 templates with numbers of their own, and one
failure; it is trimmed to 2,000. Each size is a process of its own, so that the peak of its memory
is its own; passages are trimmed once to warm up, and the fastest of five more runs counts. CPU
seconds are those of the process: what else runs on the machine does not show in them. Tiers are loaded
before; "new" is the first run with one, no text of which was encoded before, and encodings are kept in
a folder of this run. The peers run on the same passages in the same run, if they are installed
(`benchmarks/trimmers.py --install`).
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from pydoc_data import topics

from langchain_core.documents import Document
from trimmers import PACKAGES, PEERS, Package, environment, python_for

from shoestring.models.counting.counting import counter
from shoestring.models.counting.vocabularies import encoding
from shoestring.tools.relevance.tiers import tiers_named
from shoestring.tools.trimming.trim import trim

QUESTION = "What happens when an exception is raised while a generator is being closed?"
FAILURE = "why did the build fail"
PASSAGE = 100  # tokens
ROOM, LOG_ROOM = 3_000, 2_000
RUNS = 5


def passages(most: int) -> list[str]:
    """Cut the language reference into passages of about a hundred tokens."""
    count = counter("o200k_base").count
    found: list[str] = []
    for name in sorted(topics.topics):
        held: list[str] = []
        size = 0
        for paragraph in topics.topics[name].split("\n\n"):
            held.append(paragraph)
            size += count(paragraph)
            if size >= 0.63 * PASSAGE:
                found.append("\n\n".join(held))
                held, size = [], 0
    fresh = list(dict.fromkeys(found))
    # A second helping is numbered, so that no passage is the repeat of another.
    return [
        text if turn == 0 else f"{turn}. {text}"
        for turn in range(1 + most // len(fresh))
        for text in fresh
    ][:most]


def log(megabytes: float) -> Iterator[str]:
    """Write the lines of a log with one failure, at two thirds of it."""
    chance = random.Random(1)
    steps = ["GET /items/{} took {} ms", "worker {} picked job {}", "cache hit {} of {}"]
    shapes = [f"{step} in zone {zone}" for zone in range(20) for step in steps]
    left, failed = 1e6 * megabytes, False
    while left > 0:
        said = chance.choice(shapes).format(chance.randrange(10**6), chance.randrange(10**4))
        line = f"2024-05-01 12:{chance.randrange(60):02}:{chance.randrange(60):02} INFO {said}\n"
        if not failed and left < 1e6 * megabytes / 3:
            failed = True
            line = "2024-05-01 12:30:00 ERROR linker: undefined reference to `shoe_tie'\n"
        left -= len(line)
        yield line


def measure(what: str, size: float, named: str) -> dict[str, float]:
    """Measure one size in this process, with the tiers of these names."""
    tiers = tiers_named(named)
    if what == "log":
        documents = [Document("".join(log(size)), metadata={"source": "build.log"})]
        question, room, runs = FAILURE, LOG_ROOM, 1
        trim([Document("One line.")], question, 1)
    else:
        documents = [Document(text) for text in passages(int(size))]
        question, room, runs = QUESTION, ROOM, RUNS + bool(tiers)
        trim(documents, question, room, fill="budget")
        for tier in tiers:
            tier.score("Is it loaded?", ["It is."])
    wall: list[float] = []
    cpu: list[float] = []
    for _ in range(runs):
        began, worked = time.perf_counter(), time.process_time()
        kept = trim(documents, question, room, fill="budget", tiers=tiers)
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - worked)
        assert kept.tokens <= room
    return {
        "first": wall[0],
        "first cpu": cpu[0],
        "seconds": min(wall),
        "cpu": min(cpu),
        "mb": sum(len(document.page_content) for document in documents) / 1e6,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def apart(what: str, size: str, tiers: str = "") -> dict[str, float]:
    """Measure one size in a process of its own, whose encodings nobody else keeps."""
    command = [sys.executable, __file__, "--one", what, size, tiers]
    with tempfile.TemporaryDirectory() as folder:
        env = environment() | {"XDG_CACHE_HOME": folder}
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=env)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def peer(package: Package, python: Path, number: int) -> float:
    """Return the seconds a peer takes for the same passages: the fastest of some runs."""
    texts = [{"title": "", "text": text, "score": 0.0} for text in passages(number)]
    job = json.dumps({"question": QUESTION, "room": ROOM, "passages": texts})
    done = subprocess.run(
        [str(python), str(PEERS / f"trim_with_{package.adapter}.py")],
        input=f"{job}\n" * (1 + RUNS),
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    return min(json.loads(line)["seconds"] for line in done.stdout.splitlines()[1:])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How fast is trimming?")
    parser.add_argument("--passages", default="500,1000,2000,4000", help="how many, with commas")
    parser.add_argument("--log", default="10,100", help="megabytes, with commas; none if empty")
    parser.add_argument("--peers", default="trimwise", help="beside the passages, with commas")
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "shoestring-trimmers"
    )
    parser.add_argument("--tiers", default="static,bi-encoder", help="beside them, with commas")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)  # a process of its own
    options = parser.parse_args()
    if options.one:
        what, size, tiers = options.one
        print(json.dumps(measure(what, float(size), tiers)))
        return
    encoding("o200k_base")  # unpacked here for those that only look for it
    heads = ("text", "MB", "seconds", "CPU seconds", "peak MB")
    print("|", " | ".join(heads), "|")
    print("|---" * len(heads), "|", sep="")

    def row(
        named: str, found: dict[str, float], seconds: str = "seconds", cpu: str = "cpu"
    ) -> None:
        cells = [f"{found['mb']:.1f}", f"{found[seconds]:.3f}", f"{found[cpu]:.3f}"]
        print("|", " | ".join([named, *cells, f"{found['peak']:.0f}"]), "|", flush=True)

    for size in filter(None, options.passages.split(",")):
        named = f"{size} passages"
        row(named, found := apart("passages", size))
        for tier in filter(None, options.tiers.split(",")):
            tiered = apart("passages", size, tier)
            row(f"{named}, {tier}, new", tiered, "first", "first cpu")
            row(f"{named}, {tier}", tiered)
        for package in PACKAGES:
            python = python_for(package, options.folder)
            if package.adapter in options.peers.split(",") and python is not None:
                seconds = f"{peer(package, python, int(size)):.3f}"
                cells = [f"{named}: {package.name}", f"{found['mb']:.1f}", seconds, "", ""]
                print("|", " | ".join(cells), "|", flush=True)
    for size in filter(None, options.log.split(",")):
        row(f"a log of {size} MB", apart("log", size))


if __name__ == "__main__":
    main()
