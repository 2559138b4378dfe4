"""The layout shows the architecture, and the imports keep to it."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ["budget", "models", "tools", "agents", "graphs", "evals", "cli"]
MODULES = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Return every dotted name that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_down_the_floors(path: Path) -> None:
    """No module imports from a floor above its own."""
    own = FLOORS.index(path.relative_to(ROOT).parts[0])
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "shoestring" and parts[1] in FLOORS:
            assert FLOORS.index(parts[1]) <= own, f"{path} imports {name} from a floor above"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_are_absolute_and_through_the_front_door(path: Path) -> None:
    """No module imports a package by its bare name: that would be a second copy of it."""
    assert not {name.split(".")[0] for name in imported(path)} & set(FLOORS)


def test_the_budget_floor_is_pure_python() -> None:
    """The ledger needs the standard library alone; its published tests pytest, its Redis store redis."""
    for path in (ROOT / "budget").rglob("*.py"):
        kit = {"pytest", "hypothesis"} if path.parent.name == "conformance" else set[str]()
        kit |= {"redis"} if path.parent.name == "redis" else set[str]()
        for name in imported(path):
            top = name.split(".")[0]
            known = top in sys.stdlib_module_names or top in kit
            assert known or name.startswith("shoestring.budget"), name


@pytest.mark.parametrize("name", ["shoestring", *(f"shoestring.{floor}" for floor in FLOORS[:-1])])
def test_all_is_what_is_public(name: str) -> None:
    """`__all__` names what the package imports for its users, each once, and each can be had."""
    module = importlib.import_module(name)
    door = Path(module.__file__ or "")
    names = {n.rsplit(".", 1)[1] for n in imported(door) if n.startswith("shoestring.")}
    assert sorted(module.__all__) == sorted(names)
    for public in module.__all__:
        assert getattr(module, public) is not None
    with pytest.raises(AttributeError):
        module.nonsense  # noqa: B018 - the access is the test


def test_a_name_is_never_hidden_by_its_module() -> None:
    """Importing a module of a package does not put it in the place of a function of that name."""
    for floor in FLOORS[:-1]:
        package = importlib.import_module(f"shoestring.{floor}")
        for path in (ROOT / floor).glob("[a-z]*.py"):
            importlib.import_module(f"shoestring.{floor}.{path.stem}")
        for public in package.__all__:
            assert not inspect.ismodule(getattr(package, public)), f"{floor}.{public} is a module"


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after `code`."""
    script = f"{code}\nimport sys\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120
    )
    return set(done.stdout.splitlines()[-1].split())


def test_importing_shoestring_is_light() -> None:
    """The front door imports nothing until a name is asked for."""
    assert not loaded_by("import shoestring") & {"langchain_core", "langgraph", "torch", "numpy"}


def test_ledgers_need_no_redis() -> None:
    """Who keeps no ledgers in a Redis server does not load its client."""
    assert "redis" not in loaded_by("from shoestring.budget import Ledger, RedisStore")


def test_guarding_a_model_needs_neither_torch_nor_a_vector_store() -> None:
    """Someone who only guards a model does not pay for retrieval or local models."""
    code = (
        "from langchain_core.language_models import FakeListChatModel\n"
        "from shoestring import Budget, Ledger, guard\n"
        "model = guard(FakeListChatModel(responses=['hi']), Ledger(Budget(tokens=1000)),"
        " output_field='n')\n"
    ).replace("output_field='n'", "output_field='responses'")
    heavy = {"torch", "chromadb", "sentence_transformers", "transformers", "xllamacpp"}
    assert not loaded_by(code) & heavy


def test_planning_does_not_load_langchains_agents() -> None:
    """The middleware's library is loaded by those who ask for the middleware."""
    assert "langchain" not in loaded_by("import shoestring.agents")
    assert "langchain" in loaded_by("from shoestring import BudgetMiddleware")


def test_trimming_needs_neither_torch_nor_a_vector_store() -> None:
    """The lexical trimmer and the assistant's front door load no heavy package."""
    code = "from shoestring import TrimCompressor, build_assistant, trim"
    assert not loaded_by(code) & {"torch", "chromadb", "sentence_transformers", "transformers"}
