"""A chat model from the name a person types: "local", "local:/path.gguf" or "PROVIDER:NAME"."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from shoestring.budget.extras import MissingExtra

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_LOCAL = "local"
_LONGEST_SHOWN = 60
_FORMS = "give local, local:/path/to/model.gguf or PROVIDER:NAME, such as openai:gpt-4.1-mini"
# Names of environment variables that hold keys, as integrations write them in their errors.
_KEY = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:KEY|TOKEN|CREDENTIALS)\b")
_INSTALL = re.compile(r"pip install (?:-U )?([A-Za-z0-9][A-Za-z0-9._-]*)")


class UnknownModel(ValueError):  # noqa: N818 - named for what is wrong
    """A model was asked for that cannot be had as things are; the message holds the cure."""


def load_model(spec: str) -> BaseChatModel:
    """A chat model by name.

    Args:
        spec: "local" (the packaged SmolLM2-135M-Instruct), "local:PATH" (a GGUF file), or
            "PROVIDER:NAME" for any provider LangChain's `init_chat_model` knows. Keys come from the
            environment, as each integration reads them.

    Raises:
        UnknownModel: If the name is empty or malformed, the provider is unknown, its package is not
            installed, its key is not set, or there is no such model file.
        MissingExtra: If the local model's packages are not installed.
    """
    spec = spec.strip()
    if not spec:
        raise UnknownModel(f"the model has no name: {_FORMS}")
    provider, colon, name = spec.partition(":")
    if provider == _LOCAL:
        return _local(name.strip() if colon else None)
    if not colon or not provider.strip() or not name.strip():
        raise UnknownModel(f"no model is called {_shown(spec)}: {_FORMS}")
    return _hosted(provider.strip(), name.strip())


def _local(path: str | None) -> BaseChatModel:
    from shoestring.models.local.chat import LocalChatModel
    from shoestring.models.local.gguf import ModelFileError

    if path == "":
        raise UnknownModel("local: lacks a path: give local:/path/to/model.gguf, or just local")
    try:
        return LocalChatModel(model_path=None if path is None else Path(path))
    except ModelFileError as error:
        raise UnknownModel(str(error)) from error


def _hosted(provider: str, name: str) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    try:
        return init_chat_model(name, model_provider=provider)
    except MissingExtra:
        raise
    except ImportError as error:
        package = _INSTALL.search(str(error))
        install = package[1] if package else f"langchain-{provider}"
        raise UnknownModel(
            f"models of {_shown(provider)} need a package: pip install {install}"
        ) from error
    except Exception as error:  # each integration raises its own kinds
        raise UnknownModel(_refusal(provider, name, error)) from error


def _refusal(provider: str, name: str, error: Exception) -> str:
    # Only the name of a variable is taken from the error, whose text may quote a key.
    text = str(error)
    if "provider" in text and isinstance(error, ValueError) and "nsupported" in text:
        return f"LangChain knows no provider {_shown(provider)}: {_FORMS}"
    if key := _KEY.search(text):
        return f"{_shown(provider)} needs a key: set the environment variable {key[0]}"
    what = f"{_shown(provider)}:{_shown(name)}"
    return f"{what} cannot be set up ({type(error).__name__}): is its key set?"


def _shown(text: str) -> str:
    """What was typed, on one line and not at length."""
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...")
