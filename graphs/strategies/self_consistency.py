"""Several answers on one context, and the one that most of them give."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, cast

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from shoestring.agents import Forecast, Means, Meter, short
from shoestring.agents.stopping import AdaptiveConsistency, StoppingRule, fewest, majority
from shoestring.graphs.account import account_of, mirror, working
from shoestring.graphs.agreement import agreement
from shoestring.graphs.prompts import answer_prompt, render_sources
from shoestring.graphs.reasoning.caller import Caller
from shoestring.graphs.reasoning.drafts import failed
from shoestring.graphs.reasoning.needs import metered
from shoestring.graphs.reasoning.step import Step, least_cost, likely_cost
from shoestring.graphs.reasoning.trimmer import Trimmer
from shoestring.graphs.state import BudgetContext, BudgetState, Draft
from shoestring.tools.words.words import words

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langgraph.graph.state import CompiledStateGraph

    from shoestring.budget import Dimension, Ledger

USUAL = 1.6
"""Times the fewest samples that a vote takes: `python benchmarks/replays.py` has 6.4 where 4 settle."""


_READ = frozenset({"question", "context", "thoughts", "draft", "over"})
"""What a sample's call reads of the state, beside who pays for it."""

_SEEDS = 2**31


class Sampling(BudgetState, total=False):
    """The state of this route: samples so far, how many are drawn next, and which one a branch draws."""

    samples: Annotated[list[Draft], operator.add]
    wave: int
    number: int


@dataclass(frozen=True, slots=True)
class SelfConsistency:
    """Samples answers until one leads for sure, and takes it: trim → sample, side by side → vote.

    Samples are drawn in waves: each as wide as the fewest samples that could settle the vote, so that
    drawing them side by side pays for none that drawing them in turn would have saved, and no wider
    than the ledger allows. When money ends, the vote is among what was drawn.

    Source: self-consistency, Wang et al., arXiv:2203.11171; when to stop, see
    `shoestring.agents.stopping`. Answers that differ in words only are one, see `agreement`.

    Args:
        rule: When enough samples were drawn.
        context: Tokens of context a sample reads at most.
        least: Fewest tokens of context worth a sample.
        output: Bound on an answer's tokens.
        temperature: Passed to the model with each call; None for models that take none, or whose own is
            above 0: at 0 all samples are the same.
        embeddings: Let answers agree by meaning, too.
        success: Prior chance of a right answer.
    """

    rule: StoppingRule = field(default_factory=lambda: AdaptiveConsistency(most=12))
    context: int = 256
    least: int = 160
    output: int = 96
    temperature: float | None = 0.7
    embeddings: Embeddings | None = None
    success: float = 0.57
    name: str = "self_consistency"
    needs_model: bool = True

    @property
    def step(self) -> Step:
        """The call that is made again and again."""
        return Step("sample", answer_prompt, self.context, self.least, self.output)

    def forecast(self, question: str, meter: Meter | None) -> Forecast:
        """Return the cost of the fewest samples that settle a vote, and of as many as is usual.

        Raises:
            ValueError: If there is no meter.
        """
        meter = metered(self.name, meter)
        first = fewest(self.rule, [])
        usual = round(USUAL * first)
        usual = next((n for n in range(first, usual) if self.rule.enough(range(n))), usual)
        return Forecast(
            least=least_cost([self.step], question, meter).times(first),
            likely=likely_cost([self.step], question, meter).times(usual),
            success=self.success,
        )

    def graph(
        self, means: Means
    ) -> CompiledStateGraph[Sampling, BudgetContext, BudgetState, BudgetState]:
        """Return trim → vote ⇄ samples.

        Raises:
            ValueError: If `means` has no model.
        """
        metered(self.name, means.meter)
        sampler = _Sampler(self, means)
        trimmer = Trimmer(self.name, "trim", self.step, (), means, readers=fewest(self.rule, []))
        graph = StateGraph(
            Sampling,
            context_schema=BudgetContext,
            input_schema=BudgetState,
            output_schema=BudgetState,
        )
        graph.add_node("trim", trimmer)
        graph.add_node(
            "sample", RunnableLambda(sampler.sample, afunc=sampler.asample, name="sample")
        )
        graph.add_node("vote", _Vote(self, means))
        graph.add_edge(START, "trim")
        graph.add_edge("trim", "vote")
        graph.add_conditional_edges("vote", _next_wave, ["sample", END])
        graph.add_edge("sample", "vote")
        return graph.compile(name=self.name)


