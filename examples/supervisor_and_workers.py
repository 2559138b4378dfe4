"""A supervisor and two workers on one ledger: none of them, nor all together, can overspend."""

from functools import partial

from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import BaseTool, tool

from shoestring import Budget, BudgetMiddleware, Ledger, LocalChatModel, guard


class Scripted(GenericFakeChatModel):
    """Stands for a supervisor's model, which calls tools; the workers' model is a real one."""

    max_tokens: int | None = None

    def bind_tools(self, *_: object, **__: object) -> "Scripted":
        """Say the next line, whatever the tools."""
        return self


def worker(name: str, model: LocalChatModel) -> BaseTool:
    """Return a tool that hands a task to an agent with a budget of its own."""
    budget = BudgetMiddleware(Budget(tokens=120), tell=False)
    agent = create_agent(model, system_prompt="Be brief.", middleware=[budget], name=name)

    @tool(name, description=f"Ask the {name}.")
    def ask(task: str) -> str:
        # The worker's ledger is opened below the supervisor's, whose tool this is.
        answer = agent.invoke({"messages": [{"role": "user", "content": task}]})
        return str(answer["messages"][-1].text)

    return ask


def main() -> None:
    """Let both work at once, and show who spent what."""
    usage = {"input_tokens": 200, "output_tokens": 30, "total_tokens": 230}
    tasks = {"geographer": "Name a river in France.", "historian": "Who was Julius Caesar?"}
    calls = [{"name": n, "args": {"task": t}, "id": n} for n, t in tasks.items()]
    report = AIMessage("Both have reported.", usage_metadata=usage)
    boss = Scripted(messages=iter([AIMessage("", tool_calls=calls, usage_metadata=usage), report]))
    ledger = Ledger(Budget(tokens=4_000))
    how = BudgetMiddleware(ledger, guard=partial(guard, output_field="max_tokens", max_output=99))
    local = LocalChatModel()
    team = [worker(name, local) for name in tasks]
    supervisor = create_agent(boss, team, middleware=[how], name="supervisor")
    result = supervisor.invoke({"messages": [{"role": "user", "content": "Report."}]})
    for message in result["messages"][2:]:
        print(f"{message.name}: {message.text}")
    for name in ("supervisor", *tasks):
        spent = sum(line.spent.tokens for line in ledger.receipt.lines if line.node == name)
        print(f"  {name:<10} {spent:>4} tokens")
    print(f"spent {ledger.spent.tokens} of {ledger.limit.tokens} tokens")


if __name__ == "__main__":
    main()
