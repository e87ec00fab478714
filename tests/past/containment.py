"""Faults that reached further than the invocation, the object or the code that they began in."""

from __future__ import annotations

from tests.past.fault import Fault

FAULTS = (
    Fault(
        "odd-policy-ended-the-runtime",
        "A retry policy that the engine could not use ended the runtime, and again at each start.",
        "tests/engine/test_containment.py::test_what_makes_the_engine_fail_pauses_its_invocation",
    ),
    Fault(
        "nan-time-ended-every-start",
        "A sleep or deadline of NaN entered the timers and ended the runtime at each start.",
        "tests/engine/test_entries.py::test_a_number_that_is_no_time_is_refused_by_its_parameter",
    ),
    Fault(
        "name-not-utf8-ended-the-runtime",
        "The name of a step or signal that was not UTF-8 ended the runtime.",
        "tests/engine/test_entries.py::test_a_name_that_is_not_utf8_is_refused_by_its_parameter",
    ),
    Fault(
        "key-not-utf8-ended-the-runtime",
        "A key that was not UTF-8 ended the runtime.",
        "tests/engine/test_entries.py::test_a_key_that_is_not_utf8_is_refused",
    ),
    Fault(
        "reason-not-utf8-ended-the-runtime",
        "A reason or error text that was not UTF-8 went into the audit and ended the runtime.",
        "tests/engine/test_entries.py::test_a_reason_that_is_not_utf8_is_kept_escaped_when_a_handler_raises_it",
    ),
    Fault(
        "source-file-name-ended-the-runtime",
        "Code in a file whose name is not UTF-8 ended the runtime.",
        "tests/engine/test_entries.py::test_code_in_a_file_whose_name_is_not_utf8_runs_and_its_lines_are_told",
    ),
    Fault(
        "user-name-ended-the-runtime",
        "A process user whose name is not UTF-8 ended the runtime at its first verb.",
        "tests/engine/test_entries.py::test_a_user_whose_name_is_not_utf8_is_named_all_the_same",
    ),
    Fault(
        "huge-int-ended-the-runtime",
        "An integer beyond Python's limit on digits ended the runtime when it was written.",
        "tests/engine/test_entries.py::test_an_int_that_cannot_be_written_is_refused_where_it_is_kept",
    ),
    Fault(
        "signed-int-could-not-be-read",
        "An integer of 4,300 digits with a sign was written and could never be read again.",
        "tests/values/test_scalars.py::test_an_int_that_another_process_could_not_read_is_refused",
    ),
    Fault(
        "json-value-not-utf8-ended-the-runtime",
        "A value that JSON cannot hold ended the runtime where it was kept unchecked.",
        "tests/engine/test_entries.py::test_a_value_that_json_cannot_hold_is_refused_wherever_it_is_kept",
    ),
    Fault(
        "terminal-class-alone-ended-the-runtime",
        "RetryPolicy(terminal=ValueError), one class instead of a tuple, ended the runtime at the first failure.",
        "tests/engine/test_entries.py::test_a_policy_takes_one_class_as_terminal",
    ),
    Fault(
        "error-type-made-object-unreadable",
        "A user's error with a number in its attribute 'type' made its object unreadable from the next start on.",
        "tests/engine/test_entries.py::test_an_error_whose_type_is_no_name_is_recorded_as_its_class",
    ),
    Fault(
        "error-text-raised-in-the-engine",
        "An error whose text, cause or class raised when it was read ended the engine.",
        "tests/hostile/test_failures.py::test_what_is_kept_of_an_error_can_be_written_and_read",
    ),
    Fault(
        "error-type-could-not-be-compared",
        "An error that was given a text of the user's own class as its type raised inside the engine.",
        "tests/hostile/test_failures.py::test_what_is_kept_of_an_error_can_be_written_and_read[type of one of ours cannot be looked at]",
    ),
    Fault(
        "looping-error-group-hung-the-loop",
        "A group of errors that held itself stopped the event loop.",
        "tests/hostile/test_failures.py::test_of_a_deep_group_the_bottom_is_told",
    ),
    Fault(
        "doubled-error-groups-hung-the-loop",
        "Sixty error groups that each held another one twice stopped the event loop at the end of a scope.",
        "tests/core/test_groups.py::test_one_with_too_many_paths_is_not_taken_apart",
    ),
    Fault(
        "unreadable-event-joined-the-batch",
        "An event that could not be read again was written together with the events of other objects.",
        "tests/journal/test_codec.py::test_an_event_that_could_not_be_read_is_refused_before_it_joins",
    ),
    Fault(
        "events-taken-back-were-encoded-again",
        "Taking back events that could not be encoded encoded them again, and failed again.",
        "tests/journal/test_codec.py::test_taking_events_back_needs_nothing_that_could_fail",
    ),
    Fault(
        "unreadable-step-arguments-of-users",
        "The names that an author had given to the arguments of a step were written and not read again.",
        "tests/journal/test_codec.py::test_what_the_author_of_a_step_wrote_is_read_again",
    ),
    Fault(
        "class-lied-about-itself",
        "A value whose class lied about __class__ paused its invocation as if the engine had failed.",
        "tests/hostile/test_users.py::test_a_value_of_a_type_is_kept_as_it_was_or_refused_wherever_it_is_kept",
    ),
    Fault(
        "metaclass-answered-for-terminal",
        "A policy's 'terminal' asked a user's metaclass, which could answer anything.",
        "tests/hostile/test_failures.py::test_a_policy_names_classes_as_except_does_and_asks_no_metaclass",
    ),
    Fault(
        "terminal-group-was-retried",
        "A group of errors whose own class is terminal was tried again.",
        "tests/hostile/test_failures.py::test_a_group_is_terminal_if_its_class_is",
    ),
    Fault(
        "log-handler-ended-the-runtime",
        "A handler of logging that raises ended the runtime, or its start.",
        "tests/engine/test_containment.py::test_a_log_handler_that_raises_stops_nothing",
    ),
    Fault(
        "broken-object-ended-the-start",
        "One object that could not be taken up ended the start of the whole runtime.",
        "tests/engine/test_containment.py::test_an_object_that_cannot_be_taken_up_does_not_end_the_start",
    ),
    Fault(
        "row-of-an-end-that-was-taken-back",
        "The row of an end that was taken back stayed in the listing.",
        "tests/engine/test_containment.py::test_an_end_that_was_not_recorded_leaves_no_row",
    ),
    Fault(
        "open-scope-in-a-step-ended-the-engine",
        "A step whose body left a cancel scope or a nursery open ended the engine.",
        "tests/engine/test_containment.py::test_a_body_that_leaves_a_scope_or_a_nursery_open_fails_alone",
    ),
    Fault(
        "set-aside-was-only-in-the-log",
        "Only the log told of an object that was set aside; the audit, the health and doctor knew nothing.",
        "tests/engine/test_containment.py::test_everybody_is_told_of_an_object_that_is_set_aside",
    ),
    Fault(
        "set-aside-came-back-by-itself",
        "An object that was set aside left memory when many were used, and went on where the engine had failed.",
        "tests/engine/test_containment.py::test_an_object_that_is_set_aside_stays_so_however_many_are_used",
    ),
    Fault(
        "engine-fault-reached-other-objects",
        "A fault of the engine on one object ended the runtime for all others.",
        "tests/hostile/test_faults.py::test_a_fault_of_the_engine_stops_nothing_but_the_object_that_it_meets",
    ),
    Fault(
        "damaged-message-held-up-others",
        "One message that could not be read held up all messages after it.",
        "tests/engine/test_containment.py::test_a_message_that_cannot_be_read_stays_and_the_others_are_handed_out",
    ),
    Fault(
        "answer-to-damaged-object-was-lost",
        "An answer to an object that could not be read was lost, and its caller waited for ever after the repair.",
        "tests/engine/test_damage_and_doubt.py::test_an_answer_to_a_damaged_object_comes_when_it_is_repaired",
    ),
    Fault(
        "refused-call-ran-after-a-repair",
        "A call that a damaged object had refused was done after the repair.",
        "tests/engine/test_damage_and_doubt.py::test_a_call_that_a_damaged_object_refused_is_not_done_later",
    ),
    Fault(
        "message-was-written-each-second",
        "A message to a damaged object was written anew each second.",
        "tests/engine/test_damage_and_doubt.py::test_a_message_to_a_damaged_object_is_kept_once_however_long_it_waits",
    ),
    Fault(
        "audit-row-touched-a-damaged-object",
        "Noting a verb that a damaged object refused appended to that object, failed, and had its whole partition claimed again.",
        "tests/engine/test_damage_and_doubt.py::test_a_damaged_object_is_named_with_its_event_and_others_go_on",
    ),
    Fault(
        "purge-lost-a-damaged-history",
        "A purge of a history that could not be read answered that it was done and left the history where nobody could find it.",
        "tests/engine/test_damage_and_doubt.py::test_what_cannot_be_erased_is_not_purged_and_keeps_its_row",
    ),
    Fault(
        "damaged-object-held-up-a-job",
        "A bulk job asked a damaged object twenty times and was then paused, so one object held up all others.",
        "tests/engine/test_job_refusals.py::test_a_damaged_object_refuses_every_verb_and_holds_up_no_other",
    ),
    Fault(
        "damaged-text-was-an-error-of-python",
        "A flipped bit in a stored text came out as UnicodeDecodeError, which nothing contained.",
        "tests/engine/test_damaged_texts.py::test_a_text_that_is_no_text_is_damage",
    ),
    Fault(
        "damaged-identity-was-an-error-of-python",
        "A flipped bit in the file STORE came out as UnicodeDecodeError.",
        "tests/engine/test_damaged_texts.py::test_an_identity_that_is_no_text_is_damage",
    ),
    Fault(
        "illegal-stream-passed-under-o",
        "Under python -O, stored events that cannot follow each other were folded into a wrong object.",
        "tests/engine/test_fold.py::test_events_that_cannot_follow_each_other_are_damage",
    ),
    Fault(
        "contradictory-snapshot-was-taken",
        "A snapshot that contradicted itself was taken for the object.",
        "tests/engine/test_fold.py::test_a_snapshot_that_contradicts_itself_is_damage",
    ),
    Fault(
        "acceptance-was-only-asserted",
        "Under python -O a stored history without its acceptance was replayed.",
        "tests/core/test_contradictory_histories.py::test_a_history_begins_with_its_acceptance",
    ),
    Fault(
        "asserts-guarded-stored-bytes",
        "Assertions, which python -O leaves out, stood between stored bytes and the engine.",
        "tests/test_house.py::test_nothing_is_asserted",
    ),
    Fault(
        "control-c-was-a-step-failure",
        "Control-C that met a step was recorded as that step's failure.",
        "tests/engine/test_hostile_handlers.py::test_a_real_interrupt_ends_the_program_and_is_nobodys_failure",
    ),
    Fault(
        "error-without-init-lost-its-type",
        "An error that was made without its base's __init__ lost its type.",
        "tests/engine/test_hostile_handlers.py::test_an_error_made_without_its_bases_init_keeps_its_type",
    ),
    Fault(
        "trap-errors-ended-the-engine",
        "Errors that a handler raised on purpose to break their reader ended the engine.",
        "tests/engine/test_hostile_handlers.py::test_whatever_is_raised_is_a_failure_of_the_handler",
    ),
    Fault(
        "far-dates-ended-the-engine",
        "A date beyond every calendar ended the engine.",
        "tests/engine/test_hostile_handlers.py::test_dates_beyond_every_calendar_never_come",
    ),
    Fault(
        "two-exhausted-steps-ended-the-engine",
        "Two steps that used up their attempts one after the other ended the engine.",
        "tests/engine/test_races.py::test_two_steps_may_use_up_their_attempts_one_after_the_other",
    ),
    Fault(
        "broken-latest-prevented-a-start",
        "A latest deployment that could not be imported prevented the start.",
        "tests/deployments/test_broken_code.py::test_a_latest_that_cannot_be_imported_holds_up_no_start_and_is_taken_up_later",
    ),
    Fault(
        "unserved-objects-went-unnoticed",
        "An app that lacked a class with stored objects started without a word.",
        "tests/engine/test_unserved.py::test_a_start_names_the_classes_that_are_missing",
    ),
    Fault(
        "unserved-objects-were-out-of-sight",
        "Objects of a class that was missing could be listed and not looked at.",
        "tests/engine/test_unserved.py::test_its_objects_can_be_seen_and_not_changed",
    ),
    Fault(
        "unserved-waits-had-no-reason",
        "What waited for a missing class was paused without naming the class.",
        "tests/engine/test_unserved.py::test_what_waits_says_which_class_is_missing_and_goes_on_with_it",
    ),
    Fault(
        "damaged-output-disabled-its-object",
        "The damaged head of one output refused every command on its object, also the purge that its error message advises.",
        "tests/engine/test_damaged_output.py::test_the_damaged_head_of_one_that_has_completed_disturbs_no_other_and_can_be_purged",
        "tests/engine/test_damaged_output.py::test_one_that_is_open_and_has_a_damaged_head_is_paused_alone_and_can_be_killed_and_purged",
    ),
    Fault(
        "restart-with-damaged-output-hung",
        "A restart whose original has damaged output kept its history and never set its timers, calls and steps.",
        "tests/engine/test_damaged_output.py::test_a_restart_that_cannot_copy_its_output_is_paused_until_it_is_repaired[kill]",
        "tests/engine/test_damaged_output.py::test_a_restart_that_cannot_copy_its_output_is_paused_until_it_is_repaired[None]",
    ),
)
