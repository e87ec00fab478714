"""Faults that random programs, storms and deaths found, and faults of the tests' own machinery."""

from __future__ import annotations

from tests.past.fault import Fault

FAULTS = (
    Fault(
        "atomic-restart-lost-half-a-change",
        "A restart of an atomic handler lost what its kept part had written, and left half a change.",
        "tests/engine/test_restart_atomic.py::test_one_that_was_killed_writes_all_of_it_when_it_is_restarted",
    ),
    Fault(
        "purge-lost-the-past-of-a-restart",
        "A purge made the past that a waiting restart needs unreadable, and the restart ran kept steps again.",
        "tests/engine/test_restart.py::test_the_past_of_its_object_stays_while_a_restart_waits",
    ),
    Fault(
        "restart-drew-other-chance",
        "A restart drew other random numbers in what it kept, so that a kept call was another call.",
        "tests/engine/test_restart.py::test_chance_falls_as_it_fell_in_what_is_kept",
    ),
    Fault(
        "drain-waited-for-a-step-that-never-began",
        "A pause that drains waited for ever for a step that was recorded and had not begun.",
        "tests/core/test_decide.py::test_a_pause_waits_for_the_last_running_step_and_for_nothing_else",
    ),
    Fault(
        "messages-shared-a-place",
        "Two messages of one commit to a partition without an owner got the same place, and the first was lost.",
        "tests/journal/test_messages.py::test_messages_of_one_commit_to_a_partition_that_nobody_owns_all_arrive",
    ),
    Fault(
        "helpers-asserted-nothing-under-o",
        "Under python -O the assertions of the tests' helpers were left out.",
        "tests/test_house.py::test_assertions_of_helpers_hold_in_optimized_tests",
    ),
    Fault(
        "rewind-showed-half-a-change",
        "A rewinding restart of an atomic handler showed half of its change, which stayed if the restart was killed.",
        "tests/engine/test_restart_atomic.py::test_one_that_is_killed_after_a_rewind_shows_no_half",
    ),
    Fault(
        "purge-lost-a-row-beside-damage",
        "A purge whose history was damaged before its commit removed the invocation's row and kept its history.",
        "tests/engine/test_damage_and_doubt.py::test_a_row_stays_whose_history_is_damaged_while_its_purge_waits",
    ),
    Fault(
        "resumed-step-had-fewer-tries",
        "A resume did not give back all attempts to a step that was to be tried again and had not begun.",
        "tests/core/test_evolve.py::test_one_that_goes_on_after_a_pause_has_all_attempts_ahead_and_its_steps_run_at_once",
    ),
    Fault(
        "queued-restart-gave-a-signal-to-another-wait",
        "A signal for a restart that had not begun was given to a wait that keeps its own, or to none.",
        "tests/engine/test_signals.py::test_a_restart_in_line_gives_what_it_is_sent_to_the_wait_that_it_goes_back_to",
        "tests/engine/test_signals.py::test_a_restart_of_a_restart_that_was_in_line_keeps_which_wait_took_what",
    ),
    Fault(
        "object-that-left-memory-waited-for-its-code",
        "An object that left memory while its code was loaded was changed in two places, and set aside, or its engine stopped.",
        "tests/deployments/test_pinning.py::test_objects_that_leave_memory_while_their_code_is_loaded_run_once",
    ),
    Fault(
        "purged-invocation-stayed-in-the-index-by-deployment",
        "An invocation that was killed and purged in one commit was counted for its deployment for ever, which no prune could remove.",
        "tests/engine/test_index.py::test_an_invocation_that_ends_and_is_purged_in_one_commit_leaves_no_index",
    ),
    Fault(
        "call-was-refused-after-its-object-moved",
        "A call that waited while its object moved to a node that did not take it was refused as if it had not been made.",
        "tests/engine/test_cluster.py::test_a_call_that_waits_when_its_object_moves_to_nobody_is_unknown_and_not_refused[in memory]",
    ),
    Fault(
        "refused-commit-beside-a-changed-rule-ended-the-engine",
        "A commit that was refused, as on a full disk, just when a gate was opened or a budget changed, ended the whole engine.",
        "tests/engine/test_damage_and_doubt.py::test_a_commit_that_is_refused_while_a_rule_changes_does_not_end_the_engine[gate]",
        "tests/engine/test_damage_and_doubt.py::test_a_commit_that_is_refused_while_a_rule_changes_does_not_end_the_engine[budget]",
    ),
)
