"""What a trimmer is put through, in an environment of its own: nothing of ours is imported here.

An adapter hands `main` its package's name and a function from a question, a room in tokens and
passages to the text it would send. Jobs come as lines of JSON and are answered as lines of JSON.
"""

import contextlib
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True)
class Passage:
    """A passage, with a relevance for those that have none of their own."""

    title: str
    text: str
    score: float
    """BM25 of title and text against the question, found by whoever runs this."""

    @property
    def whole(self) -> str:
        """The title above the text."""
        return f"{self.title}\n{self.text}" if self.title else self.text


Trimmer = Callable[[str, int, list[Passage]], str]


@cache
def _encoding() -> Any:
    import tiktoken

    return tiktoken.get_encoding("o200k_base")


def count(text: str) -> int:
    """Count the tokens of a text, as it is counted in the end."""
    return len(_encoding().encode_ordinary(text))


def filled(passages: list[Passage], room: int) -> str:
    """Take passages in this order while they fit; for packages that only put them in order."""
    kept = ""
    for passage in passages:
        longer = f"{kept}\n\n{passage.whole}" if kept else passage.whole
        kept = longer if count(longer) <= room else kept
    return kept


def main(package: str, trim: Trimmer) -> None:
    """Answer one job after the other."""
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # some packages print
        for line in sys.stdin:
            job = json.loads(line)
            passages = [Passage(**passage) for passage in job["passages"]]
            began = time.perf_counter()
            try:
                answer = {"text": trim(job["question"], job["room"], passages)}
            except Exception as error:  # noqa: BLE001 - whatever a package raises is its answer
                answer = {"error": f"{type(error).__name__}: {error}"[:300]}
            answer["seconds"] = time.perf_counter() - began
            answer["version"] = importlib.metadata.version(package)
            print(json.dumps(answer), file=answers, flush=True)
