"""Eight processes on one cap, killed at random, against a model server that counts what it serves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROOF = Path(__file__).parents[2] / "benchmarks" / "proof.py"
# All 10,000 dispatches are made by `python benchmarks/proof.py`, or with SHOESTRING_PROOF_CALLS.
CALLS = int(os.environ.get("SHOESTRING_PROOF_CALLS", "2000"))
KILLS = 30


@pytest.mark.slow
def test_what_was_served_is_never_more_than_the_ledger_says(place: str) -> None:
    """Server ≤ ledger ≤ cap through kills and restarts, and all equal where nobody was killed."""
    options = ["--store", place, "--calls", str(CALLS), "--kills", str(KILLS), "--json"]
    done = subprocess.run(
        [sys.executable, str(PROOF), *options], check=True, capture_output=True, timeout=280
    )
    unharmed, harmed = json.loads(done.stdout)
    served, ledger, cap = unharmed["calls"]
    assert served == ledger == cap == CALLS
    assert unharmed["tokens"][0] == unharmed["tokens"][1]
    assert unharmed["presumed"] == unharmed["held"] == 0
    served, ledger, cap = harmed["calls"]
    assert served <= ledger == cap == CALLS
    assert harmed["tokens"][0] <= harmed["tokens"][1] <= harmed["tokens"][2]
    assert harmed["killed"] > KILLS / 2
    assert harmed["presumed"] <= harmed["killed"]
    assert harmed["lines"] == [CALLS, CALLS]
    assert harmed["held"] == harmed["failed"] == 0
