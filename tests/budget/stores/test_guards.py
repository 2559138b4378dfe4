"""What a step relied on: where its guards hold, it would have done the same."""

from __future__ import annotations

from functools import partial
from operator import eq
from typing import Any

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from shoestring.budget import Amount, Budget
from shoestring.budget.stores.guards import Guards, Unfollowed, put_sums, sums_of
from shoestring.budget.tree.account import Account

figures = st.integers(0, 60)
sums = st.lists(figures, min_size=8, max_size=8)
caps = st.one_of(st.none(), st.integers(0, 120))
amounts = st.builds(Amount, figures, figures, figures, st.integers(0, 2))


def tree(budgets: list[tuple[Any, Any, Any, bool]], at: list[list[int]]) -> list[Account]:
    """Return a path of accounts, the root first, with those sums."""
    path: list[Account] = []
    for (tokens, money, calls, aside), figures in zip(budgets, at, strict=True):
        usd = None if money is None else f"{money}e-9"
        capped = not tokens is usd is calls is None
        account = Account(
            "id",
            "name",
            Budget(tokens=tokens, usd=usd, calls=calls) if capped else None,
            0.0,
            parent=path[-1] if path else None,
            set_aside=aside and capped and bool(path),
        )
        put_sums(account, figures)
        path.append(account)
    return path


def walk(account: Account, bound: Amount, spent: Amount) -> list[object]:
    """Do what steps do, and return which way they went."""
    if not account.admits(bound, "work"):
        return ["refused"]
    account.hold(bound, "work", 0.0)
    told: list[object] = [account.overdrawn()]
    account.charge(spent, Amount(), bound, "work", 0.0)
    return [*told, account.overdrawn(), account.passed() is None]


@given(
    budgets=st.lists(st.tuples(caps, caps, caps, st.booleans()), min_size=3, max_size=3),
    here=st.lists(sums, min_size=3, max_size=3),
    there=st.lists(sums, min_size=3, max_size=3),
    bound=amounts,
    spent=amounts,
)
def test_where_the_guards_hold_a_step_goes_the_same_way(
    *,
    budgets: list[Any],
    here: list[list[int]],
    there: list[list[int]],
    bound: Amount,
    spent: Amount,
) -> None:
    """Steps on other sums, of which all guards are true, take the same turns and the same differences."""
    noted, plain = tree(budgets, here), tree(budgets, there)
    guards = Guards()
    for account, figures in zip(noted, here, strict=True):
        guards.arm(account, figures)
    told = walk(noted[-1], bound, spent)
    found = disarmed(guards)
    flat = [figure for account in there for figure in account]
    for most, variables in guards.rows():
        assume(sum(flat[v - 1] if v > 0 else -flat[-v - 1] for v in variables) <= most)
    assert walk(plain[-1], bound, spent) == told
    for account, figures, (_, changes) in zip(plain, there, found, strict=True):
        assert sums_of(account) == [f + c for f, c in zip(figures, changes, strict=True)]


@given(
    budgets=st.lists(st.tuples(caps, caps, caps, st.booleans()), min_size=3, max_size=3),
    here=st.lists(sums, min_size=3, max_size=3),
    bound=amounts,
    spent=amounts,
)
def test_a_step_on_noted_sums_is_the_step_itself(
    *, budgets: list[Any], here: list[list[int]], bound: Amount, spent: Amount
) -> None:
    """On the sums it saw, a step does what it does on plain integers, and its guards are true."""
    noted, plain = tree(budgets, here), tree(budgets, here)
    guards = Guards()
    for account, figures in zip(noted, here, strict=True):
        guards.arm(account, figures)
    assert walk(noted[-1], bound, spent) == walk(plain[-1], bound, spent)
    disarmed(guards)
    flat = [figure for account in here for figure in account]
    for most, variables in guards.rows():
        assert sum(flat[v - 1] if v > 0 else -flat[-v - 1] for v in variables) <= most
    for one, other in zip(noted, plain, strict=True):
        assert sums_of(one) == sums_of(other)


def disarmed(guards: Guards) -> list[tuple[list[int], list[int]]]:
    """Return what has changed; a step that cannot be followed is another test's business."""
    try:
        return guards.disarm()
    except Unfollowed:
        reject()


def armed() -> tuple[Account, Guards]:
    account = Account("id", "name", Budget(tokens=10), 0.0)
    guards = Guards()
    guards.arm(account, sums_of(account))
    return account, guards


@pytest.mark.parametrize(
    "use",
    [str, int, float, bool, hash, "{:,}".format, partial(eq, 0)],
    ids=["shown", "int", "float", "truth", "hash", "format", "equal"],
)
def test_what_cannot_be_noted_is_not_let_pass(use: Any) -> None:
    """A sum that is shown, multiplied or taken for a truth stops the step: no guard could say that."""
    account, _ = armed()
    with pytest.raises(Unfollowed):
        use(account.spent_in)


@pytest.mark.parametrize("value", [0, 2**51])
def test_a_sum_that_did_not_move_by_a_constant_is_not_let_pass(value: int) -> None:
    """A sum that was set, swapped with another, or grew beyond a script's numbers is not kept."""
    account, guards = armed()
    account.spent_in = value if not value else account.spent_in + value
    with pytest.raises(Unfollowed):
        guards.disarm()
    account, guards = armed()
    account.spent_in, account.spent_out = account.spent_out, account.spent_in
    with pytest.raises(Unfollowed):
        guards.disarm()


def test_windows_and_reserves_are_sums_too() -> None:
    """What a renewing ledger has spent itself, and what answers use, others may change meanwhile."""
    account = Account(
        "id", "name", Budget(tokens=90, calls=9, answer_reserve=Amount(20), per="day"), 0.0
    )
    guards = Guards()
    guards.arm(account, sums_of(account))
    account.hold(Amount(5), "answer", 0.0)
    account.charge(Amount(3), Amount(), Amount(5), "answer", 0.0)
    ((values, changes),) = guards.disarm()
    assert values == changes == sums_of(account)
    assert [figure for figure in changes if figure] == [3, 3, 3]
