"""agentbudget: explicit clients in a session, as its pages advise for concurrent apps."""

from contextlib import AbstractContextManager
from typing import Any

from agentbudget import AgentBudget, wrap_client
from harness import CALL, CALL_USD, CAP_USD, Peer, client, main, request


class AgentBudgetPeer(Peer):
    package = "agentbudget"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.session = AgentBudget(max_spend=CAP_USD).session()
        self.client = wrap_client(client(url), self.session)
        self.aclient = wrap_client(client(url, "AsyncOpenAI"), self.session)

    def scope(self) -> AbstractContextManager[Any]:
        return self.session

    def call(self) -> None:
        self.client.chat.completions.create(**request())

    async def acall(self) -> None:
        await self.aclient.chat.completions.create(**request())

    def recorded(self) -> float:
        return self.session.spent / CALL_USD * CALL


main(AgentBudgetPeer)
