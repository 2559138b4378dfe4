"""Ask a person when the money ends, and go on with what they grant."""

from functools import partial
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from shoestring import Budget, BudgetMiddleware, MemoryStore, guard


class Scripted(GenericFakeChatModel):
    """Stands for a model that calls tools; any integration in docs/guard.md takes its place."""

    max_tokens: int | None = None

    def bind_tools(self, *_: object, **__: object) -> "Scripted":
        """Say the next line, whatever the tools."""
        return self


def says(text: str, *calls: dict[str, Any]) -> AIMessage:
    """Return what the model says, and what it cost."""
    usage = {"input_tokens": 300, "output_tokens": 20, "total_tokens": 320}
    return AIMessage(text, tool_calls=list(calls), usage_metadata=usage)


def search(query: str) -> str:
    """Search the archive."""
    return f"{query}: the bridge was opened in 1871."


def main() -> None:
    """Run out of calls, ask, go on."""
    script = [says("", {"name": "search", "args": {"query": "bridge"}, "id": "1"})]
    model = Scripted(messages=iter([*script, says("In 1871.")]))
    ledgers = MemoryStore()  # a SQLiteStore, where the run goes on in another process
    middleware = BudgetMiddleware(
        Budget(calls=2),
        on_exceeded="interrupt",
        ledgers=ledgers,
        guard=partial(guard, output_field="max_tokens"),
    )
    agent = create_agent(model, [search], middleware=[middleware], checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "bridge"}}
    asked = agent.invoke({"messages": [{"role": "user", "content": "When?"}]}, thread)
    question = asked["__interrupt__"][0].value
    print(f"The agent asks: {question['message']}")
    result = agent.invoke(Command(resume={"calls": 3}), thread)
    print(f"Three calls are granted. {result['messages'][-1].text}")
    for ledger_id in (question["ledger_id"], agent.get_state(thread).values["ledger_id"]):
        ledger = ledgers.ledger(ledger_id)
        print(f"  {ledger.name}: {ledger.spent.calls} of {ledger.limit.calls} calls")


if __name__ == "__main__":
    main()
