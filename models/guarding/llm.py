# ruff: noqa: ANN401, SLF001 - LangChain leaves these types open, and its hooks are private methods
"""A guarded completion model: text in, text out.

As for a chat model, with a prompt of one message. Several prompts are sent one by one: how many of
them a class puts into one request, it keeps to itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseLLM
from langchain_core.messages import HumanMessage
from langchain_core.outputs import LLMResult

from shoestring.models.guarding.chat import aclosed_after, closed_after, managed
from shoestring.models.guarding.clients import quiet_clients
from shoestring.models.guarding.dispatch import Dispatch, areserve, reserve
from shoestring.models.guarding.fields import configurable_fields
from shoestring.models.guarding.guarded import Kind, dressed, terms_of, undressed
from shoestring.models.usage import finished, token_usage, truncated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from langchain_core.outputs import Generation, GenerationChunk

    from shoestring.models.guarding.answer import Answer
    from shoestring.models.guarding.dispatch import Terms


def put_on(plain: Any, terms: Terms) -> Any:
    """Guard a plain completion model."""
    provider, fields = terms.provider, type(plain).model_fields
    own = replace(
        provider,
        # It writes, and bills, `best_of` answers to give back `n`.
        choices_keys=provider.choices_keys | {"best_of"},
        # The table is written for the provider's chat model.
        fields={name: value for name, value in provider.fields.items() if name in fields},
    )
    return dressed(plain, replace(terms, provider=own), LLM, quiet_clients(plain, own))


def _call(guarded: Any, prompt: str, arguments: dict[str, Any]) -> Dispatch:
    return Dispatch(terms_of(guarded), undressed(guarded), [HumanMessage(prompt)], dict(arguments))


# The methods below stand on the guarded class in place of the model's own, which they call.


def _generate(
    self: Any,
    prompts: list[str],
    stop: list[str] | None = None,
    run_manager: Any = None,
    **kwargs: Any,
) -> LLMResult:
    results: list[LLMResult] = []
    for prompt in prompts:
        call = _call(self, prompt, kwargs)
        with call.sent(reserve(call)) as model:
            method: Any = model._generate
            result = method([prompt], stop=stop, **managed(method, run_manager), **call.arguments)
            _saw(call.answer, result)
        results.append(result)
    return _joined(results)


async def _agenerate(
    self: Any,
    prompts: list[str],
    stop: list[str] | None = None,
    run_manager: Any = None,
    **kwargs: Any,
) -> LLMResult:
    results: list[LLMResult] = []
    for prompt in prompts:
        call = _call(self, prompt, kwargs)
        with call.sent(await areserve(call)) as model:
            method: Any = model._agenerate
            result = await method(
                [prompt], stop=stop, **managed(method, run_manager), **call.arguments
            )
            _saw(call.answer, result)
        results.append(result)
    return _joined(results)


def _stream(
    self: Any,
    prompt: str,
    stop: list[str] | None = None,
    run_manager: Any = None,
    **kwargs: Any,
) -> Iterator[GenerationChunk]:
    call = _call(self, prompt, kwargs)
    with call.sent(reserve(call)) as model:
        method: Any = model._stream
        chunks = method(prompt, stop=stop, **managed(method, run_manager), **call.arguments)
        with closed_after(chunks):
            for chunk in chunks:
                _saw_chunk(call.answer, chunk)
                yield chunk
                if call.answer.passed:
                    break


async def _astream(
    self: Any,
    prompt: str,
    stop: list[str] | None = None,
    run_manager: Any = None,
    **kwargs: Any,
) -> AsyncIterator[GenerationChunk]:
    call = _call(self, prompt, kwargs)
    with call.sent(await areserve(call)) as model:
        method: Any = model._astream
        chunks = method(prompt, stop=stop, **managed(method, run_manager), **call.arguments)
        async with aclosed_after(chunks):
            async for chunk in chunks:
                _saw_chunk(call.answer, chunk)
                yield chunk
                if call.answer.passed:
                    break


_METHODS: dict[str, Callable[..., Any]] = {
    "_generate": _generate,
    "_agenerate": _agenerate,
    "_stream": _stream,
    "_astream": _astream,
}
LLM = Kind(
    root=BaseLLM,
    methods=lambda _: _METHODS,
    put_on=put_on,
    added={"configurable_fields": configurable_fields},
)


def _saw(answer: Answer, result: LLMResult) -> None:
    """Take note of a whole answer."""
    generations = [one for several in result.generations for one in several]
    infos = [_mark(one) for one in generations]
    total = (result.llm_output or {}).get("token_usage")
    answer.saw_usage(next((u for u in map(token_usage, (total, *infos)) if u), None))
    answer.complete = True


def _saw_chunk(answer: Answer, chunk: GenerationChunk) -> None:
    """Take note of one chunk of a stream, which is to be closed where the call has passed its limit."""
    answer.saw_text(chunk.text)
    info = _mark(chunk, cut=answer.passed)
    answer.saw_usage(token_usage(info))
    answer.complete = finished(info) or answer.complete


def _mark(generation: Generation, *, cut: bool = False) -> dict[str, Any]:
    """What is said of a completion, after marking there whether it was cut at its limit."""
    info = dict(generation.generation_info or {})
    if cut or truncated(info):
        generation.generation_info = {**info, "truncated": True}
    return info


def _joined(results: list[LLMResult]) -> LLMResult:
    """One result of several, the token counts of their reports added up."""
    generations = [several for result in results for several in result.generations]
    outputs = [result.llm_output for result in results if result.llm_output]
    if not outputs:
        return LLMResult(generations=generations)
    total: dict[str, Any] = {}
    for output in outputs:
        for name, count in (output.get("token_usage") or {}).items():
            number = isinstance(count, int)
            total[name] = total.get(name, 0) + count if number else count
    return LLMResult(generations=generations, llm_output={**outputs[-1], "token_usage": total})
