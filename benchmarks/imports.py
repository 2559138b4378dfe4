"""What does an import cost? Seconds of a fresh interpreter, less those of an empty one.

python benchmarks/imports.py
"""

import statistics
import subprocess
import sys
import time

RUNS = 9
STATEMENTS = (
    "pass",
    "import shoestring",
    "import shoestring.budget",
    "from shoestring import guard",
    "from shoestring import trim",
    "from shoestring import build_assistant",
)


def seconds(statement: str) -> float:
    """Return the median time of a fresh interpreter that runs `statement`."""
    found: list[float] = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def main() -> None:
    """Print what each statement adds to an empty interpreter."""
    empty = seconds("pass")
    for statement in STATEMENTS[1:]:
        print(f"{statement:<40} {1_000 * (seconds(statement) - empty):>6,.0f} ms")


if __name__ == "__main__":
    main()
