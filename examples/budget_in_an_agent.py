"""Give an agent of `create_agent` a budget: when it is spent, the agent answers from what it has."""

from functools import partial

from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from shoestring import Budget, BudgetMiddleware, Ledger, guard


class Scripted(GenericFakeChatModel):
    """Stands for a model that calls tools; any integration in docs/guard.md takes its place."""

    max_tokens: int | None = None

    def bind_tools(self, *_: object, **__: object) -> "Scripted":
        """Say the next line, whatever the tools."""
        return self


def says(text: str, **arguments: str) -> AIMessage:
    """Return an answer, or a search with these arguments, and what it cost."""
    calls = [{"name": "search", "args": arguments, "id": arguments["query"]}] if arguments else []
    usage = {"input_tokens": 300, "output_tokens": 20, "total_tokens": 320}
    return AIMessage(text, tool_calls=calls, usage_metadata=usage)


def search(query: str) -> str:
    """Search the archive."""
    return f"{query}: the bridge at Ellery was opened in 1871 and is 212 metres long."


def main() -> None:
    """Let the agent search until five calls are left for nothing but the answer."""
    script = [says("", query=f"bridge {year}") for year in (1869, 1870, 1871)]
    model = Scripted(messages=iter([*script, says("It was opened in 1871.")]))
    ledger = Ledger(Budget(calls=6, tokens=20_000, answer_reserve=2_000))
    agent = create_agent(
        model,
        [search],
        middleware=[  # retries and fallbacks would stand before it
            BudgetMiddleware(ledger, guard=partial(guard, output_field="max_tokens"))
        ],
    )
    result = agent.invoke({"messages": [{"role": "user", "content": "When was it opened?"}]})
    answer = result["messages"][-1]
    print(f"{answer.text}  (stopped by: {answer.response_metadata['stopped_by']})")
    for line in ledger.receipt.lines:
        print(
            f"  {line.node}  {line.what:<10} {line.spent.tokens:>4} tokens  {line.spent.calls} call"
        )


if __name__ == "__main__":
    main()
