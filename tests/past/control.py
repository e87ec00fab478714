"""Faults of verbs, deadlocks, jobs, copies, the doctor, and what is told of an invocation."""

from __future__ import annotations

from tests.past.fault import Fault

FAULTS = (
    Fault(
        "compensation-in-a-nursery-got-one-try",
        "A compensation that failed while a cancel passed a nursery got no second try and left no trace.",
        "tests/engine/test_compensations.py::test_a_compensation_that_fails_is_tried_again_and_the_cancel_goes_on",
    ),
    Fault(
        "failed-compensation-left-no-trace",
        "A compensation that failed for good during a cancel was not kept on the outcome.",
        "tests/engine/test_compensations.py::test_one_that_fails_for_good_is_kept_on_the_cancelled_outcome",
    ),
    Fault(
        "except-around-a-nursery-was-passed-by",
        "'except CancelledError' around a nursery was passed by when a compensation had failed in it.",
        "tests/engine/test_compensations.py::test_the_cancel_is_caught_around_a_nursery_in_which_one_failed_for_good",
    ),
    Fault(
        "two-keys-waited-for-each-other",
        "Two objects that called each other at the same time waited for ever.",
        "tests/engine/test_deadlocks.py::test_of_two_that_want_each_others_key_one_is_refused",
    ),
    Fault(
        "send-and-result-waited-for-ever",
        "Two objects that waited for each other through send() and result() waited for ever.",
        "tests/engine/test_deadlocks.py::test_what_waits_for_an_invocation_by_its_id_can_close_a_circle",
    ),
    Fault(
        "joined-call-waited-for-ever",
        "A circle of waits through a call that joined one under way was not found.",
        "tests/engine/test_deadlocks.py::test_a_call_that_joins_one_under_way_can_close_a_circle",
    ),
    Fault(
        "old-circle-waited-for-ever",
        "A circle of waits from before the start of the process was not found.",
        "tests/engine/test_deadlocks.py::test_a_circle_of_before_is_found_when_the_process_starts",
    ),
    Fault(
        "waiting-for-oneself-hung",
        "An invocation that waited for itself waited for ever.",
        "tests/engine/test_hostile_handlers.py::test_waiting_for_oneself_is_a_deadlock_and_named",
    ),
    Fault(
        "cancel-was-lost-in-a-pause",
        "A cancel of an invocation that was paused during its last step was acknowledged, and the invocation succeeded.",
        "tests/engine/test_cancels.py::test_one_paused_during_its_last_step_is_cancelled_at_that_step",
    ),
    Fault(
        "cancel-was-lost-behind-a-gate",
        "A cancel of an invocation whose gate was closed during its last step was acknowledged and lost.",
        "tests/engine/test_cancels.py::test_one_whose_gate_was_closed_during_its_last_step_is_cancelled_at_that_step",
    ),
    Fault(
        "cancel-came-too-late",
        "A cancel of an invocation that was held came after everything that was recorded meanwhile.",
        "tests/engine/test_cancels.py::test_one_held_between_two_steps_is_cancelled_where_it_stands",
    ),
    Fault(
        "cancel-was-lost-in-a-race",
        "In one of 600 races an acknowledged cancel never arrived.",
        "tests/engine/test_cancels.py::test_whichever_is_first_an_acknowledged_cancel_arrives",
    ),
    Fault(
        "stubborn-step-hid-the-cancel",
        "A step that ended although it was stopped hid the cancel from its handler.",
        "tests/engine/test_cancels.py::test_a_step_that_ends_although_it_is_stopped_does_not_hide_the_cancel",
    ),
    Fault(
        "closing-scope-hid-the-cancel",
        "A scope that was being left hid the cancel from its handler.",
        "tests/engine/test_cancels.py::test_a_scope_that_was_being_left_does_not_hide_the_cancel",
    ),
    Fault(
        "shielded-handler-succeeded-after-a-cancel",
        "A handler that shielded itself to the end succeeded although it had been cancelled.",
        "tests/engine/test_cancels.py::test_one_that_shields_itself_to_the_end_ends_cancelled_and_keeps_what_it_wrote",
    ),
    Fault(
        "nursery-end-was-no-await",
        "A cancel did not arrive at the end of a nursery.",
        "tests/engine/test_cancels.py::test_leaving_a_nursery_is_an_await_that_a_cancel_arrives_at",
    ),
    Fault(
        "second-cancel-was-ignored",
        "A second cancel with kill_after was ignored, so that a patience could not be set later.",
        "tests/engine/test_control.py::test_a_second_cancel_may_shorten_the_patience_and_never_lengthens_it",
    ),
    Fault(
        "refused-call-was-made-later",
        "A call that had been refused was made later.",
        "tests/engine/test_races.py::test_a_refused_call_is_not_made_later",
    ),
    Fault(
        "woken-while-suspended-was-lost",
        "An idle handler that was woken while it was being suspended did not go on.",
        "tests/engine/test_races.py::test_an_idle_one_that_is_woken_while_it_is_being_suspended_goes_on",
    ),
    Fault(
        "waiting-step-was-forgotten",
        "A step that waited for its turn never got it after others before it were stopped.",
        "tests/engine/test_races.py::test_a_step_that_waits_for_its_turn_gets_it_although_others_before_it_were_stopped",
    ),
    Fault(
        "idle-attempts-step-was-forgotten",
        "A step that waited for its turn never got it when its attempt was idle.",
        "tests/engine/test_races.py::test_a_step_that_waits_for_its_turn_gets_it_although_its_attempt_was_idle",
    ),
    Fault(
        "late-giving-way-ended-the-engine",
        "A step that gave way after another had used up its attempts ended the engine.",
        "tests/engine/test_races.py::test_a_step_may_give_way_after_another_has_used_up_its_attempts",
    ),
    Fault(
        "output-while-held-was-lost",
        "What a step emitted while its invocation was held was lost.",
        "tests/engine/test_races.py::test_what_a_step_emits_while_its_invocation_is_held_is_kept",
    ),
    Fault(
        "kill-and-purge-left-a-history",
        "A handler that killed and purged at once left the history where it was.",
        "tests/engine/test_races.py::test_a_handler_that_kills_and_purges_at_once_has_purged",
    ),
    Fault(
        "repeated-with-its-purge",
        "A request that was repeated in the commit that purged its first invocation ended a runtime in memory.",
        "tests/engine/test_long_lives.py::test_a_request_that_comes_together_with_the_purge_of_its_first_is_done_again",
    ),
    Fault(
        "short-retention-waited-for-longer-ones",
        "A short retention did not end while others lasted longer.",
        "tests/engine/test_races.py::test_a_short_retention_ends_in_time_although_others_last_longer",
    ),
    Fault(
        "retention-began-before-the-disk",
        "A short retention did not end in time, because its beginning was not yet on disk.",
        "tests/engine/test_control.py::test_a_short_retention_ends_on_time_although_its_beginning_was_not_on_disk_yet",
    ),
    Fault(
        "purge-lost-fields",
        "A purge of a newer invocation lost fields that it had written, while an older one was retained.",
        "tests/engine/test_races.py::test_what_a_purged_one_wrote_stays_while_an_older_one_is_retained",
    ),
    Fault(
        "answers-of-two-lives-mixed-up",
        "Answers to another partition were taken for those of an earlier life of the object.",
        "tests/engine/test_races.py::test_answers_to_another_partition_are_told_apart",
    ),
    Fault(
        "message-was-taken-for-an-old-one",
        "A message was dropped as one that had come before, because its sender had begun anew.",
        "tests/engine/test_races.py::test_a_message_to_another_partition_arrives_although_its_sender_began_anew_meanwhile",
    ),
    Fault(
        "failed-commit-kept-callers-waiting",
        "After a failed commit callers waited until a step gave way.",
        "tests/engine/test_races.py::test_after_a_failed_commit_callers_hear_at_once_though_a_step_does_not_give_way",
    ),
    Fault(
        "following-a-purged-one-hung",
        "A client that followed an invocation that was purged waited for ever.",
        "tests/engine/test_races.py::test_whoever_follows_one_that_is_purged_does_not_wait_for_its_end",
    ),
    Fault(
        "wrong-signal-paused-the-invocation",
        "A signal of another type than asked for paused its invocation.",
        "tests/engine/test_time_and_structure.py::test_a_signal_of_another_type_than_asked_for_is_passed_over_and_named_in_the_log",
    ),
    Fault(
        "used-up-step-was-said-to-be-tried",
        "'why' said of a step that had used all its tries that it is tried again.",
        "tests/engine/test_why.py::test_a_step_that_has_used_its_tries_is_not_said_to_be_tried_again",
    ),
    Fault(
        "failed-tries-of-steps-were-not-listed",
        "The listing counted no failed tries of steps.",
        "tests/engine/test_why.py::test_the_listing_counts_the_tries_of_a_step_that_have_failed",
    ),
    Fault(
        "stopping-step-was-said-to-run",
        "'why' said of a step that was being stopped that it runs.",
        "tests/engine/test_stopped_steps.py::test_a_step_that_does_not_give_way_is_being_stopped",
    ),
    Fault(
        "paused-invocations-step-was-said-to-run",
        "'why' said of a paused invocation that its step runs.",
        "tests/engine/test_stopped_steps.py::test_a_step_that_a_pause_aborted_was_abandoned",
    ),
    Fault(
        "group-hid-its-errors",
        "The text of a group of errors did not say what was in it, so all groups looked the same.",
        "tests/engine/test_refusals.py::test_a_group_of_errors_for_good_is_for_good_and_says_what_is_in_it",
    ),
    Fault(
        "field-set-through-a-reference",
        "A field that was set through a reference was lost without a word.",
        "tests/engine/test_refusals.py::test_a_field_cannot_be_used_through_a_reference",
    ),
    Fault(
        "job-ran-twice-after-a-lost-answer",
        "A bulk job that was asked for again after a lost answer ran a second time.",
        "tests/engine/test_jobs.py::test_a_job_asked_for_again_under_its_key_is_the_same_job_also_at_once_and_after_its_end",
    ),
    Fault(
        "refused-items-were-asked-in-part",
        "A retry of what a job was refused took the first 200 only.",
        "tests/engine/test_jobs.py::test_all_that_refused_a_job_are_asked_again_by_another_however_many_they_were",
    ),
    Fault(
        "typed-error-ended-a-job",
        "A typed error of a verb ended a bulk job instead of being counted.",
        "tests/engine/test_job_refusals.py::test_an_error_of_any_type_is_counted_and_the_job_goes_on",
    ),
    Fault(
        "object-of-before-was-not-named",
        "An event number beyond the log was refused without the object, and with an empty range.",
        "tests/engine/test_objects.py::test_an_object_that_was_never_used_is_the_same_after_any_event",
    ),
    Fault(
        "history-start-was-unknown",
        "The history of a field was empty after a purge, with no word from where it is kept.",
        "tests/engine/test_objects.py::test_an_object_tells_from_which_event_its_history_is_kept",
    ),
    Fault(
        "field-history-began-with-the-oldest",
        "The history of a field gave its oldest changes only, and the latest took a reading of all.",
        "tests/engine/test_objects.py::test_a_history_is_read_from_its_newest_change_back_as_it_is_read_from_its_oldest_on",
    ),
    Fault(
        "history-page-tore-an-event-apart",
        "A page of a field's history ended within the changes of one event, and the rest could not be asked for.",
        "tests/engine/test_objects.py::test_what_one_event_has_changed_is_not_torn_apart_by_a_limit",
    ),
    Fault(
        "edit-of-built-in-objects",
        "An edit of a built-in object was done.",
        "tests/engine/test_objects.py::test_an_edit_of_what_is_built_in_or_of_letters_instead_of_names_is_refused",
    ),
    Fault(
        "backlog-ran-in-a-copy",
        "A copy that was restored from a backup ran the timers and sends of its original beside it.",
        "tests/engine/test_copies.py::test_a_copy_does_no_work_of_its_original",
    ),
    Fault(
        "put-off-message-ran-in-a-copy",
        "A message that its object could not take in yet was done by a copy as well.",
        "tests/engine/test_copies.py::test_a_message_on_its_way_at_the_backup_is_held_as_well",
    ),
    Fault(
        "two-copies-of-an-object-in-memory",
        "An object left memory before its part in a commit was durable, so that two copies of it lived.",
        "tests/engine/test_audit.py::test_an_object_that_is_made_in_the_commit_that_notes_a_refusal_is_whole",
    ),
    Fault(
        "doctor-passed-a-lost-timer",
        "A timer that was lost left an invocation asleep for ever, and doctor called that sound.",
        "tests/engine/test_doctor.py::test_each_sort_of_timer_that_is_lost_is_found_and_set_again_as_it_was",
    ),
    Fault(
        "doctor-passed-a-lost-callee",
        "A caller whose callee is gone waited for ever, and doctor called that sound.",
        "tests/engine/test_doctor.py::test_a_caller_whose_callee_is_gone_is_found",
    ),
    Fault(
        "doctor-passed-a-lost-item",
        "Items that differ from the history were called sound.",
        "tests/engine/test_doctor.py::test_items_that_differ_from_what_the_whole_history_says_are_found_and_written_again",
    ),
    Fault(
        "lost-tries-policy-was-overruled",
        "A step that ended its process was paused as blocked, although its policy had ended it.",
        "tests/engine/test_lost_tries.py::test_the_policy_of_a_step_that_ends_its_process_comes_first",
    ),
    Fault(
        "steps-were-stopped-before-the-cancel-was-durable",
        "A running step was stopped by a cancel, a kill or a pause that was not on disk yet and could still be forgotten.",
        "tests/engine/test_cancels.py::test_a_step_is_stopped_once_the_verb_is_on_disk",
    ),
    Fault(
        "list-of-jobs-read-all-invocations",
        "The list of jobs read all invocations, and at 100,000 of them nobody else was answered meanwhile.",
        "tests/engine/test_jobs.py::test_the_newest_jobs_are_found_without_reading_invocations",
    ),
    Fault(
        "rewind-behind-a-rewind-lost-items",
        "A rewind to before an earlier rewind made a log as long as it had been, without the items that the earlier one had removed.",
        "tests/engine/test_rewinds.py::test_a_rewind_behind_a_rewind_puts_back_what_that_one_removed",
    ),
    Fault(
        "rewound-restart-began-before-its-rewind",
        "A rewinding restart of an invocation that had begun with a rewind reset the fields to before that rewind.",
        "tests/engine/test_rewinds.py::test_a_rewinding_restart_of_one_begins_where_that_one_began",
    ),
    Fault(
        "past-of-a-rewound-log-was-the-present",
        "The items of a log as of an event before a rewind were those of now, and a restart could read them in its kept part.",
        "tests/engine/test_rewinds.py::test_the_past_of_a_log_is_what_it_was_before_a_rewind",
        "tests/engine/test_rewinds.py::test_a_kept_part_that_cannot_read_a_log_as_it_was_is_refused",
    ),
    Fault(
        "second-restart-read-maps-of-later",
        "A restart of a restart read, in its kept part, items of maps that had changed after the first restart.",
        "tests/engine/test_rewinds.py::test_a_restart_of_a_restart_reads_maps_as_the_first_original_did",
    ),
    Fault(
        "cancelled-wait-lost-an-item",
        "An item of an output or a history was lost if the asyncio task that waited was cancelled, or a blocked thread interrupted, as it came.",
        "tests/aio/test_client.py::test_an_item_that_comes_while_its_wait_is_cancelled_is_given_to_the_next",
        "tests/http/test_blocking_client.py::test_an_item_that_comes_while_its_wait_is_interrupted_is_given_to_the_next",
    ),
    Fault(
        "cancelled-wait-ended-the-results-of-a-job",
        "After a wait for the results of a job was cancelled, the iterator ended as if there were no more.",
        "tests/aio/test_client.py::test_the_results_of_a_job_go_on_after_a_wait_that_was_cancelled",
    ),
    Fault(
        "same-schedule-was-refused-after-its-end",
        "A program that creates its schedule at each start failed to start once the schedule's end had passed, and so did an update.",
        "tests/engine/test_schedule_repairs.py::test_the_same_create_changes_nothing_after_the_end",
        "tests/engine/test_schedule_repairs.py::test_a_schedule_that_has_ended_takes_a_note_and_no_other_end_in_the_past",
    ),
    Fault(
        "same-schedule-was-one-too-many",
        "With the greatest number of schedules, a create that changed nothing was refused by the limit.",
        "tests/engine/test_schedule_repairs.py::test_the_same_create_changes_nothing_when_there_are_as_many_schedules_as_may_be",
    ),
    Fault(
        "same-schedule-was-another-after-an-upgrade",
        "When a handler had got an optional parameter, the same create of its schedule was refused as another one.",
        "tests/engine/test_schedule_repairs.py::test_the_same_create_changes_nothing_when_the_handler_has_another_signature",
    ),
    Fault(
        "killed-call-stopped-its-schedule",
        "A kill or cancel of the invocation that called a scheduled run left the run open, and the schedule skipped every time after it.",
        "tests/engine/test_schedule_repairs.py::test_a_schedule_goes_on_when_the_call_of_its_run_is_stopped",
        "tests/engine/test_schedule_repairs.py::test_the_end_is_told_within_minutes_whatever_the_state_of_the_schedule",
        "tests/engine/test_schedule_repairs.py::test_a_run_that_is_purged_before_its_end_was_told_counts_as_failed_and_says_so",
        "tests/engine/test_schedule_repairs.py::test_a_long_run_has_one_watch_which_stops_nothing_and_is_replaced_if_it_is_killed",
    ),
    Fault(
        "unknown-zone-lost-a-waiting-run",
        "A scheduled run whose turn came while the time zone was unknown to the process was lost, and those behind it waited for ever.",
        "tests/engine/test_schedule_repairs.py::test_a_run_that_waits_is_not_lost_while_the_zone_is_unknown",
        "tests/engine/test_schedule_repairs.py::test_a_schedule_is_resumed_while_its_zone_is_unknown_and_loses_nothing",
    ),
    Fault(
        "killed-wake-stopped-its-schedule",
        "After a kill of its wake, a schedule started nothing any more, and the create at the next start of the program did not help.",
        "tests/engine/test_schedule_repairs.py::test_the_same_create_wakes_a_schedule_whose_wake_was_killed",
    ),
    Fault(
        "wake-came-before-its-time",
        "A timer could be due up to a quarter of a microsecond early, and on virtual time a schedule then woke again and again for ever.",
        "tests/journal/test_messages.py::test_a_key_names_no_moment_before_its_date",
    ),
    Fault(
        "end-of-a-run-put-off-the-next-ones",
        "A run that ended, or was asked for by hand, when the next wake of its schedule was due put off all further runs for up to an hour.",
        "tests/engine/test_schedule_repairs.py::test_what_happens_just_before_a_wake_delays_no_run",
        "tests/engine/test_schedule_repairs.py::test_all_missed_times_are_decided_on_at_once_while_an_earlier_run_is_open",
    ),
    Fault(
        "key-was-not-free-after-the-end",
        "A request whose first invocation had ended and was not retained got its result again, until the search for such had purged it.",
        "tests/engine/test_long_lives.py::test_who_has_the_result_may_use_the_key_again_at_once",
    ),
    Fault(
        "later-run-had-the-step-keys-of-a-purged-one",
        "A new run under the key of a purged one had its step keys and random numbers, so that a provider or a database took its steps for done.",
        "tests/engine/test_long_lives.py::test_one_under_the_same_key_as_a_purged_one_has_keys_and_draws_of_its_own",
    ),
    Fault(
        "job-passed-by-what-it-let-begin",
        "A job that cancelled or killed several invocations of one object took the next one, which began when the first had ended, for done.",
        "tests/engine/test_jobs.py::test_those_that_wait_for_one_object_are_all_ended",
    ),
)
