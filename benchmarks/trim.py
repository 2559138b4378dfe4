"""How fast is trimming? Seconds and memory, splitting, indexing and token counting included.

    python benchmarks/trim.py [--passages 1000] [--log 100] [--peer trimwise]

The passages are the Python language reference, which every Python ships, in pieces of about 100
tokens. The log is made here: 60 templates with numbers of their own, and one failure. Each size is
a process of its own, so that the peak of its memory is its own; the passages are trimmed once to
warm up, and the fastest of five more runs counts. Beside it runs the peer named by `--peer`, on
the same passages and in the same run, if it is installed (`benchmarks/trimmers.py --install`).
"""

import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pydoc_data import topics

from langchain_core.documents import Document

from shoestring.models.counting import counter
from shoestring.tools.trim import trim

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


def fastest(run: Callable[[], object], runs: int = RUNS) -> float:
    """Return the seconds of the fastest run, after one to warm up."""
    run()
    seconds: list[float] = []
    for _ in range(runs):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def measure(what: str, size: float) -> dict[str, float]:
    """Measure one size in this process."""
    if what == "log":
        documents = [Document("".join(log(size)), metadata={"source": "build.log"})]
        question, room, runs = FAILURE, LOG_ROOM, 1
    else:
        documents = [Document(text) for text in passages(int(size))]
        question, room, runs = QUESTION, ROOM, RUNS
    if what == "log":
        trim([Document("warm up")], question, 1)
        began = time.perf_counter()
        kept = trim(documents, question, room, fill="budget")
        seconds = time.perf_counter() - began
    else:
        kept = trim(documents, question, room, fill="budget")
        seconds = fastest(lambda: trim(documents, question, room, fill="budget"), runs)
    characters = sum(len(document.page_content) for document in documents)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": seconds,
        "tokens": kept.tokens,
        "room": room,
        "mb": characters / 1e6,
        "peak": peak,
    }


if __name__ == "__main__":
    print(measure(sys.argv[1], float(sys.argv[2])))
