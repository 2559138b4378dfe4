"""A page: one file that works offline, in which nothing but our own script can run."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from shoestring.budget.extras import require
from shoestring.evals.report.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jinja2 import Environment

__all__ = ["page", "ready", "save"]

_ASSETS = files("shoestring.evals.report").joinpath("assets")
_IN_SCRIPT = str.maketrans(
    {mark: f"\\u{ord(mark):04x}" for mark in "<>&\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}"}
)


def ready() -> None:
    """Make sure that pages can be written.

    Raises:
        MissingExtra: If Jinja2 is not installed.
    """
    require("jinja2", "report")


def page(
    template: str,
    *,
    scripts: Sequence[str],
    data: Mapping[str, Any],
    later: Sequence[str] = (),
    **fields: Any,  # noqa: ANN401 - what the template shows
) -> str:
    """Return a page as HTML.

    Args:
        template: The name of the template.
        scripts: Names of scripts to inline, in order; no other ever runs on the page, by its
            Content-Security-Policy.
        data: What the scripts draw, ready for JSON.
        later: Texts of scripts that those bring in by themselves.
        fields: What the template shows; all of it is escaped.

    Raises:
        MissingExtra: If Jinja2 is not installed.
    """
    style, bodies = _asset("page.css"), [_asset(name) for name in scripts]
    return (
        _environment()
        .get_template(template)
        .render(
            **fields,
            style=style,
            scripts=bodies,
            policy=_policy(style, [*bodies, *later]),
            # A block of data is not a script; still, no text of it may end the block.
            data=json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_IN_SCRIPT),
        )
    )


def save(file: Path, text: str) -> None:
    """Write a page; a reader never sees half of it."""
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(text, encoding="utf-8", errors="replace", newline="")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


@cache
def _asset(name: str) -> str:
    """Return a file that is shipped beside this module."""
    return _ASSETS.joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, scripts: Sequence[str]) -> str:
    allowed = " ".join(f"'{_hash(script)}'" for script in scripts)
    # An empty style, too: plotly adds its rules to one, each by the browser's own functions.
    return (
        f"default-src 'none'; script-src {allowed}; style-src '{_hash(style)}' '{_hash('')}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _plain(value: object) -> object:
    # Our own markup is no plain string, and passes.
    return shown(value) if type(value) is str else value


@cache
def _environment() -> Environment:
    require("jinja2", "report")
    from jinja2 import DictLoader, Environment, StrictUndefined

    names = [entry.name for entry in _ASSETS.iterdir()]
    templates = {name: _asset(name) for name in names if name.endswith(".html")}
    environment = Environment(
        loader=DictLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_plain,
    )
    environment.filters["count"] = lambda figure: f"{figure:,}"
    return environment
