"""What does a long agent run cost, by how its history is kept short?

    python benchmarks/history.py [--calls 300] [--window 24000]

An agent answers six questions about Python, reading what every Python ships: the reference
(`pydoc_data.topics`) and the library's sources, a page a call. Each question's answer stands on the
second page read for it; "fact in view" is the share of the later calls whose prompt holds it. Each
way of keeping the history short sees the same run, call by call. What a call costs is reckoned by
OpenAI's published rule of prompt caching: the beginning it shares with the call before, from 1,024
tokens on in steps of 128, at the cached rate; prices are those of gpt-4.1-mini in genai-prices.
Answers cost the same everywhere and are left out; the calls that a summary takes are billed, its
text is scripted.
"""

import argparse
import os
import random
import statistics
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from pydoc_data import topics as pydoc
from typing import Any, cast

from genai_prices import Usage, calc_price
from langchain.agents.middleware import ClearToolUsesEdit, SummarizationMiddleware
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    trim_messages,
)
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph.message import add_messages

from shoestring import HistoryTrimmer, Stash, message_counter

MODEL, PROVIDER = "gpt-4.1-mini", "openai"
LEAST_CACHED, STEP = 1_024, 128  # "Prompt caching", OpenAI's documentation
PAGE = 7_000  # characters of a tool's result
SUMMARY = "The reader has gone through several pages and noted what they say. " * 30

# A question, the topic of the reference that answers it, and the line that does.
QUESTIONS = [
    (
        "What happens to a loop's else clause when break is executed in its first suite?",
        "for",
        'A "break" statement executed in the first suite terminates the loop',
    ),
    (
        "When is an exception re-raised that was saved before a finally clause?",
        "try",
        'there is a saved exception it is re-raised at the end of the "finally"',
    ),
    (
        "In which order are the keys and values of a dictionary iterated over?",
        "typesmapping",
        "Keys and values are iterated over in insertion order.",
    ),
    (
        "Can __del__ be invoked while arbitrary code is being executed?",
        "customization",
        '"__del__()" can be invoked when arbitrary code is being',
    ),
    (
        "What does the precision of a format specification indicate?",
        "formatstrings",
        "The *precision* is a decimal integer indicating how many digits should",
    ),
    ("Are assignments to __debug__ legal?", "assert", 'Assignments to "__debug__" are illegal.'),
]
TOPICS: dict[str, str] = pydoc.topics
COUNT = message_counter()


@dataclass
class Turn:
    """One call of the model: what was said until then, and the fact that answers the question."""

    messages: list[BaseMessage]
    fact: str


@dataclass
class Way:
    """One way of keeping a history short."""

    name: str
    shorten: Callable[[list[BaseMessage]], list[BaseMessage]]
    extra: list[tuple[int, int]] = field(default_factory=list)
    """Input and output tokens of calls that it made itself."""
    facts: bool = True
    """Whether a script can say what it keeps."""


class Sizes:
    """The one counter of all ways: each message is counted once, and prompts add up."""

    def __init__(self) -> None:
        self.base = COUNT([])
        self._known: dict[int, tuple[BaseMessage, int]] = {}

    def one(self, message: BaseMessage) -> int:
        """Count one message."""
        found = self._known.get(id(message))
        if found is None:
            found = self._known[id(message)] = (message, COUNT([message]) - self.base)
        return found[1]

    def __call__(self, messages: Sequence[Any]) -> int:
        """Count a prompt."""
        return self.base + sum(self.one(message) for message in messages)


def pages_of() -> list[tuple[str, str]]:
    """Return pages of the reference and of the library's sources, each with its name."""
    library = Path(os.__file__).parent
    pages = [(f"topic {name}", text) for name, text in sorted(TOPICS.items())]
    pages += [
        (path.name, path.read_text(encoding="utf-8", errors="replace"))
        for path in sorted(library.glob("*.py"))
    ]
    return [(name, text[:PAGE]) for name, text in pages]


