"""pydantic-ai: UsageLimits over one RunUsage that all runs share, as it does for delegating agents."""

from harness import CAP, MODEL, OUTPUT, Peer, client, main, prompt
from pydantic_ai import Agent, RunUsage, UsageLimits
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


class PydanticAIPeer(Peer):
    package = "pydantic-ai-slim"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.used = RunUsage()
        self.limits = UsageLimits(total_tokens_limit=CAP)

    def agent(self) -> Agent:
        provider = OpenAIProvider(openai_client=client(self.url, "AsyncOpenAI"))
        model = OpenAIChatModel(MODEL, provider=provider)
        return Agent(model, model_settings={"max_tokens": OUTPUT})

    def call(self) -> None:
        # An agent for each call: its HTTP client belongs to the event loop of its thread.
        self.agent().run_sync(prompt(), usage=self.used, usage_limits=self.limits)

    async def acall(self) -> None:
        await self.agent().run(prompt(), usage=self.used, usage_limits=self.limits)

    def recorded(self) -> float:
        return self.used.total_tokens


main(PydanticAIPeer)
