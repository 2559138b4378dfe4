"""Guarded embeddings: every request is reserved, and settled by what the server counted."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import openai
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_ollama import OllamaEmbeddings
from langchain_openai import OpenAIEmbeddings
from pydantic import SecretStr

from shoestring.budget import Amount, Budget, BudgetExceeded, Ledger
from shoestring.models import Price, UnboundedInput, UnknownPrice, guard, is_guarded
from shoestring.models.counting.vocabularies import encoding

if TYPE_CHECKING:
    from collections.abc import Iterator

FAKE = DeterministicFakeEmbedding(size=3)


class Served:
    """An embeddings server: OpenAI's and Ollama's; counts requests and tokens."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.status = 200
        self.tokens = 0
        self.url = ""

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.bodies.append(body)
        inputs = body["input"]
        inputs = [inputs] if isinstance(inputs, str) else inputs
        lengths = [
            len(encoding("cl100k_base").encode_ordinary(one)) if isinstance(one, str) else len(one)
            for one in inputs
        ]
        if self.status == 200:
            self.tokens += sum(lengths)
        if path.endswith("/api/embed"):
            return {"model": "m", "embeddings": [[0.0]] * len(inputs)}
        data = [
            {"object": "embedding", "index": index, "embedding": [1.0, 0.0]}
            for index in range(len(inputs))
        ]
        usage = {"prompt_tokens": sum(lengths), "total_tokens": sum(lengths)}
        return {"object": "list", "model": "m", "data": data, "usage": usage}

    def openai(self, **options: Any) -> OpenAIEmbeddings:
        options = {"model": "text-embedding-3-small", "base_url": self.url, **options}
        return OpenAIEmbeddings(api_key=SecretStr("none"), **options)


@pytest.fixture
def served() -> Iterator[Served]:
    """An embeddings server of one test."""
    truth = Served()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
            """Say nothing."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            data = json.dumps(truth.answer(self.path, body)).encode()
            self.send_response(truth.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    truth.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield truth
    server.shutdown()
    server.server_close()
    thread.join()


async def test_every_way_to_embed_is_metered(served: Served) -> None:
    """OpenAI's requests are measured: what the server billed is what was spent."""
    ledger = Ledger(Budget(tokens=1_000))
    embedder = guard(served.openai(), ledger)
    assert isinstance(embedder, OpenAIEmbeddings)
    assert is_guarded(embedder)
    embedder.embed_query("one two three")
    embedder.embed_documents(["one", "two <|endoftext|>", "three"])
    await embedder.aembed_query("one")
    await embedder.aembed_documents(["one", "two"])
    assert ledger.spent == Amount(input_tokens=served.tokens, calls=len(served.bodies))
    assert ledger.spent.calls == 4
    lines = ledger.receipt.lines
    assert {(line.basis, line.what) for line in lines} == {("measured", "text-embedding-3-small")}
    assert all(line.reserved == line.spent for line in lines)


def test_each_request_inside_an_integration_is_a_call(served: Served) -> None:
    """Batches, long texts cut in chunks and the empty text's own request are counted as sent."""
    ledger = Ledger(Budget(tokens=1_000))
    embedder = guard(served.openai(chunk_size=2, embedding_ctx_length=5, skip_empty=True), ledger)
    vectors = embedder.embed_documents(["one two three four five six seven", "", "a", "b"])
    assert len(vectors) == 4
    assert ledger.spent == Amount(input_tokens=served.tokens, calls=len(served.bodies))
    assert len(served.bodies) > 1


def test_texts_sent_as_texts_are_metered(served: Served) -> None:
    """A compatible server that takes no token numbers is counted on the text."""
    ledger = Ledger(Budget(tokens=1_000))
    embedder = guard(served.openai(check_embedding_ctx_length=False, model="own"), ledger)
    embedder.embed_documents(["one", "two words"])
    (line,) = ledger.receipt.lines
    assert served.bodies[0]["input"] == ["one", "two words"]
    assert line.spent == Amount(input_tokens=served.tokens, calls=1)
    assert line.reserved.input_tokens >= line.spent.input_tokens


@pytest.mark.parametrize(("status", "charged"), [(500, "presumed"), (429, "measured")])
def test_an_embedding_client_does_not_retry_by_itself(
    served: Served, status: int, charged: str
) -> None:
    """An error is one request; a refusal costs a call and no tokens, any other its hold."""
    served.status = status
    ledger = Ledger(Budget(tokens=1_000))
    with pytest.raises(openai.APIStatusError):
        guard(served.openai(), ledger).embed_query("one")
    (line,) = ledger.receipt.lines
    assert len(served.bodies) == line.spent.calls == 1
    assert line.basis == charged
    assert (line.spent == line.reserved) is (charged == "presumed")


def test_what_does_not_fit_is_not_sent(served: Served) -> None:
    """Of several requests, those that fit are sent and the first that does not is refused."""
    ledger = Ledger(Budget(tokens=5))
    embedder = guard(served.openai(chunk_size=1), ledger)
    with pytest.raises(BudgetExceeded):
        embedder.embed_documents(["one two three", "four five six"])
    assert len(served.bodies) == 1
    assert ledger.spent.tokens == served.tokens == 3


