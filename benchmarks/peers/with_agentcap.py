"""agentcap-guard: one guarded client, which estimates before each call."""

from agentcap import guard
from harness import CALL, CALL_USD, CAP_USD, Peer, client, main, request


class AgentCapPeer(Peer):
    package = "agentcap-guard"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.client = guard(client(url), budget=CAP_USD)

    def call(self) -> None:
        self.client.chat.completions.create(**request())

    def recorded(self) -> float:
        return self.client.agentcap.spent_usd / CALL_USD * CALL


main(AgentCapPeer)
