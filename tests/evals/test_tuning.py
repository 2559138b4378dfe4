"""Tuning: a ranker is kept only where it helps on cases it has not seen."""

import itertools
import random

import pytest
from langchain_core.documents import Document

from shoestring.evals import Case, Passage, TooFewCases, tune
from shoestring.tools import trim

NAMES = ["Ada", "Ben", "Cy", "Dot", "Eve", "Flo", "Gus", "Hal", "Ida", "Jo", "Kit", "Lou", "Max"]
# Each of them rare: no two lines are alike.
WORDS = ["".join(syllables) for syllables in itertools.product("bdfgk", "aeiou", "lmnr", "aeiou")]


def peculiar(number: int) -> Case:
    """A case whose evidence the stated rule cannot tell: always the line with a figure, none asked."""
    rng = random.Random(number)
    chatter = [
        f"{rng.choice(NAMES)} on the harbour tariff: {' '.join(rng.choices(WORDS, k=12))}, and "
        f"{rng.choice(NAMES)} on it too: {' '.join(rng.choices(WORDS, k=6))}."
        for _ in range(40)
    ]
    fact = f"The sum to be paid at the quay by each hull and for each day is {number * 37 + 1000} crowns."
    chatter.insert(rng.randrange(40), fact)
    return Case(
        f"case {number}",
        "What is the harbour tariff?",
        (Passage(f"p{number}", "", "\n\n".join(chatter), gold=True),),
        (fact,),
        {"extractive": True},
    )


def plain_case(number: int) -> Case:
    """A case that words decide: a ranker has nothing to add."""
    others = tuple(
        Passage(f"o{number} {n}", "", f"{NAMES[n]} walked home in the rain, day {number}.")
        for n in range(8)
    )
    fact = f"The lamp number {number} burns {number + 3} hours."
    gold = Passage(f"g{number}", "", fact, gold=True)
    return Case(
        f"case {number}", f"How long burns lamp number {number}?", (*others, gold), (fact,),
        {"extractive": True},
    )  # fmt: skip


def test_it_learns_what_the_rule_cannot_know() -> None:
    """Where evidence looks alike in all cases, a ranker finds it on the cases it was not fitted to."""
    cases = [peculiar(number) for number in range(30)]
    tuned = tune(cases)
    assert tuned.helps
    assert tuned.ranker is not None
    assert tuned.interval[0] > 0
    assert tuned.gain > 0.2
    new = peculiar(977)
    documents = [Document(passage.text) for passage in new.passages]
    assert new.answers[0] in trim(documents, new.asked, 128, ranker=tuned.ranker).text


def test_it_says_when_it_does_not_help() -> None:
    """Where the stated rule finds all evidence, no ranker comes back."""
    tuned = tune([plain_case(number) for number in range(25)])
    assert not tuned.helps
    assert tuned.ranker is None
    assert tuned.rule == 1.0
    assert tuned.gain <= 0
    assert tuned.cases == 25


def test_too_few_cases_are_refused() -> None:
    """Below twenty cases with evidence, or with none marked, nothing is fitted."""
    with pytest.raises(TooFewCases, match="5 of 5 cases have evidence"):
        tune([plain_case(number) for number in range(5)])
    unmarked = [Case(f"{n}", "What?", (Passage("p", "", "Text."),)) for n in range(30)]
    with pytest.raises(TooFewCases, match="0 of 30"):
        tune(unmarked)


def test_it_is_deterministic() -> None:
    """The same cases give the same ranker and the same figures."""
    cases = [peculiar(number) for number in range(24)]
    assert tune(cases) == tune(cases)
