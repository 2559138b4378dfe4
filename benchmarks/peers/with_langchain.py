"""LangChain: ModelCallLimitMiddleware, two calls a thread; all workers on one thread_id."""

from harness import CALL, CAP, MODEL, OUTPUT, Peer, main, prompt
from langchain.agents import create_agent
from langchain.agents.middleware import ModelCallLimitMiddleware
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver


class LangChainPeer(Peer):
    package = "langchain"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        model = ChatOpenAI(
            model=MODEL, base_url=url, api_key="none", max_tokens=OUTPUT, max_retries=0
        )
        limit = ModelCallLimitMiddleware(thread_limit=CAP // CALL, exit_behavior="error")
        self.agent = create_agent(model, [], middleware=[limit], checkpointer=InMemorySaver())
        self.config = {"configurable": {"thread_id": "one"}}

    def call(self) -> None:
        self.agent.invoke({"messages": [("user", prompt())]}, self.config)

    async def acall(self) -> None:
        await self.agent.ainvoke({"messages": [("user", prompt())]}, self.config)

    def recorded(self) -> float:
        state = self.agent.get_state(self.config).values
        return state.get("thread_model_call_count", 0) * CALL


main(LangChainPeer)
