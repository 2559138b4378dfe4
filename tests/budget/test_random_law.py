"""A few of the random operations of `benchmarks/law.py`, which plays a million of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

LAW = Path(__file__).parents[2] / "benchmarks" / "law.py"


@pytest.fixture(scope="module")
def law() -> Any:
    spec = importlib.util.spec_from_file_location("law", LAW)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("kind", "operations"),
    [("memory", 10_000), ("sqlite", 500), pytest.param("redis", 500, marks=pytest.mark.redis)],
)
def test_the_law_holds_at_each_of_many_random_operations(
    law: Any, request: pytest.FixtureRequest, tmp_path: Path, kind: str, operations: int
) -> None:
    """Deep trees of both kinds, reserves, leases, breaches: an independent table agrees at each step."""
    if kind == "redis":
        kind = request.getfixturevalue("redis_server").url
    seen = law.play(kind, operations, 3, tmp_path)
    assert seen["reserved"] > operations / 10
    assert seen["refused: reserve, BudgetExceeded"]
    assert seen["set aside"]