@dataclass(frozen=True, slots=True)
class _Sampler:
    """Draws one sample."""

    route: SelfConsistency
    means: Means

    def sample(self, state: Sampling, config: RunnableConfig) -> BudgetState:
        return self._caller(state).call(state, config)

    async def asample(self, state: Sampling, config: RunnableConfig) -> BudgetState:
        return await self._caller(state).acall(state, config)

    def _caller(self, state: Sampling) -> Caller:
        options: dict[str, Any] = {}
        if self.route.temperature is not None:
            options["temperature"] = self.route.temperature
        seed = getattr(self.means.model, "seed", None)
        if isinstance(seed, int):  # with one seed for all they would be one sample
            options["seed"] = (seed + state["number"]) % _SEEDS
        step, means = self.route.step, self.means
        return Caller(self.route.name, step, means, _sampled, tuple(options.items()), beside=True)


@dataclass(frozen=True, slots=True)
class _Vote:
    """Counts the votes, and says how many samples are drawn next."""

    route: SelfConsistency
    means: Means

    def __call__(self, state: Sampling, runtime: Runtime[BudgetContext]) -> dict[str, Any]:
        """Count, and end with the answer that most give, or go on."""
        if state["over"]:
            return {"wave": 0}
        with working(state, runtime, self.means.ledgers) as ledger:
            return self._count(state, ledger.at(node="vote", route=self.route.name))

    def _count(self, state: Sampling, ledger: Ledger) -> dict[str, Any]:
        samples = state.get("samples", [])
        votes = self._votes(samples, state["question"])
        wave, cap = 0, None
        if not any(sample["problem"] for sample in samples) and not self.route.rule.enough(votes):
            wave, cap = self._affordable(fewest(self.route.rule, votes), state, ledger)
        update: dict[str, Any] = {"wave": wave, "spend": mirror(ledger)}
        if not wave:
            draft, agree = _elected(samples, votes)
            update["draft"] = draft | {"cap": draft["cap"] or cap}
            ledger.note("vote", f"{agree} of {len(samples)} samples agree")
        return update

    def _votes(self, samples: Sequence[Draft], question: str) -> list[int]:
        """Return equal numbers for samples that agree; one without a whole answer agrees with none."""
        whole = [place for place, sample in enumerate(samples) if _whole(sample)]
        groups = agreement(
            [samples[place]["text"] for place in whole], question, self.route.embeddings
        )
        votes = [-1 - place for place in range(len(samples))]
        for place, group in zip(whole, groups, strict=True):
            votes[place] = group
        return votes

    def _affordable(
        self, wanted: int, state: Sampling, ledger: Ledger
    ) -> tuple[int, Dimension | None]:
        """Return how many of the samples wanted can be paid, and which cap allows not even one."""
        meter, step = self.means.meter, self.route.step
        assert meter is not None  # noqa: S101 - the route made sure
        prompt = step.prompt(state["question"], render_sources(state["context"]))
        bound = meter.bound(meter.prompt(prompt), step.output)
        caps = ledger.affordable(token_price=meter.token_price)
        while wanted and short(bound.times(wanted), caps) is not None:
            wanted -= 1
        return wanted, None if wanted else short(bound, caps)


def _sampled(state: BudgetState, draft: Draft) -> BudgetState:
    """Put a sample beside the others."""
    del state
    sample: Sampling = {"samples": [draft]}
    return cast("BudgetState", sample)


def _next_wave(state: Sampling) -> list[Send] | str:
    """Draw the samples of a wave side by side; each carries no more of the state than it reads."""
    read = account_of(state) | {key: value for key, value in state.items() if key in _READ}
    drawn = len(state.get("samples", []))
    numbers = range(drawn, drawn + state["wave"])
    return [Send("sample", read | {"number": number}) for number in numbers] or END


def _elected(samples: Sequence[Draft], votes: Sequence[int]) -> tuple[Draft, int]:
    """Return the first of the samples that most others agree with, and how many do."""
    leader = majority([vote for vote in votes if vote >= 0])
    if leader is not None:
        return samples[votes.index(cast("int", leader))], votes.count(cast("int", leader))
    broken = [sample for sample in samples if sample["problem"]]
    return next(iter([*broken, *samples]), failed("no sample fits")), 0


def _whole(sample: Draft) -> bool:
    return bool(words(sample["text"])) and not sample["truncated"]
