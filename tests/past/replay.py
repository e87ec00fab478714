"""Faults of replay, restarts, signals and output: a handler that lived again did not live the same."""

from __future__ import annotations

from tests.past.fault import Fault

FAULTS = (
    Fault(
        "generator-cleanup-took-other-answers",
        "After an async generator was left early, its cleanup took answers that belonged to later awaits of the handler.",
        "tests/engine/test_async_generators.py::test_what_follows_a_generator_that_was_left_gets_its_own_answers",
    ),
    Fault(
        "late-finaliser-made-requests",
        "A finaliser that ran late asked for durable operations, whose answers went elsewhere.",
        "tests/core/test_generators.py::test_a_generator_left_early_takes_no_answer_and_asks_for_nothing",
    ),
    Fault(
        "collector-used-a-verb",
        "A finaliser that the garbage collector ran used a verb in the name of another handler.",
        "tests/core/test_branches.py::test_a_finaliser_that_the_collector_runs_cannot_use_a_verb",
    ),
    Fault(
        "operation-of-the-wrong-branch",
        "An operation belonged to the branch that had made it, so a cancel of the branch that awaited it missed it.",
        "tests/core/test_branches.py::test_an_operation_that_one_branch_made_is_cancelled_with_the_one_that_awaits_it",
    ),
    Fault(
        "hand-stepped-coroutine-made-requests",
        "A coroutine that was stepped by hand asked for durable operations.",
        "tests/core/test_branches.py::test_a_coroutine_stepped_by_hand_asks_for_nothing",
    ),
    Fault(
        "other-arguments-were-the-same-step",
        "A replay took a step with other arguments for the same one, and gave it the outcome of the other.",
        "tests/core/test_step_arguments.py::test_other_arguments_are_a_mismatch_that_shows_both",
    ),
    Fault(
        "client-argument-hid-all-others",
        "One argument that was no value kept all others from being compared, so charge(c, 1) was charge(c, 2).",
        "tests/core/test_step_arguments.py::test_a_value_beside_what_is_not_a_value_is_compared",
    ),
    Fault(
        "check-saw-a-change-in-a-client",
        "A check of the same code saw a change in a client object, since it compared its address.",
        "tests/engine/test_histories.py::test_a_check_of_the_same_code_sees_no_change_in_a_client",
    ),
    Fault(
        "check-missed-other-arguments",
        "A check told a step with other arguments as the same.",
        "tests/deployments/test_check.py::test_a_step_with_other_arguments_diverges_and_shows_both",
    ),
    Fault(
        "restart-did-not-ask-again",
        "A restart before an approval went on with the old approval after a pause, a gate, a backoff or a deadline.",
        "tests/engine/test_signals.py::test_a_restart_before_an_approval_asks_again_whatever_held_the_handler",
    ),
    Fault(
        "two-waits-for-one-signal-mixed-up",
        "A restart mixed up two waits for one signal.",
        "tests/engine/test_signals.py::test_two_waits_for_one_signal_are_never_mixed_up",
    ),
    Fault(
        "signal-after-a-deadline-was-the-old-waits",
        "A signal that came after a deadline, during a pause, was told as the answer to the wait that the deadline had ended.",
        "tests/core/test_signals.py::test_a_signal_that_came_after_a_deadline_while_it_was_held_is_the_next_waits",
    ),
    Fault(
        "restarted-deadline-had-no-time-left",
        "A step that a deadline had stopped began again in a restart with no time left.",
        "tests/core/test_signals.py::test_a_step_that_a_deadline_stopped_runs_again_with_all_its_time",
    ),
    Fault(
        "successor-met-a-dead-callee",
        "A restart stopped the callee under a key, and the successor's same call met the corpse.",
        "tests/engine/test_restart_calls.py::test_a_callee_under_a_key_is_spared_and_answers_the_successor",
    ),
    Fault(
        "stopped-callee-was-not-repeated",
        "A callee that had been stopped with its caller was not repeated by the restart of the caller.",
        "tests/engine/test_restart_calls.py::test_a_callee_that_was_stopped_with_its_caller_is_repeated_with_it",
    ),
    Fault(
        "second-caller-under-a-key-had-no-answer",
        "A second call under a key of an invocation under way was never answered.",
        "tests/engine/test_restart_calls.py::test_two_callers_under_one_key_are_both_answered",
    ),
    Fault(
        "dry-run-did-not-name-the-callees",
        "The dry run of a restart did not say which callees it stops.",
        "tests/engine/test_restart_calls.py::test_the_dry_run_says_which_callees_go_on_and_which_are_stopped",
    ),
    Fault(
        "history-of-verbs-was-unreadable",
        "The history of every handler that steered another could not be read by any client.",
        "tests/test_history.py::test_every_reader_can_read_every_event",
    ),
    Fault(
        "long-arguments-were-dropped",
        "The arguments of a step beyond 2 KiB were dropped without a mark.",
        "tests/engine/test_histories.py::test_the_arguments_of_a_step_are_shown_whole",
    ),
    Fault(
        "cut-arguments-did-not-say-so",
        "An argument that was too large to be kept was shown as null.",
        "tests/engine/test_histories.py::test_arguments_beyond_the_payload_limit_are_marked_as_cut_with_their_size",
    ),
    Fault(
        "traceback-began-in-the-framework",
        "A traceback began with frames of the engine, and its first lines told nothing of the user's code.",
        "tests/engine/test_tracebacks.py::test_a_traceback_begins_with_a_frame_of_the_user",
    ),
    Fault(
        "long-traceback-lost-its-beginning",
        "A long traceback lost its beginning, where the user's code is.",
        "tests/engine/test_tracebacks.py::test_a_long_traceback_keeps_its_beginning_and_its_end",
    ),
    Fault(
        "log-repeated-the-traceback",
        "The log told a traceback at every try, or not at all.",
        "tests/engine/test_tracebacks.py::test_the_log_tells_a_traceback_once_at_the_last_try",
    ),
    Fault(
        "output-of-failed-tries-was-repeated",
        "A step that was tried again emitted again, and readers got the pieces of all tries without a mark.",
        "tests/engine/test_output.py::test_a_reader_sees_the_pieces_of_the_try_that_did_not_fail_once",
    ),
    Fault(
        "output-did-not-say-its-try",
        "A piece of output did not say its step, its try and its offset.",
        "tests/engine/test_output.py::test_pieces_say_their_step_their_try_and_their_offset",
    ),
    Fault(
        "restart-copied-void-output",
        "A restart kept the output of failed tries of a kept step.",
        "tests/engine/test_output.py::test_a_restart_keeps_the_line_of_a_kept_step_alone",
    ),
    Fault(
        "finally-ran-at-every-suspension",
        "A 'finally' ran whenever a handler left memory, with no way to tell that from the end.",
        "tests/engine/test_leaving_memory.py::test_blocks_are_left_each_time_and_suspending_tells_that_from_the_end",
    ),
    Fault(
        "logging-came-again-with-every-replay",
        "What a handler logged came again with every replay.",
        "tests/engine/test_handler_log.py::test_a_line_is_said_once_whatever_its_handler_lives_through",
    ),
    Fault(
        "steps-did-not-see-context-variables",
        "A step did not see the context variables that its handler had set.",
        "tests/engine/test_context_variables.py::test_a_step_sees_what_its_handler_has_set_and_changes_nothing_of_it",
    ),
    Fault(
        "threads-did-not-see-context-variables",
        "A step in a thread did not see the context variables that its handler had set.",
        "tests/engine/test_context_variables.py::test_a_step_in_a_real_thread_sees_it_too",
    ),
    Fault(
        "children-did-not-see-context-variables",
        "Children of a nursery did not begin with the context variables of their parent.",
        "tests/core/test_branches.py::test_children_begin_with_the_context_variables_of_the_moment_they_are_started_at",
    ),
    Fault(
        "service-restarts-queued",
        "Restarts of one service call queued for each other, for ever if the first was paused.",
        "tests/engine/test_restart.py::test_restarts_of_one_call_of_a_service_run_side_by_side",
    ),
    Fault(
        "waiting-restart-was-said-to-run",
        "'why' said that a restart runs while it waited for its original.",
        "tests/engine/test_restart.py::test_a_restart_that_waits_for_its_original_says_so",
    ),
    Fault(
        "restart-kept-code-that-was-gone",
        "A restart on code that had been pruned was accepted and then paused.",
        "tests/deployments/test_pinning.py::test_a_restart_of_what_ran_on_code_that_is_gone_takes_the_latest",
    ),
    Fault(
        "restart-could-not-keep-all-steps",
        "What failed after its last step could not be restarted without running that step again.",
        "tests/engine/test_restart_end.py::test_what_failed_after_the_last_step_runs_again_and_no_step_does",
    ),
    Fault(
        "restart-with-new-input-paused-at-once",
        "A restart with other input was accepted and paused at once on a mismatch that no resume could mend.",
        "tests/engine/test_restart_input.py::test_a_kept_step_that_would_get_another_argument_is_named",
    ),
    Fault(
        "unreadable-past-began-anew",
        "A restart that could not read what it keeps began from the start when it was resumed.",
        "tests/engine/test_restart.py::test_a_restart_that_could_not_read_what_it_keeps_reads_it_when_resumed",
    ),
    Fault(
        "waiting-restart-stopped-all-retention",
        "One restart that waited for its turn kept all others of its object beyond their retention.",
        "tests/engine/test_restart.py::test_a_waiting_restart_keeps_what_it_needs_and_nothing_else_from_its_retention",
    ),
    Fault(
        "waiting-restart-lost-its-original",
        "What a waiting restart was to keep was purged before it started.",
        "tests/engine/test_restart.py::test_what_a_waiting_restart_will_keep_is_not_purged_before_it_has_started",
    ),
    Fault(
        "rewind-of-the-unbegun-was-an-internal-error",
        "A rewinding restart of what never began failed with StopIteration.",
        "tests/engine/test_restart_unbegun.py::test_what_never_began_cannot_be_rewound",
    ),
    Fault(
        "end-restart-of-the-unbegun-lost-signals",
        "A restart from the end of what only had signals failed with StopIteration.",
        "tests/engine/test_restart_unbegun.py::test_signals_that_came_before_it_began_are_kept",
    ),
    Fault(
        "empty-step-was-the-beginning",
        "An empty from_step, as from an unset variable, restarted from the beginning.",
        "tests/engine/test_restart_unbegun.py::test_an_empty_step_is_not_the_beginning",
    ),
    Fault(
        "foreign-await-named-the-engines-line",
        "A non-durable await was refused with a line of the engine instead of the handler's.",
        "tests/core/test_replay.py::test_what_is_not_durable_is_refused_and_the_line_is_named",
    ),
    Fault(
        "client-in-a-handler-did-its-work",
        "A client that a handler used did its work, again in each replay, and the error named a line of the engine.",
        "tests/engine/test_refused_uses.py::test_a_client_in_a_handler_does_nothing_and_names_the_line_and_the_verbs",
    ),
    Fault(
        "swallowed-refusal-was-forgotten",
        "A handler that caught the refusal of an await of trio went on, and succeeded.",
        "tests/engine/test_refused_uses.py::test_a_refused_await_fails_the_handler_that_swallows_it",
    ),
    Fault(
        "step-was-named-for-the-engines-line",
        "A step was named for a line of the engine instead of the line that calls it.",
        "tests/core/test_replay.py::test_a_step_is_named_for_where_it_was_started",
    ),
    Fault(
        "restart-on-new-code-kept-old-arguments",
        "A restart on other code gave its step the argument of the old code.",
        "tests/deployments/test_check.py::test_a_restart_on_other_code_gives_its_step_the_argument_of_that_code",
    ),
    Fault(
        "mismatch-hid-the-other-argument",
        "A mismatch did not show the argument that differs where the step also takes a client.",
        "tests/core/test_step_arguments.py::test_a_mismatch_shows_the_value_that_differs_however_many_clients_are_beside_it",
    ),
    Fault(
        "source-lines-of-the-same-code-in-another-file",
        "The line of a request named another file that contains the same function: code objects of two files can be equal.",
        "tests/core/test_source_lines.py::test_the_same_code_in_two_files_has_a_line_in_each",
    ),
    Fault(
        "start-forgot-a-signal-that-came-before-its-wait",
        "A signal that was received before the handler waited for it, and not given yet, was owed to no start after a crash.",
        "tests/core/test_owed.py::test_a_signal_that_came_before_the_turn_waited_for_it_is_owed",
    ),
    Fault(
        "late-abort-stopped-another-step",
        "A step that raised an error of the store kept the scope of its task, and a late abort of it stopped the next step there.",
        "tests/engine/test_step_pool.py::test_a_step_that_raises_an_error_of_the_store_is_not_stopped_in_another",
    ),
    Fault(
        "code-went-on-as-a-handler-that-had-ended",
        "Code that kept the context of a handler could use durable verbs as that handler after its end.",
        "tests/engine/test_whole_invocations.py::test_code_that_keeps_the_context_of_a_handler_cannot_go_on_as_the_handler[random]",
    ),
    Fault(
        "interruption-was-lost-in-a-collection",
        "Code that blocked the loop was interrupted in the engine's own listener of a garbage collection, and Python dropped it.",
        "tests/engine/test_blocking.py::test_a_collection_in_the_midst_of_a_users_code_is_not_interrupted",
    ),
    Fault(
        "restart-of-a-restart-reordered-output",
        "A restart of a restart emitted the handler's own pieces behind those of the kept steps.",
        "tests/engine/test_output.py::test_a_restart_of_a_restart_emits_in_the_order_of_the_original",
        "tests/engine/test_output.py::test_pieces_that_a_restart_copies_together_are_told_apart_by_the_next",
    ),
)
