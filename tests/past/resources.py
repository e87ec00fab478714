"""Faults of code that took too much: the event loop, memory, or the whole process."""

from __future__ import annotations

from tests.past.fault import Fault

FAULTS = (
    Fault(
        "busy-loop-took-the-server",
        "A handler that never came to an await stopped every request and SIGTERM, and again at each start.",
        "tests/engine/test_blocking.py::test_a_handler_is_interrupted_and_paused_and_the_rest_goes_on[loop]",
    ),
    Fault(
        "blocking-search-could-not-be-interrupted",
        "A regular expression that never ended held the interpreter, and nothing interrupted it.",
        "tests/engine/test_blocking.py::test_a_search_that_holds_the_interpreter_is_interrupted_too",
    ),
    Fault(
        "blocking-argument-stopped-the-loop",
        "An argument whose class never returned from its constructor stopped the event loop.",
        "tests/engine/test_blocking.py::test_an_argument_that_blocks_as_it_is_made_pauses_its_invocation",
    ),
    Fault(
        "blocking-copy-stopped-the-loop",
        "An argument of a step that blocked while it was copied stopped the event loop.",
        "tests/engine/test_blocking.py::test_so_is_a_step_whose_argument_blocks_as_it_is_copied",
    ),
    Fault(
        "blocking-request-stopped-the-loop",
        "A request whose argument never became an object stopped the server.",
        "tests/engine/test_blocking.py::test_a_request_whose_argument_never_becomes_an_object_is_refused",
    ),
    Fault(
        "endless-error-text-stopped-the-loop",
        "An error whose text never ended stopped the event loop.",
        "tests/engine/test_blocking.py::test_an_error_whose_text_never_ends_is_kept_without_it",
    ),
    Fault(
        "blocking-cleanup-stopped-the-loop",
        "A cleanup that blocked after its attempt stopped the event loop.",
        "tests/engine/test_blocking.py::test_a_cleanup_that_blocks_is_interrupted_when_its_attempt_is_over",
    ),
    Fault(
        "interrupted-in-a-library-line",
        "A pause for blocking named a line of a library of this package instead of the user's line.",
        "tests/engine/test_blocking.py::test_a_handler_is_interrupted_and_paused_and_the_rest_goes_on[emit_without_end]",
    ),
    Fault(
        "check-hung-on-blocking-code",
        "A check on code that never waits held up everything.",
        "tests/deployments/test_check.py::test_code_that_never_waits_raises_and_does_not_hold_up_the_check",
    ),
    Fault(
        "stopped-process-blamed-a-handler",
        "After a stopped process went on, the watchdog interrupted a handler that had done nothing.",
        "tests/engine/test_meter.py::test_a_stopped_process_counts_for_nothing",
    ),
    Fault(
        "collector-blamed-a-handler",
        "The watchdog counted a run of the garbage collector as blocking by a handler.",
        "tests/engine/test_meter.py::test_the_garbage_collector_counts_for_nothing",
    ),
    Fault(
        "late-look-blamed-a-handler",
        "The watchdog counted all time since its last look, not the time that the code ran.",
        "tests/engine/test_meter.py::test_a_look_after_a_long_time_blames_only_code_that_ran",
    ),
    Fault(
        "swallowing-handler-held-the-loop",
        "A handler that caught everything in a loop held the thread for ever when it was suspended, killed or stopped.",
        "tests/engine/test_hostile_handlers.py::test_one_that_swallows_everything_is_suspended_cancelled_and_killed_all_the_same",
    ),
    Fault(
        "names-and-reasons-had-no-limit",
        "Reasons, names of signals and output of any size were taken.",
        "tests/engine/test_hostile_handlers.py::test_names_and_reasons_have_limits",
    ),
    Fault(
        "endless-output-had-no-limit",
        "A step that emitted without end filled the store.",
        "tests/engine/test_races.py::test_output_without_end_meets_its_limit",
    ),
    Fault(
        "fields-had-no-size-limit",
        "A field took 40 MiB, although every value has a limit.",
        "tests/engine/test_limits.py::test_a_value_in_a_field_has_the_limit_of_every_value",
    ),
    Fault(
        "items-had-no-size-limit",
        "An item of a Log or a Map took any size, although every value has a limit.",
        "tests/engine/test_limits.py::test_a_handler_may_catch_that_an_item_is_too_large",
    ),
    Fault(
        "restart-input-had-no-size-limit",
        "The input of a restart took any size.",
        "tests/engine/test_limits.py::test_the_input_of_a_restart_has_the_limit_of_every_value",
    ),
    Fault(
        "objects-filled-the-memory",
        "Ten thousand objects of 9 MiB stayed in memory, because only their number was limited.",
        "tests/engine/test_residents.py::test_objects_in_memory_are_bounded_by_the_bytes_of_their_fields",
    ),
    Fault(
        "ended-service-calls-stayed-in-memory",
        "Calls of services that had ended stayed in memory.",
        "tests/engine/test_residents.py::test_an_ended_call_of_a_service_leaves_nothing_in_memory",
    ),
    Fault(
        "waiting-writes-were-not-counted",
        "What a waiting handler had written was not counted as memory of its object.",
        "tests/engine/test_residents.py::test_what_a_waiting_handler_has_written_counts_as_well",
    ),
    Fault(
        "large-fields-took-twice-their-size",
        "A large field took up to twice the memory that it was counted for.",
        "tests/engine/test_residents.py::test_a_large_field_is_kept_in_no_more_memory_than_it_weighs",
    ),
    Fault(
        "ended-handlers-left-garbage",
        "Each call left 29 objects, and each handler of ten steps 120, that only the garbage collector could free.",
        "tests/engine/test_garbage.py::test_an_invocation_that_has_ended_leaves_nothing_to_collect",
    ),
    Fault(
        "start-waited-for-handlers",
        "The opening of a runtime waited for the handlers that went on, and took no calls meanwhile.",
        "tests/engine/test_opening.py::test_calls_are_taken_while_much_is_taken_up",
    ),
    Fault(
        "broken-code-was-imported-10000-times",
        "Code that cannot be imported was imported, and its traceback printed, once for each invocation pinned to it.",
        "tests/deployments/test_broken_code.py::test_it_is_imported_and_told_once_for_all_that_are_pinned_to_it",
    ),
    Fault(
        "endless-import-held-up-other-code",
        "Code that never ended its import held up all other code.",
        "tests/deployments/test_broken_code.py::test_code_that_never_ends_its_import_does_not_hold_up_other_code",
    ),
    Fault(
        "lost-tries-were-not-counted",
        "A step that killed its process was begun again at each start, for ever, with no failed attempt on record.",
        "tests/engine/test_lost_tries.py::test_a_lost_try_is_recorded_and_backs_off",
    ),
    Fault(
        "killing-step-was-never-paused",
        "A step that ended its process each time was never paused by its policy.",
        "tests/engine/test_lost_tries.py::test_a_step_that_ends_its_process_each_time_is_paused_after_its_policy",
    ),
    Fault(
        "killing-handler-ended-each-start",
        "A handler whose own code ended the process ended every start after it.",
        "tests/engine/test_lost_tries.py::test_two_deaths_during_turns_of_one_invocation_pause_it",
    ),
    Fault(
        "second-lost-try-was-not-counted",
        "The second lost try of an async step was not counted, and its policy did not decide.",
        "tests/engine/test_lost_tries.py::test_a_step_that_had_the_loop_at_two_deaths_is_paused_and_both_tries_count",
    ),
    Fault(
        "memory-was-not-given-back",
        "A server kept 1,700 MiB for 252 MiB of objects, since freed blocks stayed in its heap.",
        "tests/cli/test_allocator.py::test_large_blocks_that_are_freed_leave_the_process",
    ),
    Fault(
        "room-was-asked-for-over-and-over",
        "At the limit of attempts every start asked the same ones to leave, and twenty thousand took minutes.",
        "tests/engine/test_time_and_structure.py::test_those_that_make_room_leave_once_each_however_many_start_at_once",
    ),
    Fault(
        "drain-used-a-whole-core",
        "A runtime that ended during a commit asked its owners turn after turn, and on virtual time never ended.",
        "tests/engine/test_ending.py::test_a_cancelled_runtime_waits_for_its_last_commit_and_no_longer",
    ),
    Fault(
        "count-of-open-held-the-loop",
        "A list of deployments held the event loop until it had counted all open invocations.",
        "tests/sql/test_counts.py::test_open_invocations_are_counted_without_a_look_at_them",
    ),
    Fault(
        "mistakes-were-tried-ten-times",
        "A misspelt name was tried ten times within forty seconds, so that 'playhead dev' seemed to hang.",
        "tests/engine/test_mistakes.py::test_a_runtime_that_fails_fast_fails_at_the_first_mistake",
    ),
    Fault(
        "writes-were-counted-at-each-turn",
        "What a handler had written was counted over at each of its turns: 10,000 items took 50 million additions.",
        "tests/engine/test_residents.py::test_what_a_handler_has_written_is_counted_once",
    ),
    Fault(
        "departed-clients-kept-objects",
        "A client that stopped waiting for an outcome was kept until the end of the invocation, and its object with it.",
        "tests/engine/test_departed_clients.py::test_an_object_leaves_memory_once_its_clients_have_left",
    ),
    Fault(
        "branches-were-walked-at-each-event",
        "Each end of a step of a handler looked at all its other steps, and each deadline at all its branches: 8,000 took ten seconds.",
        "tests/core/test_evolve.py::test_the_end_of_one_of_many_steps_needs_no_look_at_the_others",
    ),
)
