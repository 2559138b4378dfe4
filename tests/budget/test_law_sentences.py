"""Each sentence of the ledger's law has a test that proves it, here by name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# The law, sentence by sentence: what it says, and which tests prove it.
LAW: dict[str, tuple[str, tuple[str, ...]]] = {
    "the sum": (
        "What is spent and held never passes a cap, in any capped dimension, unless on a breach.",
        (
            "test_spent_and_held_never_pass_the_limit",
            "test_the_law_holds_at_each_of_many_random_operations",
            "test_threads_and_tasks_in_many_orders",
        ),
    ),
    "all ancestors": (
        "A ledger is bound by its own caps and by those of every ledger above it.",
        (
            "test_exceeded_names_the_ledger_above_that_refuses",
            "test_processes_hammering_one_cap_never_pass_it",
        ),
    ),
    "one step": (
        "Checking and changing are one atomic step over the whole path.",
        (
            "test_a_refusal_changes_nothing_in_any_ledger",
            "test_two_threads_in_every_order",
            "test_two_processes_in_every_order",
            "test_an_interrupt_in_a_step_leaves_all_of_it_or_nothing",
        ),
    ),
    "life": (
        "A hold is reserved, then dispatched, then settled or released.",
        ("test_settling_gives_back_the_rest", "test_nothing_follows_a_release"),
    ),
    "before the wire": (
        "A hold is written before its call is sent.",
        (
            "test_what_was_served_is_never_more_than_the_ledger_says",
            "test_a_process_killed_at_any_step_leaves_what_it_did",
        ),
    ),
    "exception before dispatching": (
        "An exception, or a cancellation, before dispatching releases the hold.",
        (
            "test_an_exception_before_dispatching_releases",
            "test_a_task_cancelled_at_any_await_of_a_life_is_charged_as_far_as_it_came",
        ),
    ),
    "refused connection": (
        "A connection that was refused releases the hold, though it was dispatched.",
        ("test_a_refused_connection_releases", "test_a_connection_that_was_never_made_is_free"),
    ),
    "unbilled error": (
        "An error that the provider documents as unbilled costs one call and no tokens.",
        ("test_a_refused_request_costs_one_call", "test_server_errors_are_not_taken_for_free"),
    ),
    "unknown outcome": (
        "A time-out, a cut or an unknown outcome charges the hold in full.",
        (
            "test_an_unknown_outcome_charges_in_full",
            "test_a_timeout_charges_the_hold",
            "test_a_stream_that_breaks_off_charges_the_hold",
            "test_an_error_after_billing_charges_the_hold",
        ),
    ),
    "crash": (
        "After a crash every hold that was open is charged in full, once.",
        (
            "test_what_a_killed_process_held_is_charged_in_full",
            "test_kills_at_any_point_lose_nothing_and_count_nothing_twice",
            "test_a_process_killed_at_any_step_leaves_what_it_did",
        ),
    ),
    "basis": (
        "Every receipt line says on what evidence: measured, estimated or presumed.",
        ("test_lines_come_in_the_order_of_reservation", "test_a_receipt_adds_up"),
    ),
    "lease": (
        "When the lease of a silent owner ends, its hold becomes presumed spending.",
        ("test_a_hold_whose_lease_ended_is_presumed_spent",),
    ),
    "late settling": (
        "A late settling replaces the presumption.",
        (
            "test_a_late_settling_replaces_the_presumption",
            "test_an_owner_heard_of_again_holds_again",
        ),
    ),
    "same settling": (
        "The same settling again changes nothing.",
        ("test_the_same_settling_again_changes_nothing",),
    ),
    "other settling": (
        "Another settling after a measured one raises HoldSettled; a guess is replaced.",
        (
            "test_the_same_settling_again_changes_nothing",
            "test_a_measured_settling_replaces_a_guess",
        ),
    ),
    "exceeded": (
        "What cannot fit even if every hold were released raises BudgetExceeded at once.",
        (
            "test_what_can_never_fit_is_exceeded_though_others_hold",
            "test_never_fitting_one_ledger_wins_over_busy_at_another",
            "test_waiting_for_what_can_never_fit_ends_at_once",
        ),
    ),
    "busy": (
        "What fails only because of others' holds may wait, and then raises BudgetBusy.",
        (
            "test_what_fails_because_of_holds_is_busy",
            "test_a_thread_waits_until_there_is_room",
            "test_busy_when_the_wait_is_over",
        ),
    ),
    "queue": (
        "In memory a tree has one queue: nobody overtakes on a capped ledger they share.",
        (
            "test_first_come_first_served",
            "test_a_newcomer_does_not_overtake",
            "test_the_first_in_one_line_waits_for_the_first_in_another",
            "test_who_shares_no_capped_ledger_may_pass",
        ),
    ),
    "retries": (
        "Elsewhere who waits tries again after random pauses, and no order is claimed.",
        ("test_a_thread_waits_until_there_is_room", "test_pauses_grow_and_are_never_in_step"),
    ),
    "cancelled waiter": (
        "A waiter that is cancelled leaves the queue.",
        (
            "test_a_cancelled_waiter_leaves_the_queue",
            "test_an_interrupted_asker_leaves_the_queue",
            "test_two_tasks_and_a_cancellation_in_every_order",
        ),
    ),
    "racing grant": (
        "A grant that races with the cancellation is released.",
        (
            "test_a_grant_that_races_with_cancellation_is_released",
            "test_a_cancelled_waiter_holds_nothing",
        ),
    ),
    "nothing while waiting": (
        "Who waits holds nothing.",
        ("test_busy_when_the_wait_is_over", "test_a_waiter_whose_loop_is_closed_holds_nothing"),
    ),
    "extend": (
        "Extending never waits.",
        ("test_extend_holds_more_and_never_waits",),
    ),
    "event loop": (
        "Reserving in a task never blocks the event loop.",
        (
            "test_the_loop_runs_on_while_a_task_waits",
            "test_a_task_waits_until_there_is_room",
        ),
    ),
    "breach": (
        "Settling records the truth; more than the hold is a breach, on the receipt.",
        (
            "test_a_breach_is_recorded_in_full",
            "test_more_than_was_allowed_is_recorded_in_full",
        ),
    ),
    "closing": (
        "Ledgers whose own limit spending has passed close.",
        (
            "test_a_breach_is_recorded_in_full",
            "test_spending_that_passes_the_limit_later_closes_too",
            "test_what_a_siblings_breach_has_left_too_little_room_for_closes_too",
        ),
    ),
    "widening": (
        "After a breach, later holds are widened by the error that was seen.",
        (
            "test_later_holds_widen_by_the_observed_error",
            "test_a_breach_widens_those_who_wait",
        ),
    ),
    "exceeded closes nothing": (
        "BudgetExceeded closes nothing: a smaller call may fit.",
        ("test_exceeded_closes_nothing",),
    ),
    "no retry": (
        "Refusals are RuntimeErrors, which LangGraph's default policy does not retry.",
        (
            "test_every_refusal_is_a_runtime_error",
            "test_node_retries",
        ),
    ),
    "numbers and cure": (
        "A refusal says the numbers and the cure.",
        (
            "test_exceeded_says_the_numbers_and_the_cure",
            "test_what_fails_because_of_holds_is_busy",
        ),
    ),
    "cap child": (
        "A child with a budget is a cap, and takes nothing from its parent.",
        ("test_a_cap_takes_nothing_from_its_parent",),
    ),
    "set-aside": (
        "A set-aside moves its amount into a hold on the parent.",
        ("test_a_set_aside_moves_its_amount_into_a_hold", "test_set_asides_nest"),
    ),
    "closing a set-aside": (
        "Closing a set-aside returns what is unspent.",
        (
            "test_closing_a_set_aside_returns_what_is_unspent",
            "test_closing_an_outer_set_aside_returns_the_inner_too",
        ),
    ),
    "drawing once": (
        "A call inside a set-aside draws on it, and on the parent only through it.",
        (
            "test_a_call_inside_draws_on_the_set_aside_only",
            "test_a_set_aside_is_not_held_up_by_waiters_above",
        ),
    ),
    "reserve in tokens": (
        "An answer_reserve given as an int is so many tokens, one call and their price.",
        ("test_a_reserve_in_tokens_keeps_their_price", "test_only_the_answer_may_use_its_reserve"),
    ),
    "reserve for the answer": (
        "Only what asks for the answer may use the reserve, and the ledger sees to it.",
        (
            "test_only_the_answer_may_use_its_reserve",
            "test_a_reserve_binds_the_ledgers_below",
            "test_the_answer_reserve_pays_for_the_last_answer",
        ),
    ),
    "seconds apart": (
        "Seconds are no part of an amount, and stand outside the sum.",
        ("test_seconds_are_active_time", "test_time_is_the_least_of_all_ledgers_above"),
    ),
    "active time": (
        "Time counts between resume and pause, never backwards, and is found again.",
        (
            "test_seconds_are_active_time",
            "test_a_clock_that_jumps_back_gives_no_time_back",
            "test_active_time_is_found_again",
            "test_a_clock_set_back_refunds_nothing",
        ),
    ),
    "a person thinks": (
        "The graph pauses the clock while it waits for a person.",
        ("test_clocks_stand_still_between_questions",),
    ),
    "time-out": (
        "Time is checked when a call is reserved, and passed on as its time-out.",
        ("test_seconds_are_active_time", "test_the_seconds_that_are_left_end_the_request"),
    ),
    "money down and up": (
        "A budget rounds down, and the price of a call up, once, to whole nanodollars.",
        (
            "test_a_budget_rounds_money_down",
            "test_rounding_never_raises_a_budget",
            "test_a_listed_model_costs_what_the_list_says",
        ),
    ),
    "dearest and billed": (
        "A call is reserved at the dearest rate that may apply, and settled at the billed one.",
        (
            "test_no_call_costs_more_than_was_reserved",
            "test_cached_tokens_are_settled_at_their_price",
            "test_a_long_prompt_is_reserved_at_the_rate_of_its_tier",
        ),
    ),
    "memory stays": (
        "A ledger in memory that is forked or pickled raises, with the cure.",
        ("test_copies_are_refused", "test_a_forked_ledger_is_refused"),
    ),
    "others travel": (
        "Other ledgers pickle as a place and an id, and connect again.",
        (
            "test_ledgers_and_stores_pickle",
            "test_ledgers_and_holds_are_pickled_to_another_process",
            "test_a_life_goes_on_in_another_process_after_any_step",
        ),
    ),
    "windows": (
        "A renewing budget has all of it in each window; a hold belongs to the one it began in.",
        (
            "test_each_window_has_the_whole_budget",
            "test_a_hold_belongs_to_the_window_it_was_reserved_in",
            "test_a_window_and_its_past_are_found_again",
        ),
    ),
}


@pytest.fixture(scope="module")
def proofs() -> set[str]:
    """The names of all tests there are."""
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "budget" / "conformance").glob("*.py")]
    return {
        node.name
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("sentence", LAW)
def test_every_sentence_of_the_law_has_its_tests(proofs: set[str], sentence: str) -> None:
    """A sentence without a test, or with one that is gone, is no law."""
    _, tests = LAW[sentence]
    assert tests
    assert not set(tests) - proofs
