"""agent-tokenops: a governed model call in a run, with the two budget policies its pages show."""

from contextlib import AbstractContextManager, contextmanager
from typing import Any

from harness import CALL, CALL_USD, CAP_USD, MODEL, OUTPUT, Peer, client, main, request
from tokenops import tokenops_run
from tokenops.capabilities import wrap_complete
from tokenops.providers.types import ModelResponse

_BUDGET = {"id": "cap", "limit_micros": round(CAP_USD * 1e6), "dimension": "trace"}
_POLICIES = {
    "cost_budget": {"budget": "cap"},
    "pre_call_worst_case": {"budget": "cap", "default_max_output": OUTPUT},
}
_CONFIG = {"governance": {"budgets": [_BUDGET], "policies": _POLICIES}}


class TokenOpsPeer(Peer):
    package = "agent-tokenops"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.client = client(url)

    def scope(self) -> AbstractContextManager[Any]:
        return self._run()

    @contextmanager
    def _run(self) -> Any:
        options = {"provider": "openai", "model": MODEL, "service": "bench"}
        with tokenops_run(config=_CONFIG, intent="bench", **options) as bound:
            self.bound = bound
            self.governed = wrap_complete(
                bound.governor, bound.controls, bound.attr, dispatch=self.dispatch, **options
            )
            try:
                yield
            finally:
                self.micros = bound.governor.ledger.cost_micros(bound.attr.trace_id)

    def dispatch(
        self,
        provider: str,
        model: str,
        messages: Any,
        max_output_tokens: int | None = None,
        **options: Any,
    ) -> ModelResponse:
        del provider, options
        cap = min(OUTPUT, max_output_tokens or OUTPUT)
        got = self.client.chat.completions.create(model=model, messages=messages, max_tokens=cap)
        usage = got.usage
        text = got.choices[0].message.content
        return ModelResponse(text, usage.prompt_tokens, usage.completion_tokens)

    def call(self) -> None:
        self.governed("openai", MODEL, request()["messages"])

    def recorded(self) -> float:
        return self.micros / 1e6 / CALL_USD * CALL


main(TokenOpsPeer)
