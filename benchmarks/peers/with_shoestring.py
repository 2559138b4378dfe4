"""shoestring: the same guarded model for all workers, on a ledger in memory or in a file."""

import os

from harness import CAP, MODEL, OUTPUT, Peer, main, prompt
from langchain_openai import ChatOpenAI

from shoestring import Budget, Ledger, SQLiteStore, guard
from shoestring.budget import MemoryStore


class ShoestringPeer(Peer):
    package = "shoestring"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        store = SQLiteStore("ledgers.db") if os.environ.get("STORE") == "sqlite" else MemoryStore()
        self.ledger = Ledger(Budget(tokens=CAP), store=store)
        model = ChatOpenAI(
            model=MODEL, base_url=url, api_key="none", max_tokens=OUTPUT, max_retries=0
        )
        self.model = guard(model, self.ledger)

    def call(self) -> None:
        self.model.invoke(prompt())

    async def acall(self) -> None:
        await self.model.ainvoke(prompt())

    def recorded(self) -> float:
        return self.ledger.spent.tokens


main(ShoestringPeer)