def run_of(calls: int) -> list[Turn]:
    """Return an agent's run: for each question one page that answers it, and many others."""
    rng = random.Random(5)
    pages = pages_of()
    said: list[BaseMessage] = [
        SystemMessage(
            "You answer questions about Python from its documentation. " * 20, id="system"
        )
    ]
    turns: list[Turn] = []
    each = calls // len(QUESTIONS)
    for question, topic, fact in QUESTIONS:
        said.append(HumanMessage(question, id=question))
        text = TOPICS[topic]
        start = max(0, text.index(fact) - PAGE // 2)
        read = rng.sample(pages, each - 1)
        read[1] = (f"topic {topic}", text[start : start + PAGE])
        for number, (name, page) in enumerate(read):
            turns.append(Turn(list(said), fact if number > 1 else ""))
            call = f"call_{len(said)}"
            args = {"page": name, "why": "The answer may stand here."}
            tool_call = {"name": "read_page", "args": args, "id": call}
            said.append(AIMessage("Reading on.", tool_calls=[tool_call], id=f"ai {call}"))
            said.append(ToolMessage(page, tool_call_id=call, id=f"tool {call}"))
        turns.append(Turn(list(said), fact))
        said.append(AIMessage(f"The documentation says: {fact}", id=f"answer to {question}"))
    return turns


def ways_of(window: int, sizes: Sizes) -> list[Way]:
    """Return the ways, each told to stay within the window as its makers say."""
    trimmer = HistoryTrimmer(tokens=window)
    shelved = HistoryTrimmer(tokens=window, shelf=Stash().of("run"))
    return [
        Way("the whole history", lambda messages: messages),
        Way(
            "trim_messages, defaults",
            lambda messages: trim_messages(
                messages, max_tokens=window, token_counter=sizes, include_system=True
            ),
        ),
        Way(
            "trim_messages, from a person on",
            lambda messages: trim_messages(
                messages,
                max_tokens=window,
                token_counter=sizes,
                strategy="last",
                start_on="human",
                end_on=("human", "tool"),
                include_system=True,
            ),
        ),
        Way("ContextEditingMiddleware", _clearing(int(0.75 * window), sizes)),
        _summarising(window, sizes),
        Way("trim_history", trimmer.invoke),
        Way("trim_history, stash", shelved.invoke),
    ]


def _clearing(trigger: int, sizes: Sizes) -> Callable[[list[BaseMessage]], list[BaseMessage]]:
    edit = ClearToolUsesEdit(trigger=trigger)

    def shorten(messages: list[BaseMessage]) -> list[BaseMessage]:
        edited = cast("list[AnyMessage]", list(messages))
        edit.apply(edited, count_tokens=sizes)
        return cast("list[BaseMessage]", edited)

    return shorten


def _summarising(window: int, sizes: Sizes) -> Way:
    """Return LangChain's summariser; it changes the state, so the run goes on from there."""
    asked: list[tuple[int, int]] = []

    class Scripted(GenericFakeChatModel):
        def _generate(self, messages: list[BaseMessage], *_: object, **__: object) -> ChatResult:
            answer = AIMessage(SUMMARY)
            asked.append((sizes(messages), sizes([answer])))
            return ChatResult(generations=[ChatGeneration(message=answer)])

    middleware = SummarizationMiddleware(
        Scripted(messages=iter([])),
        trigger=("tokens", int(0.75 * window)),
        keep=("tokens", window // 4),
        token_counter=sizes,
        trim_tokens_to_summarize=None,
    )
    state: list[BaseMessage] = []
    seen: set[str | None] = set()

    def shorten(messages: list[BaseMessage]) -> list[BaseMessage]:
        nonlocal state
        state += [message for message in messages if message.id not in seen]
        seen.update(message.id for message in messages)
        system, *rest = state
        update = middleware.before_model(cast("Any", {"messages": rest}), cast("Any", None))
        if update:
            rest = cast("list[BaseMessage]", add_messages(cast("Any", rest), update["messages"]))
            state = [system, *rest]
        return list(state)

    return Way("SummarizationMiddleware", shorten, extra=asked, facts=False)


def orphans(messages: Sequence[BaseMessage]) -> bool:
    """Say whether a provider would refuse these: a result without its call, or no question."""
    calls = {c["id"] for m in messages if isinstance(m, AIMessage) for c in m.tool_calls}
    results = [m.tool_call_id for m in messages if isinstance(m, ToolMessage)]
    spoken = [m for m in messages if not isinstance(m, SystemMessage)]
    return not set(results) <= calls or not spoken or not isinstance(spoken[0], HumanMessage)


def shared(before: Sequence[BaseMessage], after: Sequence[BaseMessage]) -> int:
    """Return how many messages two prompts begin with alike."""
    same = 0
    while same < min(len(before), len(after)) and _alike(before[same], after[same]):
        same += 1
    return same


def _alike(one: BaseMessage, other: BaseMessage) -> bool:
    return one is other or (one.type, one.content) == (other.type, other.content)


def dollars(tokens: int, cached: int, output: int = 0) -> float:
    """Return what a call costs."""
    usage = Usage(input_tokens=tokens, cache_read_tokens=cached, output_tokens=output)
    return float(calc_price(usage, model_ref=MODEL, provider_id=PROVIDER).total_price)


def measure(way: Way, run: Sequence[Turn], window: int, sizes: Sizes) -> dict[str, str]:
    """Play a run, and return the figures of a way."""
    prompts: list[list[BaseMessage]] = []
    took: list[float] = []
    for turn in run:
        begin = time.process_time()
        prompts.append(way.shorten(turn.messages))
        took.append(time.process_time() - begin)
    billed, cached_in_all, cost, kept = 0, 0, dollars(sizes(prompts[0]), 0), 0
    billed += sizes(prompts[0])
    for before, after in pairwise(prompts):
        same = shared(before, after)
        kept += same == len(before)
        cached = sizes(after[:same]) if same else 0
        cached = cached // STEP * STEP if cached >= LEAST_CACHED else 0
        total = sizes(after)
        billed += total
        cached_in_all += min(cached, total)
        cost += dollars(total, min(cached, total))
    for asked, written in way.extra:
        billed += asked
        cost += dollars(asked, 0, written)
    facts = [
        any(turn.fact in message.text for message in prompt)
        for turn, prompt in zip(run, prompts, strict=True)
        if turn.fact
    ]
    return {
        "way": way.name,
        "prefix kept": f"{kept / (len(prompts) - 1):.0%}",
        "input tokens": f"{billed:,}",
        "of them cached": f"{cached_in_all / billed:.0%}",
        "dollars": f"{cost:.3f}",
        "longest": f"{max(map(sizes, prompts)):,}",
        "over": str(sum(sizes(prompt) > window for prompt in prompts)),
        "refused": str(sum(map(orphans, prompts))),
        "fact in view": f"{statistics.mean(facts):.0%}" if way.facts else "-",
        "ms CPU a call": f"{1_000 * statistics.mean(took):.0f}",
        "at most": f"{1_000 * max(took):.0f}",
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=textwrap.shorten(__doc__ or "", 200))
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--window", type=int, default=24_000)
    options = parser.parse_args()
    sizes = Sizes()
    run = run_of(options.calls)
    whole = sizes(run[-1].messages)
    pages = [sizes.one(m) for m in run[-1].messages if isinstance(m, ToolMessage)]
    print(
        f"{len(run)} calls, {whole:,} tokens in the end, results of {statistics.median(pages):,.0f} "
        f"tokens in the middle and {max(pages):,} at most; window {options.window:,}\n"
    )
    rows = [measure(way, run, options.window, sizes) for way in ways_of(options.window, sizes)]
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(row.values()) + " |")


if __name__ == "__main__":
    main()
