"""agentbreaker-sdk: a breaker that is told of each call after it; it knows one price."""

import contextlib
import io

from agentbreaker import CircuitBreaker
from agentbreaker.circuit_breaker import INPUT_COST_PER_TOKEN, OUTPUT_COST_PER_TOKEN
from harness import CALL, CAP, INPUT, OUTPUT, Peer, client, main, request

USD = INPUT * INPUT_COST_PER_TOKEN + OUTPUT * OUTPUT_COST_PER_TOKEN


class AgentBreakerPeer(Peer):
    package = "agentbreaker-sdk"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        # Its cost rule alone: ten iterations would end the run by default, whatever they cost.
        rules = {"max_cost_usd": CAP / CALL * USD, "max_iterations": 10**6}
        self.breaker = CircuitBreaker("run", rules)
        self.client = client(url)
        self.aclient = client(url, "AsyncOpenAI")

    def scope(self) -> contextlib.AbstractContextManager[object]:
        # It prints each step.
        return contextlib.redirect_stdout(io.StringIO())

    def call(self) -> None:
        usage = self.client.chat.completions.create(**request()).usage
        self.breaker.record_llm_call(usage.prompt_tokens, usage.completion_tokens)

    async def acall(self) -> None:
        usage = (await self.aclient.chat.completions.create(**request())).usage
        self.breaker.record_llm_call(usage.prompt_tokens, usage.completion_tokens)

    def recorded(self) -> float:
        return self.breaker.state.total_input_tokens + self.breaker.state.total_output_tokens


main(AgentBreakerPeer)
