"""One local server that speaks every provider's wire format, and the real integrations on it.

It keeps the body of each request, obeys the limit it finds there, and bills what it writes. The
shapes are those of the providers' API references; no text of an answer matters, only its length.
"""

from __future__ import annotations

import base64
import gc
import json
import re
import struct
import threading
import zlib
from dataclasses import dataclass, field
from functools import cache, cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_core.language_models import BaseChatModel

WORD = " word"
READ = 7
KEY = "none"


class Answer(NamedTuple):
    """What the server writes: its tokens, whether the limit ended it, and what it reports."""

    pieces: list[str]
    cut: bool
    usage: dict[str, Any] | None
    choices: int
    model: str

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True)
class Dialect:
    """One provider's wire format.

    Attributes:
        limit: Finds the output limit in a body.
        choices: Finds the number of answers in a body.
        streams: Whether a request, by path and body, asks for a stream.
        usage: Reports tokens read and written.
        whole: The body of an answer.
        events: The parts of a streamed one.
        content: The media type of a stream.
    """

    limit: Callable[[dict[str, Any]], int | None]
    choices: Callable[[dict[str, Any]], int]
    streams: Callable[[str, dict[str, Any]], bool]
    usage: Callable[[int, int], dict[str, Any]]
    whole: Callable[[Answer], dict[str, Any]]
    events: Callable[[Answer], Iterator[bytes]]
    content: str = "text/event-stream"


def sse(data: object, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


# OpenAI's chat completions; Groq's and Mistral's differ in where a stream reports its usage.


def chat_usage(read: int, written: int) -> dict[str, Any]:
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def chat_whole(answer: Answer) -> dict[str, Any]:
    reason = "length" if answer.cut else "stop"
    message = {"role": "assistant", "content": answer.text}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": answer.model,
        "choices": [
            {"index": index, "message": message, "finish_reason": reason}
            for index in range(answer.choices)
        ],
        "usage": answer.usage,
    }


def chat_events(answer: Answer, place: str) -> Iterator[bytes]:
    def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        base = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": answer.model}
        return sse({**base, "choices": [choice], **more})

    for piece in answer.pieces:
        yield chunk({"role": "assistant", "content": piece})
    reason = "length" if answer.cut else "stop"
    if place == "own chunk":
        yield chunk({}, reason)
        yield sse(
            {
                "id": "c",
                "object": "chat.completion.chunk",
                "created": 0,
                "model": answer.model,
                "choices": [],
                "usage": answer.usage,
            }
        )
    elif place == "x_groq":
        yield chunk({}, reason, x_groq={"id": "g", "usage": answer.usage})
    else:
        yield chunk({"content": ""}, reason, usage=answer.usage)
    yield b"data: [DONE]\n\n"


def chat(place: str) -> Dialect:
    return Dialect(
        limit=lambda body: body.get("max_completion_tokens", body.get("max_tokens")),
        choices=lambda body: body.get("n") or 1,
        streams=lambda _, body: bool(body.get("stream")),
        usage=chat_usage,
        whole=chat_whole,
        events=lambda answer: chat_events(answer, place),
    )


# OpenAI's responses.


def response(answer: Answer) -> dict[str, Any]:
    part = {"type": "output_text", "text": answer.text, "annotations": []}
    message = {
        "id": "msg",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    return {
        "id": "resp_1", "object": "response", "created_at": 0, "model": answer.model,
        "status": "incomplete" if answer.cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if answer.cut else None,
        "error": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True,
        "temperature": 1.0, "top_p": 1.0, "tool_choice": "auto", "tools": [],
        "output": [message], "usage": answer.usage,
    }  # fmt: skip


def response_usage(read: int, written: int) -> dict[str, Any]:
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + written,
    }


def response_events(answer: Answer) -> Iterator[bytes]:
    whole = response(answer)
    opened = {**whole, "status": "in_progress", "output": [], "usage": None}
    number = iter(range(10**6))

    def event(kind: str, **more: Any) -> bytes:
        return sse({"type": kind, "sequence_number": next(number), **more}, kind)

    yield event("response.created", response=opened)
    item = {**whole["output"][0], "status": "in_progress", "content": []}
    yield event("response.output_item.added", output_index=0, item=item)
    place = {"item_id": "msg", "output_index": 0, "content_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": []}
    yield event("response.content_part.added", **place, part=empty)
    for piece in answer.pieces:
        yield event("response.output_text.delta", **place, delta=piece, logprobs=[])
    yield event("response.output_item.done", output_index=0, item=whole["output"][0])
    yield event("response.incomplete" if answer.cut else "response.completed", response=whole)


RESPONSES = Dialect(
    limit=lambda body: body.get("max_output_tokens"),
    choices=lambda _: 1,
    streams=lambda _, body: bool(body.get("stream")),
    usage=response_usage,
    whole=response,
    events=response_events,
)

# Anthropic's messages.


def message_usage(read: int, written: int) -> dict[str, Any]:
    return {"input_tokens": read, "output_tokens": written}


def message(answer: Answer) -> dict[str, Any]:
    return {
        "id": "msg", "type": "message", "role": "assistant", "model": answer.model,
        "content": [{"type": "text", "text": answer.text}],
        "stop_reason": "max_tokens" if answer.cut else "end_turn", "stop_sequence": None,
        "usage": answer.usage,
    }  # fmt: skip


def message_events(answer: Answer) -> Iterator[bytes]:
    whole = message(answer)
    usage = answer.usage or {}
    opened = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield sse({"type": "message_start", "message": opened}, "message_start")
    block = {"type": "text", "text": ""}
    start = {"type": "content_block_start", "index": 0, "content_block": block}
    yield sse(start, "content_block_start")
    for piece in answer.pieces:
        delta = {"type": "text_delta", "text": piece}
        yield sse(
            {"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta"
        )
    yield sse({"type": "content_block_stop", "index": 0}, "content_block_stop")
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield sse({"type": "message_delta", "delta": ended, "usage": usage}, "message_delta")
    yield sse({"type": "message_stop"}, "message_stop")


MESSAGES = Dialect(
    limit=lambda body: body.get("max_tokens"),
    choices=lambda _: 1,
    streams=lambda _, body: bool(body.get("stream")),
    usage=message_usage,
    whole=message,
    events=message_events,
)

# Google's generateContent.


def gemini_usage(read: int, written: int) -> dict[str, Any]:
    return {
        "promptTokenCount": read,
        "candidatesTokenCount": written,
        "totalTokenCount": read + written,
    }


def gemini(answer: Answer) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": answer.text}]}
    reason = "MAX_TOKENS" if answer.cut else "STOP"
    return {
        "candidates": [
            {"index": index, "content": content, "finishReason": reason}
            for index in range(answer.choices)
        ],
        "usageMetadata": answer.usage,
        "modelVersion": answer.model,
    }


def gemini_events(answer: Answer) -> Iterator[bytes]:
    for piece in answer.pieces:
        content = {"role": "model", "parts": [{"text": piece}]}
        partial = gemini_usage(READ, 1) if answer.usage else None
        yield sse({"candidates": [{"index": 0, "content": content}], "usageMetadata": partial,
                   "modelVersion": answer.model})  # fmt: skip
    yield sse(gemini(answer._replace(pieces=[])))


GEMINI = Dialect(
    limit=lambda body: body.get("generationConfig", {}).get("maxOutputTokens"),
    choices=lambda body: body.get("generationConfig", {}).get("candidateCount") or 1,
    streams=lambda path, _: "streamGenerateContent" in path,
    usage=gemini_usage,
    whole=gemini,
    events=gemini_events,
)

# Bedrock's Converse.


def converse_usage(read: int, written: int) -> dict[str, Any]:
    return {"inputTokens": read, "outputTokens": written, "totalTokens": read + written}


def converse(answer: Answer) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": answer.text}]}},
        "stopReason": "max_tokens" if answer.cut else "end_turn",
        "usage": answer.usage or {},
        "metrics": {"latencyMs": 1},
    }


def frame(kind: str, payload: dict[str, Any]) -> bytes:
    """One message of AWS's event stream encoding."""
    given: dict[str, Any] = {
        ":event-type": kind,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    headers = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value))
        + value.encode()
        for name, value in given.items()
    )  # fmt: skip
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    start = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return start + struct.pack(">I", zlib.crc32(start))


def converse_events(answer: Answer) -> Iterator[bytes]:
    yield frame("messageStart", {"role": "assistant"})
    for piece in answer.pieces:
        yield frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}})
    yield frame("contentBlockStop", {"contentBlockIndex": 0})
    yield frame("messageStop", {"stopReason": "max_tokens" if answer.cut else "end_turn"})
    yield frame("metadata", {"usage": answer.usage or {}, "metrics": {"latencyMs": 1}})


CONVERSE = Dialect(
    limit=lambda body: body.get("inferenceConfig", {}).get("maxTokens"),
    choices=lambda _: 1,
    streams=lambda path, _: path.endswith("converse-stream"),
    usage=converse_usage,
    whole=converse,
    events=converse_events,
    content="application/vnd.amazon.eventstream",
)

# Ollama's chat.


def ollama_usage(read: int, written: int) -> dict[str, Any]:
    return {"prompt_eval_count": read, "eval_count": written}


def ollama(answer: Answer) -> dict[str, Any]:
    return {
        "model": answer.model, "created_at": "2026-01-01T00:00:00Z", "done": True,
        "message": {"role": "assistant", "content": answer.text},
        "done_reason": "length" if answer.cut else "stop", **(answer.usage or {}),
    }  # fmt: skip


def ollama_events(answer: Answer) -> Iterator[bytes]:
    for piece in answer.pieces:
        said = {"role": "assistant", "content": piece}
        part = {
            "model": answer.model,
            "created_at": "2026-01-01T00:00:00Z",
            "message": said,
            "done": False,
        }
        yield json.dumps(part).encode() + b"\n"
    yield json.dumps(ollama(answer._replace(pieces=[]))).encode() + b"\n"


OLLAMA = Dialect(
    limit=lambda body: body.get("options", {}).get("num_predict"),
    choices=lambda _: 1,
    streams=lambda _, body: body.get("stream", True),
    usage=ollama_usage,
    whole=ollama,
    events=ollama_events,
    content="application/x-ndjson",
)

# Claude behind Bedrock's InvokeModel: Anthropic's messages in AWS's event stream.


def invoke_model_events(answer: Answer) -> Iterator[bytes]:
    for event in message_events(answer):
        data = event.partition(b"data: ")[2].strip()
        yield frame("chunk", {"bytes": base64.b64encode(data).decode()})


INVOKE_MODEL = Dialect(
    limit=MESSAGES.limit,
    choices=MESSAGES.choices,
    streams=lambda path, _: path.endswith("invoke-with-response-stream"),
    usage=message_usage,
    whole=message,
    events=invoke_model_events,
    content="application/vnd.amazon.eventstream",
)

# Patterns of paths, by which the server knows what it is spoken to in.
DIALECTS = {
    "/openai/deployments/[^/]+/chat/completions": chat("own chunk"),
    "/openai/responses": RESPONSES,
    "/openai/v1/chat/completions": chat("x_groq"),
    "/mistral/v1/chat/completions": chat("last chunk"),
    "/v1/chat/completions": chat("own chunk"),
    "/v1/responses": RESPONSES,
    "/v1/messages": MESSAGES,
    "/v1beta/models/": GEMINI,
    "/model/.*/converse": CONVERSE,
    "/model/.*/invoke": INVOKE_MODEL,
    "/api/chat": OLLAMA,
}


@dataclass
class Wire:
    """The server: what it shall do, and what it saw.

    Attributes:
        wants: Tokens it writes where no limit stops it.
        status: The HTTP status it refuses with, unbilled; None: it answers.
        greedy: It ignores the limit.
        breaks: The parts of a stream after which it drops the connection.
        hangs: It reads, bills and never answers.
        reports: What it reports in place of its own count, in the provider's words; `...`: its own.
        model: The model it says it is; "": the one that was asked.
        bodies: The requests, as they came.
        written: Tokens it wrote and bills, over all answers.
    """

    wants: int = 12
    status: int | None = None
    greedy: bool = False
    breaks: int | None = None
    hangs: bool = False
    reports: Any = ...
    model: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    written: int = 0
    url: str = ""
    free: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def body(self) -> dict[str, Any]:
        """The one request there was."""
        (body,) = self.bodies
        return body


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_POST(self) -> None:
        wire = cast("_Server", self.server).wire
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        dialect = next(found for path, found in DIALECTS.items() if re.match(path, self.path))
        with wire.lock:
            wire.bodies.append(body)
        if wire.status is not None:
            wire.arrived.set()
            error = {"type": "error", "message": "no", "code": None}
            self._send(wire.status, {"type": "error", "message": "no", "error": error})
            return
        limit = None if wire.greedy else dialect.limit(body)
        written = wire.wants if limit is None or limit < 0 else min(wire.wants, limit)
        choices = dialect.choices(body)
        with wire.lock:
            wire.written += written * choices
        usage = dialect.usage(READ, written * choices) if wire.reports is ... else wire.reports
        named = re.search("/models?/([^/:%]+)", self.path)
        model = wire.model or body.get("model") or (named[1] if named else "")
        model = model.rpartition("anthropic.")[
            2
        ]  # Bedrock's prefix is no part of Claude's own name
        answer = Answer([WORD] * written, written < wire.wants, usage, choices, model)
        wire.arrived.set()
        if wire.hangs:
            wire.free.wait(20)
            self.close_connection = True
        elif dialect.streams(self.path, body):
            self._stream(dialect, answer, wire.breaks)
        else:
            self._send(200, dialect.whole(answer))

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, dialect: Dialect, answer: Answer, breaks: int | None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", dialect.content)
        self.end_headers()
        self.close_connection = True
        try:
            for index, part in enumerate(dialect.events(answer)):
                if index == breaks:
                    return
                self.wfile.write(part)
                self.wfile.flush()
        except OSError:
            return  # the client went away


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, wire: Wire) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wire = wire

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about."""


@pytest.fixture(scope="session")
def wire_server() -> Iterator[_Server]:
    """One server for all tests, on one port: clients are costly to build."""
    http = _Server(Wire())
    thread = threading.Thread(
        target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    yield http
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def wire(wire_server: _Server) -> Iterator[Wire]:
    """What the server does in one test, and what it saw."""
    wire = Wire(url=f"http://127.0.0.1:{wire_server.server_address[1]}")
    wire_server.wire = wire
    yield wire
    wire.free.set()


# The real integrations, each pointed at the server. Imported when first asked for.


def openai_chat(wire: Wire, **options: Any) -> BaseChatModel:
    from langchain_openai import ChatOpenAI

    given: dict[str, Any] = {
        "model": "gpt-4o-mini",
        "base_url": f"{wire.url}/v1",
        "api_key": KEY,
        **options,
    }
    return ChatOpenAI(**given)


def openai_responses(wire: Wire, **options: Any) -> BaseChatModel:
    return openai_chat(wire, use_responses_api=True, **options)


def azure(wire: Wire, **options: Any) -> BaseChatModel:
    from langchain_openai import AzureChatOpenAI

    given: dict[str, Any] = {
        "model": "gpt-4o-mini",
        "azure_deployment": "a-deployment",
        "azure_endpoint": wire.url,
        "api_version": "2025-04-01-preview",
        "api_key": KEY,
        **options,
    }
    return AzureChatOpenAI(**given)


def azure_responses(wire: Wire, **options: Any) -> BaseChatModel:
    return azure(wire, use_responses_api=True, **options)


def anthropic(wire: Wire, **options: Any) -> BaseChatModel:
    from langchain_anthropic import ChatAnthropic

    given: dict[str, Any] = {
        "model": "claude-sonnet-4-6",
        "base_url": wire.url,
        "api_key": KEY,
        **options,
    }
    return ChatAnthropic(**given)


def google(wire: Wire, **options: Any) -> BaseChatModel:
    from langchain_google_genai import ChatGoogleGenerativeAI

    given: dict[str, Any] = {
        "model": "gemini-2.5-flash",
        "base_url": wire.url,
        "api_key": KEY,
        **options,
    }
    return ChatGoogleGenerativeAI(**given)


@cache
def local_anthropic_bedrock() -> type[BaseChatModel]:
    """The real class, whose address is its region's, with an address of ours."""
    from langchain_aws import ChatAnthropicBedrock

    class Local(ChatAnthropicBedrock):
        @cached_property
        def _client_params(self) -> dict[str, Any]:
            return {**super()._client_params, "base_url": self.anthropic_api_url}

    return Local


def anthropic_on_bedrock(wire: Wire, **options: Any) -> BaseChatModel:
    given: dict[str, Any] = {
        "model": "us.anthropic.claude-sonnet-4-6",
        "base_url": wire.url,
        "region_name": "us-east-1",
        "aws_access_key_id": "a",
        "aws_secret_access_key": "b",
        **options,
    }
    return local_anthropic_bedrock()(**given)


@cache
def boto(url: str, mode: str) -> Any:
    # By name: botocore is shipped without types.
    config = import_module("botocore.config").Config(retries={"mode": mode, "max_attempts": 5})
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    return import_module("boto3").client("bedrock-runtime", endpoint_url=url, config=config, **keys)


def bedrock(wire: Wire, mode: str = "legacy", **options: Any) -> BaseChatModel:
    from langchain_aws import ChatBedrockConverse

    client = boto(wire.url, mode)
    given: dict[str, Any] = {"model": "anthropic.claude-sonnet-4-5-20250929-v1:0", **options}
    return ChatBedrockConverse(client=client, bedrock_client=client, **given)


def on_ollama(wire: Wire, **options: Any) -> BaseChatModel:
    from langchain_ollama import ChatOllama

    given: dict[str, Any] = {"model": "llama3.2", "base_url": wire.url, **options}
    return ChatOllama(**given)


def groq(wire: Wire, **options: Any) -> BaseChatModel:
    from langchain_groq import ChatGroq

    name = "llama-3.3-70b-versatile"
    given: dict[str, Any] = {"model": name, "base_url": wire.url, "api_key": KEY, **options}
    return ChatGroq(**given)


def mistral(wire: Wire, **options: Any) -> BaseChatModel:
    from langchain_mistralai import ChatMistralAI

    url = f"{wire.url}/mistral/v1"
    given: dict[str, Any] = {
        "model": "mistral-large-latest", "base_url": url, "api_key": KEY, **options
    }  # fmt: skip
    return ChatMistralAI(**given)


@dataclass(frozen=True)
class Integration:
    """One integration.

    Attributes:
        make: Builds the model.
        dialect: What it speaks.
        places: Every place a caller may set a limit: the model's options, and the call's, with a
            limit nobody can pay.
        retrying: Options that ask for retries.
    """

    make: Callable[..., BaseChatModel]
    dialect: Dialect
    places: dict[str, tuple[dict[str, Any], dict[str, Any]]]
    retrying: dict[str, Any] = field(default_factory=lambda: {"max_retries": 5})


HUGE = 10**6

Places = dict[str, tuple[dict[str, Any], dict[str, Any]]]

CHAT_PLACES: Places = {
    "field": ({"max_tokens": HUGE}, {}),
    "model_kwargs": ({"model_kwargs": {"max_completion_tokens": HUGE}}, {}),
    "extra_body": ({"extra_body": {"max_tokens": HUGE}}, {}),
    "call": ({}, {"max_tokens": HUGE}),
    "call, newer": ({}, {"max_completion_tokens": HUGE}),
    "call, extra_body": ({}, {"extra_body": {"max_completion_tokens": HUGE}}),
}
RESPONSES_PLACES: Places = {
    "field": ({"max_tokens": HUGE}, {}),
    "model_kwargs": ({"model_kwargs": {"max_output_tokens": HUGE}}, {}),
    "extra_body": ({"extra_body": {"max_output_tokens": HUGE}}, {}),
    "call": ({}, {"max_tokens": HUGE}),
    "call, newer": ({}, {"max_output_tokens": HUGE}),
    "call, extra_body": ({}, {"extra_body": {"max_output_tokens": HUGE}}),
}
MESSAGES_PLACES: Places = {
    "field": ({"max_tokens": HUGE}, {}),
    "model_kwargs": ({"model_kwargs": {"max_tokens": HUGE}}, {}),
    "call": ({}, {"max_tokens": HUGE}),
    "call, extra_body": ({}, {"extra_body": {"max_tokens": HUGE}}),
}

