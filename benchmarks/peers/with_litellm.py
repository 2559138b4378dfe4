"""litellm: its module's own max_budget, in dollars."""

import litellm
from harness import CALL, CALL_USD, CAP_USD, Peer, main, request


class LiteLLMPeer(Peer):
    package = "litellm"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        litellm.max_budget = CAP_USD
        self.options = {"api_base": url, "api_key": "none", "max_retries": 0}

    def call(self) -> None:
        litellm.completion(**request() | self.options)

    async def acall(self) -> None:
        await litellm.acompletion(**request() | self.options)

    def recorded(self) -> float:
        return litellm._current_cost / CALL_USD * CALL  # noqa: SLF001  it has no other way to tell


main(LiteLLMPeer)
