"""inspect-ai: token_limit around calls of a model, in tasks; it names no support for threads."""

import asyncio
from contextlib import AbstractContextManager
from typing import Any

from harness import CAP, MODEL, OUTPUT, Peer, main, prompt
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.util import token_limit


class InspectPeer(Peer):
    package = "inspect-ai"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.limit = token_limit(CAP)
        config = GenerateConfig(max_tokens=OUTPUT, max_retries=0)
        self.model = get_model(
            f"openai/{MODEL}", base_url=url, api_key="none", config=config, responses_api=False
        )

    def scope(self) -> AbstractContextManager[Any]:
        return self.limit

    def call(self) -> None:
        asyncio.run(self.acall())

    async def acall(self) -> None:
        await self.model.generate(prompt())

    def recorded(self) -> float:
        return self.limit.usage


main(InspectPeer)
