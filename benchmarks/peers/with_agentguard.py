"""agent-budget-guard-py: guarded clients that refuse a call before paying for it (preflight)."""

from agentguard import Guard
from agentguard.adapters.openai import guard_openai
from harness import CAP, CAP_USD, Peer, client, main, request


class AgentGuardPeer(Peer):
    package = "agent-budget-guard-py"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.guard = Guard(max_tokens=CAP, max_usd=CAP_USD)
        self.client = guard_openai(client(url), self.guard, preflight=True)
        self.aclient = guard_openai(client(url, "AsyncOpenAI"), self.guard, preflight=True)

    def call(self) -> None:
        self.client.chat.completions.create(**request())

    async def acall(self) -> None:
        await self.aclient.chat.completions.create(**request())

    def recorded(self) -> float:
        return self.guard.tracker.total_tokens


main(AgentGuardPeer)
