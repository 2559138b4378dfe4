"""What `shoestring eval run` is told: options, or a configuration file under the same names."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from shoestring.cli.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Config:
    """What is run; the names are those of a configuration file's keys."""

    suite: str = ""
    target: str = "assistant"
    model: str = "local"
    temperature: float | None = None
    budgets: list[str] = field(default_factory=list)
    routes: list[str] = field(default_factory=lambda: [""])
    seeds: int = 1
    scorers: list[str] = field(default_factory=lambda: ["contains", "f1"])
    cap: str = ""
    out: str = ""
    html: str = ""
    split: str = "dev"
    limit: int | None = None
    executor: str = "local"
    ledgers: str = ""
    concurrency: int = 4
    timeout: float | None = None
    energy: str = ""


def read_config(path: Path, given: dict[str, Any]) -> Config:
    """Return what is run.

    Args:
        path: A `.toml` file with the keys of `Config`, or the suite itself.
        given: The options of the command, which go before the file's.

    Raises:
        BadInput: If the file is no configuration.
    """
    if path.suffix != ".toml":
        merged: dict[str, Any] = {**given, "suite": str(path)}
        return Config(**merged)
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}") from error
    known = {one.name for one in fields(Config)}
    strange = sorted(set(written) - known)
    if strange:
        raise BadInput(f"{path}: no key {strange[0]!r}; there are {', '.join(sorted(known))}")
    for name in ("budgets", "routes", "scorers"):
        if name in written and not isinstance(written[name], list):
            raise BadInput(f'{path}: {name} is a list, as in {name} = ["…", "…"]')
        if name in written:
            written[name] = [str(one) for one in written[name]]
    if not isinstance(written.get("suite"), str):
        raise BadInput(f'{path}: name the cases: suite = "cases.jsonl"')
    # Paths of a file are relative to it.
    written["suite"] = str(path.parent / written["suite"])
    for name in ("out", "html"):
        if name in written:
            written[name] = str(path.parent / str(written[name]))
    return Config(**{**written, **given})
