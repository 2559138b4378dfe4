"""A model server that counts what it serves: the physical truth the ledger is held against."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import settings
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from shoestring.models.vocabularies import encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORD = "word "

# A figure of time is no law.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@dataclass
class CountingServer:
    """Speaks OpenAI's chat completions, on the loopback; bills every token it reads or writes.

    `behave` is what it does next: "ok", "hang" (reads, bills, answers never), "cut" (drops the
    connection in the middle of a stream), "silent" (no usage), "liar" (negative usage), "greedy"
    (ignores the limit), "boom" (bills, then answers 500), or an HTTP status to refuse with,
    unbilled. It writes what `says` makes of the request, or else as many words as it `wants`.
    """

    wants: int = 50
    says: Callable[[dict[str, Any]], str] | None = None
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
        pieces = full if truth.behave == "greedy" else full[:limit]
        wanted = len(pieces)
        choices = body.get("n") or 1
        with truth.lock:
            truth.requests.append(body)
            if isinstance(truth.behave, int):
                self._answer(
                    truth.behave, {"error": {"message": "no", "type": "refused", "code": None}}
                )
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
        if truth.behave == "hang":
            truth.free.wait(20)
            self.close_connection = True
        elif truth.behave == "boom":
            self._answer(
                500, {"error": {"message": "after billing", "type": "server", "code": None}}
            )
        elif body.get("stream"):
            self._stream(body, pieces, reason, usage)
        else:
            told = truth.behave != "silent"
            if truth.behave == "liar":
                usage = {"prompt_tokens": -5, "completion_tokens": -7, "total_tokens": -12}
            text = '{"name": "Ulm"}' if "response_format" in body else "".join(pieces)
            self._answer(200, _completion(text, choices, reason, usage if told else None))

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(
        self, body: dict[str, Any], pieces: list[str], reason: str, usage: dict[str, int]
    ) -> None:
        truth = cast("_Server", self.server).truth
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        try:
            for index, piece in enumerate(pieces):
                if truth.behave == "cut" and index == 2:
                    return
                self._event({"index": 0, "delta": {"role": "assistant", "content": piece}})
            self._event({"index": 0, "delta": {}, "finish_reason": reason})
            if truth.behave != "silent" and (body.get("stream_options") or {}).get("include_usage"):
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
    text: str, choices: int, reason: str, usage: dict[str, int] | None
) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
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
