# ruff: noqa: ARG002 - fakes take what the real thing takes
"""What does the guard add to a call? Milliseconds over the bare fake model, counting excluded.

    python benchmarks/guard.py

Bare and guarded calls alternate in one run, so that both meet the same machine; medians. The
prompt is counted by a counter that returns a constant: what a vocabulary costs is its own.
"""

import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from shoestring.budget import Budget, Ledger
from shoestring.models import guard

CALLS, WARM = 2_000, 200
USAGE = UsageMetadata(input_tokens=8, output_tokens=2, total_tokens=10)


class Fake(BaseChatModel):
    """Answers at once."""

    max_tokens: int | None = None

    @property
    def _llm_type(self) -> str:
        return "fake"

    def _generate(self, messages: list[BaseMessage], *args: object, **kwargs: object) -> ChatResult:
        message = AIMessage("word word", usage_metadata=USAGE)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self, messages: list[BaseMessage], *args: object, **kwargs: object
    ) -> ChatResult:
        return self._generate(messages)

    def _stream(
        self, messages: list[BaseMessage], *args: object, **kwargs: object
    ) -> Iterator[ChatGenerationChunk]:
        yield ChatGenerationChunk(message=AIMessageChunk(content="word word", usage_metadata=USAGE))


class FakeOpenAI(ChatOpenAI):
    """The real integration's class, with all its fields, but answers at once."""

    def _generate(self, *args: object, **kwargs: object) -> ChatResult:
        message = AIMessage("word word", usage_metadata=USAGE)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(self, *args: object, **kwargs: object) -> ChatResult:
        return self._generate()


class Constant:
    """Counts nothing."""

    exact, name = True, "constant"

    def count(self, text: str) -> int:
        """Return a constant."""
        return 8

    def count_messages(self, messages: Sequence[BaseMessage], **kwargs: object) -> int:
        """Return a constant."""
        return 8


def overhead(
    way: Callable[[BaseChatModel], object], plain: BaseChatModel, guarded: BaseChatModel
) -> str:
    """Return the median milliseconds of a bare call, and what the guard adds to it."""
    times: tuple[list[float], list[float]] = ([], [])
    gc.collect()
    for turn in range(CALLS + WARM):
        for model, found in zip((plain, guarded), times, strict=True):
            start = time.perf_counter()
            way(model)
            if turn >= WARM:
                found.append(time.perf_counter() - start)
    bare, paid = (1_000 * statistics.median(found) for found in times)
    return f"bare {bare:.3f} ms, the guard adds {paid - bare:.3f} ms"


def main() -> None:
    """Print what the guard adds to each way of calling."""
    loop = asyncio.new_event_loop()
    ways: dict[str, Callable[[BaseChatModel], object]] = {
        "invoke": lambda model: model.invoke("hello"),
        "ainvoke": lambda model: loop.run_until_complete(model.ainvoke("hello")),
        "stream": lambda model: list(model.stream("hello")),
    }
    tokens, dollars = Ledger(Budget(tokens=10**12)), Ledger(Budget(tokens=10**12, usd=10**6))
    fake = Fake()
    counter = Constant()
    guarded: BaseChatModel = guard(fake, tokens, counter=counter, output_field="max_tokens")
    for name, way in ways.items():
        print(f"{'the bare fake, ' + name:<36} {overhead(way, fake, guarded)}")
    openai = FakeOpenAI(model="gpt-4o-mini", api_key=SecretStr("none"))
    for capped, ledger in {"tokens": tokens, "tokens and dollars": dollars}.items():
        guarded = guard(openai, ledger, counter=counter)
        found = overhead(ways["invoke"], openai, guarded)
        print(f"{'OpenAI class, ' + capped:<36} {found}")
    loop.close()


if __name__ == "__main__":
    main()
