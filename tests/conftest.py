"""What tests of several packages need: servers of their own.

A model server that counts what it serves is the physical truth the ledger is held against. A Redis
server is real, too, and on a socket of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import redis
from hypothesis import settings
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from shoestring.models.counting.vocabularies import encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORD = "word "

# A figure of time is no law.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@dataclass
class CountingServer:
    """Speaks OpenAI's chat completions, on the loopback; bills every token it reads or writes.

    `behave` is what it does next: "ok", "hang" (reads, bills, answers never), "cut" (bills, and
    drops the connection in the middle of a stream or before an answer), "silent" (no usage), "liar"
    (negative usage), "greedy" (ignores the limit), "boom" (bills, then answers 500), or an HTTP
    status to refuse with, unbilled; or a function of the request that says one of these. It writes
    what `says` makes of the request, or else as many
    words as it `wants`, and calls the tools that `calls` makes of it: (name, arguments) each.
    """

    wants: int = 50
    says: Callable[[dict[str, Any]], str] | None = None
    calls: Callable[[dict[str, Any]], list[tuple[str, dict[str, Any]]]] = lambda body: []
    behave: Any = "ok"
    requests: list[dict[str, Any]] = field(default_factory=list)
    billed_input: int = 0
    billed_output: int = 0
    free: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    @property
    def billed(self) -> int:
        return self.billed_input + self.billed_output

    def pieces(self, body: dict[str, Any]) -> list[str]:
        """The tokens of an answer without a limit."""
        if self.says is None:
            return [WORD] * self.wants
        vocabulary = encoding("o200k_base")
        return [vocabulary.decode([t]) for t in vocabulary.encode_ordinary(self.says(body))]

    def model(self, **options: Any) -> ChatOpenAI:
        settings: dict[str, Any] = {"model": "gpt-4o-mini", "base_url": self.url, **options}
        return ChatOpenAI(api_key=SecretStr("none"), **settings)


def prompt_tokens(body: dict[str, Any]) -> int:
    vocabulary = encoding("o200k_base")
    total = 3
    for message in body["messages"]:
        total += 3 + len(vocabulary.encode_ordinary(message["role"]))
        content = message.get("content") or ""
        total += len(
            vocabulary.encode_ordinary(content if isinstance(content, str) else str(content))
        )
    return total


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_POST(self) -> None:
        truth = cast("_Server", self.server).truth
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        limit = body.get("max_completion_tokens", body.get("max_tokens"))
        full = truth.pieces(body)
        behave = truth.behave(body) if callable(truth.behave) else truth.behave
        pieces = full if behave == "greedy" else full[:limit]
        wanted = len(pieces)
        choices = body.get("n") or 1
        with truth.lock:
            truth.requests.append(body)
            if isinstance(behave, int):
                self._answer(behave, {"error": {"message": "no", "type": "refused", "code": None}})
                return
            truth.billed_input += prompt_tokens(body)
            truth.billed_output += wanted * choices
        usage = {
            "prompt_tokens": prompt_tokens(body),
            "completion_tokens": wanted * choices,
            "total_tokens": prompt_tokens(body) + wanted * choices,
        }
        reason = "length" if wanted < len(full) else "stop"
        truth.arrived.set()
        if behave == "hang":
            truth.free.wait(20)
            self.close_connection = True
        elif behave == "boom":
            self._answer(
                500, {"error": {"message": "after billing", "type": "server", "code": None}}
            )
        elif body.get("stream"):  # a stream is cut in its middle
            told = (body.get("stream_options") or {}).get("include_usage") and behave != "silent"
            self._stream(
                pieces[:2] if behave == "cut" else pieces,
                reason,
                usage if told else None,
                cut=behave == "cut",
            )
        elif behave == "cut":
            self.close_connection = True
        else:
            told = behave != "silent"
            if behave == "liar":
                usage = {"prompt_tokens": -5, "completion_tokens": -7, "total_tokens": -12}
            text = '{"name": "Ulm"}' if "response_format" in body else "".join(pieces)
            calls = truth.calls(body)
            self._answer(200, _completion(text, choices, reason, usage if told else None, calls))

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(
        self, pieces: list[str], reason: str, usage: dict[str, int] | None, *, cut: bool
    ) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        try:
            for piece in pieces:
                self._event({"index": 0, "delta": {"role": "assistant", "content": piece}})
            if cut:
                return
            self._event({"index": 0, "delta": {}, "finish_reason": reason})
            if usage is not None:
                self._event(None, usage)
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            return  # the client went away

    def _event(self, choice: dict[str, Any] | None, usage: dict[str, int] | None = None) -> None:
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "gpt-4o-mini"}
        data = {**chunk, "choices": [choice] if choice else [], "usage": usage}
        self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())
        self.wfile.flush()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, truth: CountingServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.truth = truth

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about."""


