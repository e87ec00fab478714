"""Faults of queries and conditions."""

from __future__ import annotations

from tests.past.fault import Fault

FAULTS = (
    Fault(
        "instr-stopped-the-server",
        "One instr() of a long text in a longer one stopped the server for minutes, for any token that may read.",
        "tests/sql/test_guard.py::test_no_single_step_is_long",
    ),
    Fault(
        "slow-functions-ran-on-the-loop",
        "Functions that may take long were tried on the event loop first.",
        "tests/sql/test_guard.py::test_the_loop_waits_for_no_function_that_may_take_long",
    ),
    Fault(
        "large-values-ran-on-the-loop",
        "Queries over large values were tried on the event loop first.",
        "tests/sql/test_guard.py::test_the_loop_waits_for_no_large_value",
    ),
    Fault(
        "replace-took-gigabytes",
        "replace() made its whole value before its size was looked at, and took gigabytes of memory.",
        "tests/sql/test_guard.py::test_a_value_that_would_be_too_large_is_never_made",
    ),
    Fault(
        "endless-queries-kept-the-operator-waiting",
        "A dozen endless queries under one token kept the operator's query waiting for a minute.",
        "tests/sql/test_places.py::test_an_asker_of_whom_nothing_runs_waits_for_no_other",
    ),
    Fault(
        "busy-machine-made-a-query-500",
        "A query was answered with 500 when its turn ended while it was being measured.",
        "tests/sql/test_turns.py::test_a_turn_that_ends_while_it_is_measured_is_over",
    ),
    Fault(
        "query-fought-for-the-interpreter",
        "A query beside a busy event loop took ten times as long, because both fought for the interpreter.",
        "tests/sql/test_turns.py::test_while_the_thread_has_its_turn_the_loop_stands_still",
    ),
    Fault(
        "list-of-many-held-the-loop",
        "A list that looked at many rows and found none held the event loop.",
        "tests/sql/test_turns.py::test_a_list_that_looks_at_many_and_finds_none_is_worked_out_beside_the_loop",
    ),
    Fault(
        "or-of-two-indexes-lost-rows",
        "A condition with 'or' over two indexes left out rows, and a job over it did too.",
        "tests/sql/test_pushdown.py::test_what_fits_either_of_two_conditions_is_found_once_by_their_indexes",
    ),
    Fault(
        "or-over-events-lost-rows",
        "Events of either of two invocations were found in part.",
        "tests/sql/test_tables.py::test_events_of_either_of_two_invocations_are_found_once_each",
    ),
    Fault(
        "condition-reached-beyond-its-target",
        "A condition with an unbalanced bracket reached beyond the target that it stood beside.",
        "tests/cli/test_steering.py::test_a_condition_cannot_reach_beyond_its_target",
    ),
    Fault(
        "query-under-a-mocked-clock-never-ended",
        "Under trio's MockClock, a query that was slow enough for a thread never ended.",
        "tests/sql/test_turns.py::test_under_a_mocked_clock_a_query_ends_and_takes_no_time",
    ),
)
