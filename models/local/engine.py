"""llama.cpp in this process: one engine a model, one answer at a time, stopped when unwanted.

The engine takes token ids and gives text as it comes. It writes nothing to the terminal, leaves the
process's signal handlers as they were, and ends with the process, also in the middle of an answer.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import secrets
import signal
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, Request, build_opener

from shoestring.budget.extras import require
from shoestring.models.local.gguf import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

# Prompt tokens between two looks at whether the answer is still wanted: a second on two cores.
_BATCH = 256
# Below every level of llama.cpp's log.
_SILENT = -1
# Larger than `struct sigaction` of any platform that xllamacpp is built for (152 bytes on Linux).
_SIGACTION_BYTES = 512


class EngineError(RuntimeError):
    """The engine refused a request or stopped before the answer was complete."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of an answer, as it is generated."""

    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of an answer.

    Attributes:
        reason: "stop" (the model or a stop sequence ended it) or "length".
        prompt_tokens: Tokens of the whole prompt.
        completion_tokens: Tokens generated, the one that ends the answer included.
    """

    reason: str
    prompt_tokens: int
    completion_tokens: int


Event = Piece | Finish | Exception


@dataclass(eq=False)
class Job:
    """One generation: `emit` gets its pieces, then a `Finish` or the exception that ended it."""

    body: Mapping[str, Any]
    emit: Callable[[Event], None]
    cancelled: bool = False
    ended: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Stop generating at the next token, or before the first batch of the prompt."""
        self.cancelled = True

    @property
    def unwanted(self) -> bool:
        """Whether nobody waits for the rest: it was cancelled, or the interpreter is ending."""
        return self.cancelled or not threading.main_thread().is_alive()

    def receive(self, message: dict[str, Any]) -> bool:
        """Pass on what the engine says.

        Returns:
            Whether to stop: the answer is complete, failed or unwanted.
        """
        if self.unwanted:
            return True
        try:
            return self._pass_on(message)
        except Exception as error:  # noqa: BLE001 - the engine drops what a callback raises
            self._end(error)
            return True

    def close(self, error: Exception | None = None) -> None:
        """End the job if nothing has ended it yet."""
        if not self.ended.is_set():
            self._end(
                error or EngineError("the local model stopped before its answer was complete")
            )

    def _pass_on(self, message: dict[str, Any]) -> bool:
        if "error" in message:
            raise EngineError(
                f"the local model refused: {message['error'].get('message', 'no reason')}"
            )
        choice = message["choices"][0]
        if choice["text"]:
            self.emit(Piece(choice["text"]))
        if choice["finish_reason"] is None:
            return False
        usage = message["usage"]
        self._end(
            Finish(choice["finish_reason"], usage["prompt_tokens"], usage["completion_tokens"])
        )
        return True

    def _end(self, event: Finish | Exception) -> None:
        self.ended.set()
        try:
            self.emit(event)
        except RuntimeError:
            # The event loop that waited for it has closed.
            self.cancelled = True


