"""A tool returns more than fits: the agent reads the part that matters, and asks for another."""

import re

from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from shoestring import ContextMiddleware, Stash

LOGBOOK = "\n".join(
    f"Day {day}: wind from the {'west' if day % 3 else 'north'}, {day % 9} boats."
    for day in range(900)
)


class Scripted(GenericFakeChatModel):
    """Stands for a model; it asks for the text that a mark in its context names."""

    def bind_tools(self, *_: object, **__: object) -> "Scripted":
        """Say the next line, whatever the tools."""
        return self

    def _generate(self, messages: list[BaseMessage], *_: object, **__: object) -> ChatResult:
        results = [message for message in messages if isinstance(message, ToolMessage)]
        if not results:
            call = {"name": "logbook", "args": {}, "id": "1"}
        elif len(results) == 1:
            handle = re.findall(r'recall\("(\w+)"\)', results[0].text)[-1]
            asked = {"handle": handle, "query": "Day 777", "tokens": 60}
            call = {"name": "recall", "args": asked, "id": "2"}
        else:
            found = results[1].text.splitlines()
            return _answer(AIMessage(next(line for line in found if "Day 777" in line)))
        return _answer(AIMessage("", tool_calls=[call]))


def _answer(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])


def logbook() -> str:
    """Read the harbour's logbook."""
    return LOGBOOK


def main() -> None:
    """Ask about one day, then let the agent look up another."""
    middleware = ContextMiddleware(1_000, stash=Stash())
    agent = create_agent(Scripted(messages=iter([])), [logbook], middleware=[middleware])
    question = {"role": "user", "content": "How was day 123, and how day 777?"}
    result = agent.invoke({"messages": [question]})
    for message in result["messages"][1:]:
        shown = message.text or message.tool_calls[0]["name"]
        print(f"{message.type}: {' / '.join(shown.splitlines()[-2:])}")


if __name__ == "__main__":
    main()