def test_embeddings_are_priced_by_name(served: Served) -> None:
    """OpenAI's price is known from the table; elsewhere it is asked for."""
    ledger = Ledger(Budget(usd=1))
    plain = OpenAIEmbeddings(model="text-embedding-3-small", api_key=SecretStr("none"))
    guard(plain, ledger)
    with pytest.raises(UnknownPrice, match="price=Price"):
        guard(served.openai(), ledger)
    guard(served.openai(), ledger, price=Price("0.02", 0)).embed_query("one two three")
    assert ledger.spent.nanodollars == 60


def test_a_class_derived_from_openais_may_embed_in_its_own_way(served: Served) -> None:
    """One that does not send as its base does is an unknown class; its client is kept quiet too."""

    class Derived(OpenAIEmbeddings):
        def embed_documents(self, texts: list[str], *args: Any, **kwargs: Any) -> Any:
            return super().embed_documents([f"passage: {text}" for text in texts])

    ledger = Ledger(Budget(tokens=1_000))
    plain = Derived(model="text-embedding-3-small", base_url=served.url, api_key=SecretStr("none"))
    guard(plain, ledger).embed_documents(["one", "two"])
    assert ledger.spent.calls == len(served.bodies) == 2
    served.status = 500
    with pytest.raises(openai.APIStatusError):
        guard(plain, ledger).embed_documents(["one"])
    assert ledger.spent.calls == len(served.bodies) == 3


async def test_ollamas_embeddings_are_one_request(served: Served) -> None:
    """All texts go in one request; its usage is hidden, so the count is charged."""
    ledger = Ledger(Budget(tokens=1_000))
    embedder = guard(OllamaEmbeddings(model="m", base_url=served.url), ledger)
    embedder.embed_documents(["one", "two"])
    await embedder.aembed_query("one")
    assert ledger.spent.calls == len(served.bodies) == 2
    assert ledger.spent.tokens >= served.tokens
    assert {line.basis for line in ledger.receipt.lines} == {"estimated"}


class Own(Embeddings):
    """Embeddings of one's own, which also embed images."""

    def __init__(self) -> None:
        self.sent: list[list[str]] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.sent.append(texts)
        return [[0.0] for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    def embed_image(self, path: str) -> list[float]:
        self.sent.append([path])
        return [0.0]


@pytest.mark.parametrize(("batch", "sizes"), [(None, [1, 1, 1]), (2, [2, 1])])
def test_an_unknown_class_is_given_what_it_sends_at_once(batch: int | None, sizes: Any) -> None:
    """One text a request, or as many as the caller says, so that calls are requests."""
    ledger = Ledger(Budget(tokens=1_000))
    plain = Own()
    embedder = guard(plain, ledger, batch=batch)
    assert len(embedder.embed_documents(["a", "b", "c"])) == 3
    assert [len(texts) for texts in plain.sent] == sizes
    assert ledger.spent.calls == len(sizes)


async def test_the_asynchronous_default_is_charged_once() -> None:
    """LangChain's default runs the synchronous method in a thread, which is metered."""
    ledger = Ledger(Budget(tokens=1_000))
    embedder = guard(Own(), ledger)
    await embedder.aembed_query("a")
    await embedder.aembed_documents(["a"])
    assert embedder.embed_documents([]) == []
    assert ledger.spent.calls == 2


def test_what_cannot_be_counted_is_refused() -> None:
    """An image has no bound in tokens that is known here."""
    plain = Own()
    with pytest.raises(UnboundedInput, match="embed_image"):
        guard(plain, Ledger(Budget(tokens=1_000))).embed_image("x.png")
    assert plain.sent == []


def test_local_embeddings_cost_calls_and_tokens_and_no_money() -> None:
    """What runs in this process has no price to ask for."""
    ledger = Ledger(Budget(tokens=1_000, usd=1))
    guard(FAKE, ledger).embed_documents(["a", "b"])
    assert ledger.spent.calls == 1
    assert ledger.spent.tokens > 0
    assert ledger.spent.nanodollars == 0


def test_a_vector_store_spends_through_guarded_embeddings() -> None:
    """The guarded embeddings stand wherever embeddings do."""
    ledger = Ledger(Budget(tokens=1_000))
    store = InMemoryVectorStore(guard(FAKE, ledger))
    store.add_texts(["a", "b"])
    store.similarity_search("a")
    assert ledger.spent.calls == 2


def test_embeddings_around_others_say_what_to_guard() -> None:
    """A cache around an embedder is no embedder: a hit would be charged."""

    class Cached(Embeddings):
        def __init__(self, inner: Embeddings) -> None:
            self.inner = inner

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return self.inner.embed_documents(texts)

        def embed_query(self, text: str) -> list[float]:
            return self.inner.embed_query(text)

    with pytest.raises(TypeError, match="guard_all"):
        guard(Cached(FAKE), Ledger(Budget(tokens=1)))


@pytest.mark.parametrize("options", [{"batch": 0}, {"wait": -1}])
def test_absurd_options_of_embeddings_are_refused(options: dict[str, Any]) -> None:
    """A batch of no texts and a negative wait are mistakes."""
    with pytest.raises(ValueError):
        guard(FAKE, Ledger(Budget(tokens=1)), **options)


def test_guarding_embeddings_again_replaces_the_ledger(served: Served) -> None:
    """Two guards do not charge twice."""
    first, second = Ledger(Budget(tokens=100)), Ledger(Budget(tokens=100))
    guard(guard(served.openai(), first), second).embed_query("one")
    assert first.spent == Amount()
    assert second.spent == Amount(input_tokens=served.tokens, calls=1)
