"""The tests keep the habits of the house."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: str(path.relative_to(TESTS))
)
def test_every_test_names_the_behaviour_it_protects(path: Path) -> None:
    """Each test function has a one-line docstring."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test_"
        ):
            told = ast.get_docstring(node)
            assert told, f"{path.name}:{node.lineno} {node.name} has no docstring"
            assert "\n" not in told, f"{path.name}:{node.lineno} {node.name}: more than one line"