def _completion(
    text: str,
    choices: int,
    reason: str,
    usage: dict[str, int] | None,
    calls: list[tuple[str, dict[str, Any]]],
) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        reason = "tool_calls"
        message["tool_calls"] = [
            {
                "id": f"call_{uuid.uuid4().hex}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for name, arguments in calls
        ]
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": "gpt-4o-mini",
        "choices": [
            {"index": index, "message": message, "finish_reason": reason}
            for index in range(choices)
        ],
        **({"usage": usage} if usage else {}),
    }


@pytest.fixture
def server() -> Iterator[CountingServer]:
    """A counting server of one test, stopped afterwards."""
    truth = CountingServer()
    http = _Server(truth)
    truth.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(
        target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    yield truth
    truth.free.set()
    http.shutdown()
    http.server_close()
    thread.join()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of a Redis server where there is none, unless there has to be one."""
    out = [item for item in items if item.get_closest_marker("redis")]
    if not out or shutil.which("redis-server"):
        return
    if os.environ.get("SHOESTRING_REQUIRE_REDIS"):
        raise pytest.UsageError(_NO_REDIS)
    items[:] = [item for item in items if item not in out]
    config.hook.pytest_deselected(items=out)
    config.stash[_LEFT_OUT] = len(out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what was left out, and why."""
    count = terminalreporter.config.stash.get(_LEFT_OUT, 0)
    if count:
        terminalreporter.write_line(f"{count} tests of RedisStore left out: {_NO_REDIS}")


_NO_REDIS = "redis-server is not installed (Debian: apt-get install redis-server)"
_LEFT_OUT = pytest.StashKey[int]()


class RedisServer:
    """A real server on a socket in a folder of its own, with no port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.socket = folder / "s"
        self.url = f"unix://{self.socket}"
        self._command = [
            "redis-server",
            *("--port", "0", "--unixsocket", str(self.socket), "--dir", str(folder)),
            *("--save", ""),
            *options,
        ]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, with the data it left on its disk, and wait until it answers."""
        process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        told: list[str] = []
        for line in process.stdout:
            told.append(line)
            if "eady to accept connections" in line:
                break
        else:
            process.communicate()
            raise AssertionError("".join(told))
        self._process = process

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def client(self) -> redis.Redis:
        """Return a connection to look behind the scenes."""
        return redis.Redis.from_url(self.url)


@pytest.fixture(scope="session")
def start_redis() -> Iterator[Callable[..., RedisServer]]:
    """Return a function that starts a server with further options; all end with the tests."""
    with ExitStack() as stack:

        def start(*options: str) -> RedisServer:
            # Not pytest's folder: the path of a socket must be short.
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            server = RedisServer(Path(folder), *options)
            stack.callback(server.kill)
            server.start()
            return server

        yield start


@pytest.fixture(scope="session")
def shared_redis(start_redis: Callable[..., RedisServer]) -> RedisServer:
    """The server that most tests share."""
    return start_redis()


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """The shared server, empty."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis
