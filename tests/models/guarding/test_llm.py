"""A guarded completion model: each prompt is a call, clamped and settled."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import LLM
from langchain_core.outputs import GenerationChunk
from langchain_ollama import OllamaLLM
from langchain_openai import OpenAI
from pydantic import SecretStr

from shoestring.budget import Amount, Budget, BudgetExceeded, Ledger
from shoestring.models import UnknownProvider, guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

READ = 7


class Completions(BaseHTTPRequestHandler):
    """OpenAI's and Ollama's completions: writes as many words as it may."""

    bodies: list[dict[str, Any]]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.bodies.append(body)
        if self.path.endswith("/generate"):
            written = body["options"]["num_predict"]
            last = {"done": True, "done_reason": "length", "prompt_eval_count": READ}
            lines = [{"response": "word ", "done": False}, {"response": "", **last}]
            lines[-1]["eval_count"] = written
            data = "\n".join(json.dumps({"model": "m", **line}) for line in lines).encode()
        else:
            written = body["max_tokens"] * max(body.get("best_of", 1), body.get("n", 1))
            usage = {"prompt_tokens": READ, "completion_tokens": written}
            usage["total_tokens"] = READ + written
            choice = {"text": "word", "index": 0, "finish_reason": "length", "logprobs": None}
            choices = [choice] * body.get("n", 1)
            answer = {"id": "c", "object": "text_completion", "choices": choices, "usage": usage}
            data = json.dumps({"created": 0, "model": "m", **answer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def completions() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a completion server, and the bodies it was sent."""

    class Handler(Completions):
        bodies: list[dict[str, Any]] = []  # noqa: RUF012 - of this server alone

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", Handler.bodies
    server.shutdown()
    server.server_close()
    thread.join()


def openai(url: str, **options: Any) -> OpenAI:
    return OpenAI(
        model="gpt-3.5-turbo-instruct", base_url=url, api_key=SecretStr("none"), **options
    )


Served = tuple[str, list[dict[str, Any]]]


async def test_openais_completions_are_clamped_and_settled(completions: Served) -> None:
    """The limit is in the request, and what the server reports is spent."""
    url, bodies = completions
    ledger = Ledger(Budget(tokens=1_000))
    model = guard(openai(url), ledger, max_output=20)
    assert isinstance(model, OpenAI)
    model.invoke("hello")
    await model.ainvoke("hello")
    assert [body["max_tokens"] for body in bodies] == [20, 20]
    assert ledger.spent == Amount(input_tokens=2 * READ, output_tokens=40, calls=2)
    assert {line.basis for line in ledger.receipt.lines} == {"measured"}


def test_each_prompt_of_a_batch_is_a_call(completions: Served) -> None:
    """Several prompts are sent one by one, and their reports add up."""
    url, bodies = completions
    ledger = Ledger(Budget(tokens=1_000))
    result = guard(openai(url), ledger, max_output=20).generate(["one", "two", "three"])
    assert len(result.generations) == len(bodies) == ledger.spent.calls == 3
    assert ledger.spent.output_tokens == 60
    assert (result.llm_output or {})["token_usage"]["completion_tokens"] == 60


def test_answers_that_are_written_and_not_given_are_reserved(completions: Served) -> None:
    """`best_of` completions are billed, so they are held."""
    url, bodies = completions
    ledger = Ledger(Budget(tokens=1_000))
    guard(openai(url, best_of=3), ledger, max_output=20).invoke("hello")
    (line,) = ledger.receipt.lines
    assert line.reserved.output_tokens == line.spent.output_tokens == 60
    assert bodies[0]["best_of"] == 3


async def test_ollamas_completions_are_clamped_and_settled(completions: Served) -> None:
    """Its limit has another name and stands among options; its stream reports usage at the end."""
    url, bodies = completions
    ledger = Ledger(Budget(tokens=1_000))
    model = guard(OllamaLLM(model="m", base_url=url), ledger, max_output=20)
    model.invoke("hello")
    list(model.stream("hello"))
    await model.ainvoke("hello")
    [_ async for _ in model.astream("hello")]
    assert [body["options"]["num_predict"] for body in bodies] == [20] * 4
    assert ledger.spent == Amount(input_tokens=4 * READ, output_tokens=80, calls=4)
    assert {line.basis for line in ledger.receipt.lines} == {"measured"}


def test_a_completion_that_was_cut_is_marked(completions: Served) -> None:
    """Who reads it can see that its limit ended it."""
    model = guard(openai(completions[0]), Ledger(Budget(tokens=1_000)), max_output=20)
    (several,) = model.generate(["hello"]).generations
    assert (several[0].generation_info or {})["truncated"] is True


def test_a_completion_that_does_not_fit_is_not_sent(completions: Served) -> None:
    """Nothing goes out that the ledger cannot pay."""
    url, bodies = completions
    with pytest.raises(BudgetExceeded):
        guard(openai(url), Ledger(Budget(tokens=20))).invoke("word " * 50)
    assert bodies == []


def test_a_cached_completion_is_free(completions: Served) -> None:
    """The guard stands below LangChain's cache."""
    url, bodies = completions
    ledger = Ledger(Budget(tokens=10_000))
    model = guard(openai(url, cache=InMemoryCache()), ledger)
    assert model.invoke("hello") == model.invoke("hello")
    assert len(bodies) == ledger.spent.calls == 1


class Parrot(LLM):
    """A completion model of one's own; it reports nothing."""

    max_tokens: int | None = None
    limits: list[int | None] = []  # noqa: RUF012 - pydantic copies defaults

    @property
    def _llm_type(self) -> str:
        return "parrot"

    def _call(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
        self.limits.append(self.max_tokens)
        return prompt


async def test_a_completion_model_of_ones_own_is_guarded_once_the_field_is_named() -> None:
    """An unknown class is refused without `output_field`, and charged its hold without usage."""
    ledger = Ledger(Budget(tokens=1_000))
    with pytest.raises(UnknownProvider, match="output_field"):
        guard(Parrot(), ledger)
    model = guard(Parrot(), ledger, output_field="max_tokens", max_output=20)
    assert model.invoke("hello") == await model.ainvoke("hello") == "hello"
    assert model.limits == [20, 20]
    assert [line.basis for line in ledger.receipt.lines] == ["presumed"] * 2
    assert all(line.spent == line.reserved for line in ledger.receipt.lines)


class Chatterbox(Parrot):
    """Ignores its limit, in a stream."""

    says: int = 200

    def _stream(
        self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[GenerationChunk]:
        for _ in range(self.says):
            yield GenerationChunk(text="a word of some length ")

    async def _astream(
        self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[GenerationChunk]:
        for chunk in self._stream(prompt):
            yield chunk


async def test_a_streamed_completion_that_ignores_its_limit_is_cut_at_the_hold() -> None:
    """What was held is charged; one of its full length comes whole."""
    ledger = Ledger(Budget(tokens=1_000))
    model = guard(Chatterbox(), ledger, output_field="max_tokens", max_output=20)
    assert 20 < len(list(model.stream("hello"))) < 100
    assert 20 < len([part async for part in model.astream("hello")]) < 100
    for line in ledger.receipt.lines:
        assert (line.basis, line.spent) == ("presumed", line.reserved)
        assert "cut at its hold" in line.detail
    honest = guard(Chatterbox(says=4), ledger, output_field="max_tokens", max_output=20)
    assert len(list(honest.stream("hello"))) == 4