class Engine:
    """A model in memory, loaded when the first job or text comes; jobs run in their order."""

    def __init__(self, path: Path, n_ctx: int, threads: int) -> None:
        self.path = path
        self.n_ctx = n_ctx
        self.threads = threads
        self._key = secrets.token_urlsafe()
        self._server: Any = None
        self._loading = threading.Lock()
        self._queue_lock = threading.Lock()
        self._jobs: deque[Job] = deque()
        self._working = False

    def start(self, body: Mapping[str, Any], emit: Callable[[Event], None]) -> Job:
        """Queue a generation; returns at once.

        Args:
            body: What llama.cpp's completion endpoint takes, with `prompt` as token ids.
            emit: Called from the engine's thread with each event.
        """
        job = Job(body, emit)
        with self._queue_lock:
            self._jobs.append(job)
            if not self._working:
                # Not a daemon: killed inside the engine at exit, it would abort the process. It
                # ends when the queue is empty, and `Job.unwanted` ends it early at exit.
                threading.Thread(target=self._work, name="shoestring-local-model").start()
                self._working = True
        return job

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a text, in which nothing is read as a control token."""
        server = self._loaded()
        body = {"content": text, "add_special": False, "parse_special": False}
        request = Request(  # noqa: S310 - the engine's own address
            f"{server.listening_address}/tokenize",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"},
        )
        # No proxy of the environment stands between a process and itself.
        with build_opener(ProxyHandler({})).open(request) as response:
            return [int(token) for token in json.load(response)["tokens"]]

    def abandon(self) -> bool:
        """Never free the model, in a fork that its threads are not in; whether there is one."""
        if self._server is None:
            return False
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._server))
        return True

    def close(self) -> None:
        """Free the model."""
        self._server = None

    def _work(self) -> None:
        while True:
            with self._queue_lock:
                if not self._jobs:
                    self._working = False
                    return
                job = self._jobs.popleft()
            self._run(job)

    def _run(self, job: Job) -> None:
        try:
            if not job.unwanted:
                self._loaded().handle_completions(dict(job.body), job.receive)
        except Exception as error:  # noqa: BLE001 - it belongs to the one who waits for the job
            job.close(error)
        job.close()

    def _loaded(self) -> Any:  # noqa: ANN401 - xllamacpp has no types
        with self._loading:
            if self._server is None:
                self._server = self._load()
            return self._server

    def _load(self) -> Any:  # noqa: ANN401 - xllamacpp has no types
        xllamacpp = require("xllamacpp", "local")
        params = xllamacpp.CommonParams()
        params.model.path = str(self.path)
        params.model_alias = "local"
        params.n_ctx = self.n_ctx
        params.n_batch = params.n_ubatch = _BATCH
        params.verbosity = _SILENT
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self.threads
        # Prompts of other requests, up to 8 GB of them by default.
        params.cache_ram_mib = 0
        # It also listens on a free port of this host, for `tokenize`: nobody else has the key.
        params.hostnames, params.port = ["127.0.0.1"], 0
        params.api_keys = [self._key]
        params.ui = params.endpoint_slots = False
        params.n_threads_http = 1
        with _signals_kept():
            try:
                return xllamacpp.Server(params)
            except RuntimeError as error:
                raise ModelFileError(
                    f"llama.cpp cannot load {self.path} with n_ctx={self.n_ctx}: it is damaged, "
                    "of a kind llama.cpp does not know, or too large for this machine's memory"
                ) from error


class _Registry:
    """The engines of this process."""

    def __init__(self) -> None:
        self.engines: dict[tuple[Path, int, int], Engine] = {}
        self.lock = threading.Lock()
        self.forked = False

    def close(self) -> None:
        """Free the models while the interpreter is whole."""
        for engine in self.engines.values():
            engine.close()

    def after_fork(self) -> None:
        """Let go of the parent's engines in a child process.

        llama.cpp does not survive a fork: what it would do in the child, when it loads or when the
        process exits, waits for threads that are not there.
        """
        abandoned = [engine.abandon() for engine in self.engines.values()]
        if any(abandoned):
            self.forked = True
            libc = ctypes.CDLL(None)
            if hasattr(libc, "on_exit"):
                # glibc: end with the same status, past the engine's destructors.
                libc.on_exit(libc["_exit"], None)
        self.engines = {}
        # Another thread of the parent may have held it.
        self.lock = threading.Lock()


_registry = _Registry()
atexit.register(_registry.close)
os.register_at_fork(after_in_child=_registry.after_fork)


def engine_for(path: Path, n_ctx: int, threads: int) -> Engine:
    """The process's engine for a model file and these settings; loaded when first used.

    Raises:
        EngineError: In a process that was forked from one with a loaded model.
    """
    if _registry.forked:
        raise EngineError(
            "the local model was loaded before this process was forked and cannot be used in it: "
            "start processes with multiprocessing's spawn method"
        )
    key = (path.resolve(), n_ctx, threads)
    with _registry.lock:
        if key not in _registry.engines:
            _registry.engines[key] = Engine(*key)
        return _registry.engines[key]


@contextmanager
def _signals_kept() -> Generator[None]:
    """Put back the handlers of SIGINT and SIGTERM, which the engine replaces as it loads.

    By the C library, because Python sets handlers in its main thread only and models load in any.
    """
    libc = ctypes.CDLL(None)
    saved = {
        one: ctypes.create_string_buffer(_SIGACTION_BYTES)
        for one in (signal.SIGINT, signal.SIGTERM)
    }
    for one, buffer in saved.items():
        libc.sigaction(int(one), None, buffer)
    try:
        yield
    finally:
        for one, buffer in saved.items():
            libc.sigaction(int(one), buffer, None)
