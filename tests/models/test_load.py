"""Models by name: what cannot be had says why and how to get it, in one line without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from langchain_openai import ChatOpenAI

from shoestring.models.load import UnknownModel, load_model
from shoestring.models.local.chat import LocalChatModel, packaged_model

if TYPE_CHECKING:
    from pathlib import Path


def test_local_models_are_loaded_by_name_or_path() -> None:
    """The name local is the packaged model, local:PATH any file."""
    assert isinstance(load_model(" local "), LocalChatModel)
    by_path = load_model(f"local:{packaged_model()}")
    assert isinstance(by_path, LocalChatModel)
    assert by_path.path == packaged_model()


def test_hosted_models_are_loaded_by_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """PROVIDER:NAME is LangChain's own class, and a name may hold colons."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    model = load_model("openai:ft:gpt-4.1-mini:me::id")
    assert isinstance(model, ChatOpenAI)
    assert model.model_name == "ft:gpt-4.1-mini:me::id"


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("", "no name: give local"),
        (" \n", "no name: give local"),
        ("gpt-4.1", "no model is called 'gpt-4.1': give local"),
        (":x", "no model is called ':x'"),
        ("openai:", "no model is called 'openai:'"),
        ("local:", "lacks a path"),
        ("local:/no/such.gguf", "no model at /no/such.gguf"),
        ("nosuch:thing", "knows no provider 'nosuch': give local"),
        ("fireworks:x", "pip install langchain-fireworks$"),
        ("nvidia:x", "pip install langchain-nvidia-ai-endpoints$"),
        ("openai:gpt-4.1-mini", "set the environment variable OPENAI_API_KEY$"),
        ("x" * 5_000 + "\n:y", "knows no provider 'xxx"),
    ],
)
def test_what_cannot_be_had_says_why(spec: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way to ask wrongly has a one-line error with the cure."""
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UnknownModel, match=why) as caught:
        load_model(spec)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_a_file_of_another_kind_is_an_unknown_model(tmp_path: Path) -> None:
    """A path to what is no model is refused as a model, not passed on."""
    (tmp_path / "x.gguf").write_text("hello")
    with pytest.raises(UnknownModel, match="is no GGUF model file"):
        load_model(f"local:{tmp_path / 'x.gguf'}")


def test_errors_of_integrations_are_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An integration's error may hold a key; none of its text is shown."""

    def failing(*_: object, **__: object) -> None:
        raise ValueError("bad key sk-very-secret for SOME_API_KEY")

    monkeypatch.setattr("langchain.chat_models.init_chat_model", failing)
    with pytest.raises(UnknownModel) as caught:
        load_model("openai:x")
    assert str(caught.value) == "'openai' needs a key: set the environment variable SOME_API_KEY"
