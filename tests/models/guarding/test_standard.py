"""LangChain's own tests for chat models, on guarded ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.load import dumpd
from langchain_openai import ChatOpenAI
from langchain_tests.unit_tests import ChatModelUnitTests

from shoestring.budget import Budget, Ledger
from shoestring.models import guard

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


class TestGuardedChatOpenAI(ChatModelUnitTests):
    """A guarded ChatOpenAI passes what ChatOpenAI passes."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "gpt-4o-mini", "api_key": "none"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        key = {"OPENAI_API_KEY": "none"}
        return key, {"model": "gpt-4o-mini"}, {}

    @pytest.fixture
    def snapshot(self) -> Any:
        """What the unguarded model is serialised to: the guard adds nothing."""

        def serialized(*, name: str) -> Any:
            return dumpd(self._plain())

        return serialized

    def _plain(self) -> ChatOpenAI:
        return ChatOpenAI(**{**self.standard_chat_model_params, **self.chat_model_params})

    @pytest.fixture
    def model(self, request: Any) -> BaseChatModel:
        """The guarded model."""
        return guard(self._plain(), Ledger(Budget(tokens=1_000)))
