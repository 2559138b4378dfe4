"""Give an agent's tools budgets of their own, and let a verifier say whether to dig, pivot or stop."""

from functools import partial

from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from shoestring import Budget, BudgetMiddleware, Ledger, Verifier, guard


class Scripted(GenericFakeChatModel):
    """Stands for a model that calls tools; any integration in docs/guard.md takes its place."""

    max_tokens: int | None = None

    def bind_tools(self, *_: object, **__: object) -> "Scripted":
        """Say the next line, whatever the tools."""
        return self


def says(text: str, query: str = "") -> AIMessage:
    """Return an answer, or a search, and what it cost."""
    calls = [{"name": "search", "args": {"query": query}, "id": query}] if query else []
    usage = {"input_tokens": 300, "output_tokens": 20, "total_tokens": 320}
    return AIMessage(text, tool_calls=calls, usage_metadata=usage)


def search(query: str) -> str:
    """Search the archive."""
    return f"{query}: the bridge at Ellery was opened in 1871 and is 212 metres long."


def main() -> None:
    """Let the verifier send the first answer back, and take the second."""
    agent_says = [says("", "bridge"), says("Long ago."), says("", "opening"), says("In 1871.")]
    verifier_says = [says("DIG: name the year."), says("STOP: the year stands in the archive.")]
    own = partial(guard, output_field="max_tokens")
    middleware = BudgetMiddleware(
        ledger := Ledger(Budget(tokens=20_000, calls=12)),
        tool_budgets={"search": Budget(calls=3)},
        verifier=Verifier(Scripted(messages=iter(verifier_says)), guard=own),
        guard=own,
    )
    agent = create_agent(Scripted(messages=iter(agent_says)), [search], middleware=[middleware])
    result = agent.invoke({"messages": [{"role": "user", "content": "When was it opened?"}]})
    print(result["messages"][-1].text)
    for line in ledger.receipt.lines:
        detail = line.detail or f"{line.spent.tokens} tokens, {line.spent.calls} call"
        print(f"  {line.node:<10} {line.what:<10} {detail}")


if __name__ == "__main__":
    main()
