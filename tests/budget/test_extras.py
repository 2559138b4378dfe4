"""A missing part says how to get it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from shoestring.budget.extras import require
from shoestring.models import MissingExtra

if TYPE_CHECKING:
    from pathlib import Path


def test_a_missing_package_names_the_command() -> None:
    """The message holds the exact pip command."""
    with pytest.raises(MissingExtra, match=r"pip install 'shoestring\[retrieval\]'"):
        require("no_such_package.inner", "retrieval")


def test_a_broken_package_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed module that fails on an import of its own raises that error."""
    (tmp_path / "broken_module.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_package") as caught:
        require("broken_module", "retrieval")
    assert not isinstance(caught.value, MissingExtra)
    assert "broken_module" not in sys.modules
