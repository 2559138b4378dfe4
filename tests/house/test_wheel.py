"""What is published is exactly the packages."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ["agents", "budget", "cli", "evals", "graphs", "models", "tools"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from the sdist, as a publisher would."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return out


def sources() -> set[str]:
    """Return the modules and lists of the packages, as they should be named in the wheel."""
    found = {
        f"shoestring/{path.relative_to(ROOT).as_posix()}"
        for package in PACKAGES
        for pattern in ("*.py", "*.txt", "*.html", "*.css", "*.js")
        for path in (ROOT / package).rglob(pattern)
    }
    return found | {"shoestring/__init__.py", "shoestring/py.typed"}


def test_the_wheel_holds_exactly_the_packages(built: Path) -> None:
    """The wheel has every module under one import name, and no tests, examples or bare names."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == sources()


def test_the_sdist_can_be_built_from(built: Path) -> None:
    """The sdist has the packages where the build looks for them, and the licence."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.split("/", 1)[1] for name in sdist.getnames() if "/" in name}
    assert {"pyproject.toml", "LICENSE", "README.md", "budget/ledger.py"} <= names