INTEGRATIONS = {
    "openai": Integration(
        openai_chat,
        DIALECTS["/v1/chat/completions"],
        CHAT_PLACES,
    ),
    "responses": Integration(
        openai_responses,
        RESPONSES,
        RESPONSES_PLACES,
    ),
    "azure": Integration(azure, DIALECTS["/v1/chat/completions"], CHAT_PLACES),
    "azure responses": Integration(azure_responses, RESPONSES, RESPONSES_PLACES),
    "anthropic": Integration(
        anthropic,
        MESSAGES,
        MESSAGES_PLACES,
    ),
    "anthropic on bedrock": Integration(anthropic_on_bedrock, INVOKE_MODEL, MESSAGES_PLACES),
    "google": Integration(
        google,
        GEMINI,
        {
            "field": ({"max_output_tokens": HUGE}, {}),
            "alias": ({"max_tokens": HUGE}, {}),
            "call": ({}, {"max_output_tokens": HUGE}),
            "call, alias": ({}, {"max_tokens": HUGE}),
            "generation_config": ({}, {"generation_config": {"max_output_tokens": HUGE}}),
            "camel": ({}, {"generation_config": {"maxOutputTokens": HUGE}}),
        },
    ),
    "bedrock": Integration(
        bedrock,
        CONVERSE,
        {
            "field": ({"max_tokens": HUGE}, {}),
            "additional": ({"additional_model_request_fields": {"max_tokens": HUGE}}, {}),
            "call": ({}, {"max_tokens": HUGE}),
            "call, camel": ({}, {"maxTokens": HUGE}),
            "inferenceConfig": ({}, {"inferenceConfig": {"maxTokens": HUGE, "topP": 0.5}}),
            "inference_config": ({}, {"inference_config": {"max_tokens": HUGE}}),
            "call, additional": ({}, {"additional_model_request_fields": {"max_tokens": HUGE}}),
            "nested": (
                {},
                {"additional_model_request_fields": {"inferenceConfig": {"max_new_tokens": HUGE}}},
            ),
        },
        {},
    ),
    "ollama": Integration(
        on_ollama,
        OLLAMA,
        {
            "field": ({"num_predict": HUGE}, {}),
            "endless": ({"num_predict": -1}, {}),
            "options": ({}, {"options": {"num_predict": HUGE, "num_ctx": 64}}),
            "empty options": ({}, {"options": {}}),
        },
        {},
    ),
    "groq": Integration(
        groq,
        DIALECTS["/openai/v1/chat/completions"],
        {
            "field": ({"max_tokens": HUGE}, {}),
            "model_kwargs": ({"model_kwargs": {"max_completion_tokens": HUGE}}, {}),
            "call": ({}, {"max_tokens": HUGE}),
            "call, newer": ({}, {"max_completion_tokens": HUGE}),
            "call, extra_body": ({}, {"extra_body": {"max_completion_tokens": HUGE}}),
        },
    ),
    "mistral": Integration(
        mistral,
        DIALECTS["/mistral/v1/chat/completions"],
        {
            "field": ({"max_tokens": HUGE}, {}),
            "model_kwargs": ({"model_kwargs": {"max_tokens": HUGE}}, {}),
            "call": ({}, {"max_tokens": HUGE}),
        },
    ),
}


@pytest.fixture
def bedrock_client(wire: Wire) -> Any:
    """A client of Bedrock's own, pointed at the server."""
    return boto(wire.url, "legacy")


@pytest.fixture(params=list(INTEGRATIONS))
def integration(request: pytest.FixtureRequest) -> Integration:
    """Each integration in turn."""
    return INTEGRATIONS[request.param]


@pytest.fixture(scope="module", autouse=True)
def clients() -> Iterator[None]:
    """What these tests left open goes while their warnings are ignored, not in another's test.

    LangChain gives no way to close an integration's clients, and a stream that is closed early
    keeps its connection in a cycle of references.
    """
    yield
    gc.collect()
