"""Faults of the console."""

from __future__ import annotations

from tests.past.fault import Fault

FAULTS = (
    Fault(
        "audit-filters-could-not-be-typed",
        "The filters of the audit lost what was typed while calls ran.",
        "tests/console/test_under_traffic.py::test_what_is_typed_stays_while_calls_run",
    ),
    Fault(
        "final-answers-were-asked-again",
        "An answer that is final was asked for again 27 times a second, for ever.",
        "tests/console/test_under_traffic.py::test_an_answer_that_is_final_is_not_asked_again",
    ),
    Fault(
        "nested-steps-could-not-be-opened",
        "The steps of a nested call could not be opened.",
        "tests/console/test_under_traffic.py::test_a_step_of_a_nested_call_opens",
    ),
    Fault(
        "navigation-was-out-of-sight",
        "Half of the navigation was out of sight at widths above 760 px.",
        "tests/console/test_under_traffic.py::test_every_page_is_in_sight_at_every_width",
    ),
    Fault(
        "lost-token-discarded-a-dialog",
        "A token that was revoked discarded the open dialog and what was typed in it.",
        "tests/console/test_under_traffic.py::test_a_lost_token_leaves_an_open_dialog_as_it_is",
    ),
    Fault(
        "back-discarded-a-dialog",
        "Back discarded the open dialog.",
        "tests/console/test_under_traffic.py::test_back_leaves_an_open_dialog_as_it_is",
    ),
    Fault(
        "forward-was-lost-after-a-dialog",
        "Back while a dialog was open lost the entries after it.",
        "tests/console/test_under_traffic.py::test_forward_leaves_an_open_dialog_as_it_is_and_is_there_later",
    ),
    Fault(
        "unknown-page-had-no-way-out",
        "An address of no page showed no heading and no way out.",
        "tests/console/test_under_traffic.py::test_an_address_of_no_page_says_so_and_leads_out",
    ),
    Fault(
        "invisible-characters-looked-alike",
        "Keys that differ in white space or invisible characters looked the same.",
        "tests/console/test_hostile.py::test_keys_that_differ_in_what_cannot_be_seen_look_different",
    ),
    Fault(
        "output-of-failed-tries-was-shown",
        "The output of a step showed the pieces of its failed tries.",
        "tests/console/test_invocation.py::test_the_output_is_that_of_the_try_that_did_not_fail",
    ),
    Fault(
        "page-missed-a-change",
        "A page missed what happened between its first reading and the opening of its stream.",
        "tests/console/test_frame.py::test_what_happens_before_the_stream_is_open_is_told_by_it",
    ),
    Fault(
        "link-ran-a-query",
        "A condition or a query in a link of another site ran without a question.",
        "tests/console/test_frame.py::test_a_query_from_elsewhere_is_shown_and_waits_to_be_run",
    ),
    Fault(
        "order-in-the-address-was-sql",
        "The order in an address went into the query as it was.",
        "tests/console/test_frame.py::test_an_order_in_the_address_is_one_of_the_columns",
    ),
    Fault(
        "seventh-tab-never-loaded",
        "Each tab held a stream of its own, and the seventh tab never loaded.",
        "tests/console/test_frame.py::test_many_tabs_hear_through_one_stream_and_the_next_one_goes_on_when_it_is_closed",
    ),
    Fault(
        "tab-from-a-link-had-no-token",
        "A tab that was opened from a link had to sign in again.",
        "tests/console/test_frame.py::test_a_tab_opened_from_a_link_has_the_token_of_the_one_it_came_from",
    ),
    Fault(
        "cut-token-gave-an-empty-page",
        "A token that was cut off in the address gave an empty page.",
        "tests/console/test_frame.py::test_a_token_that_was_cut_off_in_the_address_leads_to_the_sign_in",
    ),
    Fault(
        "late-audit-page-joined-another-list",
        "A late page of older audit rows went into the list of another filter.",
        "tests/console/test_audit.py::test_a_page_that_comes_after_another_filter_was_set_is_dropped",
    ),
    Fault(
        "gate-dialog-turned-around",
        "The dialog that closes a gate turned into the one that opens it.",
        "tests/console/test_objects.py::test_the_dialog_of_a_gate_stays_what_it_was_opened_for",
    ),
    Fault(
        "signal-form-came-before-its-type",
        "The form of a signal showed a plain JSON field for good when the history came late.",
        "tests/console/test_invocation.py::test_the_form_of_a_signal_waits_for_the_history",
    ),
    Fault(
        "signal-name-threw-away-its-value",
        "Typing another name for a signal threw away its value at every key.",
        "tests/console/test_invocation.py::test_a_signal_by_another_name_keeps_what_was_typed_for_it",
    ),
    Fault(
        "lost-answer-restarted-twice",
        "A second click after a lost answer restarted or signalled twice.",
        "tests/console/test_invocation.py::test_what_had_no_answer_is_asked_again_and_done_once",
    ),
    Fault(
        "history-stayed-loading",
        "A history that was opened while the server was away stayed 'Loading'.",
        "tests/console/test_invocation.py::test_what_was_opened_while_the_server_was_away_is_read_when_it_is_back",
    ),
    Fault(
        "copy-lacked-its-argument",
        "The dialog 'Copy as' offered commands without the argument.",
        "tests/console/test_copies.py::test_a_copy_is_offered_once_its_argument_is_known",
    ),
    Fault(
        "copied-commands-did-not-run",
        "Commands and programs that were copied from the console did not run.",
        "tests/console/test_copies.py::test_a_copy_of_an_invocation_runs_and_does_the_same_again",
    ),
    Fault(
        "dot-key-showed-another-page",
        "The keys '.' and '..' showed the answer of another page.",
        "tests/console/test_copies.py::test_a_key_that_is_a_step_in_a_path_is_refused",
    ),
    Fault(
        "long-integers-lost-digits",
        "An integer beyond 2**53 came back as another number after it was only shown.",
        "tests/console/test_exact.py::test_what_is_read_and_written_again_is_what_it_was",
    ),
    Fault(
        "edits-lost-digits-of-other-fields",
        "An edit of one field changed the digits of long integers in others.",
        "tests/console/test_exact.py::test_fields_keep_their_digits_when_they_are_shown_and_when_others_are_edited",
    ),
    Fault(
        "restarts-lost-digits",
        "Long integers that were tried, signalled or restarted with lost digits.",
        "tests/console/test_exact.py::test_what_is_tried_signalled_and_restarted_keeps_its_digits",
    ),
    Fault(
        "json-lines-lost-columns",
        "Columns of one name fell onto one key in a download, and all except the last were lost.",
        "tests/console/test_sql.py::test_json_lines_have_every_column_also_of_those_with_one_name",
    ),
    Fault(
        "chip-widened-a-condition",
        "A chip beside a written 'or' took in rows that neither condition fits, and so did a job over it.",
        "tests/console/test_where.py::test_what_is_put_beside_a_condition_narrows_it_and_taken_away_leaves_it",
    ),
    Fault(
        "bracket-escaped-its-part",
        "A bracket in a text could reach beyond its own part of a condition.",
        "tests/console/test_where.py::test_what_would_reach_beyond_its_own_brackets_is_told",
    ),
    Fault(
        "click-widened-a-bulk-verb",
        "A click beside a written condition widened what a bulk verb was asked of.",
        "tests/console/test_invocations.py::test_what_is_clicked_narrows_a_condition_that_was_written_and_so_what_is_asked_of_it",
    ),
    Fault(
        "cursor-slid-to-another-row",
        "Rows that came in above slid another row under the keys, and Enter meant that one.",
        "tests/console/test_invocations.py::test_the_keys_mean_the_row_they_stood_on_whatever_comes_in_above",
    ),
    Fault(
        "lost-connection-lost-rows",
        "A lost connection took the list away, and rows that were told meanwhile were dropped.",
        "tests/console/test_invocations.py::test_a_list_that_was_cut_off_keeps_its_rows_and_goes_on_by_itself",
    ),
    Fault(
        "more-than-5000-new-rows-were-cut",
        "More than 5,000 new rows were cut between the new ones and the first page.",
        "tests/console/test_invocations.py::test_a_list_reads_what_somebody_stops_at_and_loses_none_of_very_many_new_ones",
    ),
    Fault(
        "choice-stood-on-after-a-job",
        "The choice of a job that was asked stood on, with Kill and Purge beside stale rows.",
        "tests/console/test_invocations.py::test_when_a_job_was_asked_the_list_is_read_again_and_nothing_is_chosen_any_more",
    ),
    Fault(
        "missing-job-was-asked-for-again",
        "A job that does not exist was asked for four times a second.",
        "tests/console/test_invocations.py::test_a_job_that_is_not_there_is_not_asked_for_again_and_again",
    ),
    Fault(
        "picks-ended-at-180",
        "No more than 180 rows could be picked by hand.",
        "tests/console/test_invocations.py::test_hundreds_are_picked_by_hand_and_all_that_refuse_are_asked_again",
    ),
    Fault(
        "one-left-out-dropped-the-choice",
        "Leaving out one row of all that match dropped the whole choice.",
        "tests/console/test_invocations.py::test_one_can_be_left_out_of_all_that_match",
    ),
    Fault(
        "back-left-the-list",
        "Back left the list instead of taking a filter back.",
        "tests/console/test_invocations.py::test_back_takes_a_filter_back_and_finds_the_list_where_it_was_left",
    ),
    Fault(
        "u-lost-the-list",
        "The key 'u' did not find the list from an invocation that was opened from elsewhere.",
        "tests/console/test_invocations.py::test_u_goes_to_the_list_from_an_invocation_that_was_opened_from_elsewhere",
    ),
    Fault(
        "throughput-trusted-the-browsers-clock",
        "Throughput was empty where the browser's clock was minutes off.",
        "tests/console/test_overview.py::test_throughput_is_told_by_the_servers_time_whatever_the_browser_takes_it_for",
    ),
    Fault(
        "throughput-began-empty",
        "The chart of throughput was empty when the page was opened.",
        "tests/console/test_overview.py::test_throughput_begins_before_the_page_was_opened",
    ),
    Fault(
        "forms-lost-lines-and-numbers",
        "A form lost newlines of a text, and sent a cleared number as null.",
        "tests/console/test_try.py::test_a_form_keeps_lines_sends_no_number_that_it_does_not_show_and_begins_with_what_fits",
    ),
    Fault(
        "slider-called-the-oldest-now",
        "The slider of an object with many changes named an old event as now.",
        "tests/console/test_objects.py::test_an_object_with_many_changes_is_seen_as_it_is_and_as_it_was",
    ),
    Fault(
        "slider-flickered-while-written",
        "The marks of an object went to none and back while it was written.",
        "tests/console/test_objects.py::test_while_an_object_is_written_all_the_time_its_marks_stay_and_only_what_is_new_is_read",
    ),
    Fault(
        "gates-of-a-handler-were-not-told",
        "An object did not tell of gates before one of its handlers or its code.",
        "tests/console/test_objects.py::test_every_gate_that_holds_some_of_its_work_is_told_with_who_closed_it_and_why",
    ),
    Fault(
        "slider-had-the-wrong-time",
        "A place of the slider had the time of another event.",
        "tests/console/test_objects.py::test_every_place_of_the_slider_has_the_time_of_its_event",
    ),
    Fault(
        "edit-undid-what-others-did",
        "An edit that was typed on older fields undid what others had written.",
        "tests/console/test_objects.py::test_an_edit_of_what_has_changed_meanwhile_is_refused_and_what_was_typed_is_kept",
    ),
    Fault(
        "tabs-had-no-keys",
        "Tabs could not be gone through by the keys of tabs.",
        "tests/console/test_deployments.py::test_tabs_are_gone_through_by_the_keyboard",
    ),
    Fault(
        "sorting-by-keyboard-lost-the-focus",
        "Sorting a column by keyboard lost the focus to the page.",
        "tests/console/test_invocations.py::test_whoever_sorts_by_keyboard_stays_at_the_column",
    ),
    Fault(
        "key-k-killed",
        "The key 'k', which is 'up' in tables, opened Kill with the focus where Enter killed.",
        "tests/console/test_invocation.py::test_keys_ask_verbs_and_a_reading_token_has_none",
    ),
    Fault(
        "group-showed-an-old-error",
        "A group of failures showed the last of its errors by alphabet, and not the latest.",
        "tests/console/test_overview.py::test_a_group_of_failures_shows_its_latest_error",
    ),
    Fault(
        "ended-job-was-said-to-continue",
        "The dialog of a job said that the job continues after it had ended.",
        "tests/console/test_invocations.py::test_a_job_is_said_to_continue_only_while_it_runs",
    ),
    Fault(
        "recorded-verb-was-shown-as-a-change",
        "A verb that was only recorded was shown as a change from a status to the same status.",
        "tests/console/test_invocations.py::test_what_is_recorded_and_not_yet_obeyed_is_not_called_a_change",
    ),
    Fault(
        "failed-step-showed-an-output",
        "A step that failed showed the output null.",
        "tests/console/test_invocation.py::test_a_step_that_failed_shows_its_error_and_no_output",
    ),
    Fault(
        "condition-was-cut-in-a-message",
        "The list of jobs cut a long condition in the middle of a letter, without an ellipsis.",
        "tests/console/test_overview.py::test_a_job_whose_condition_is_too_long_is_cut_with_an_ellipsis",
    ),
    Fault(
        "look-at-jobs-caused-the-next",
        "The overview read the jobs again because reading them is recorded, for ever.",
        "tests/console/test_overview.py::test_a_look_at_the_jobs_does_not_cause_the_next",
    ),
    Fault(
        "stuck-waited-for-the-count",
        "The overview showed what is stuck only when all invocations had been counted.",
        "tests/sql/test_overview.py::test_the_overview_of_many_reads_few_and_counts_all",
    ),
    Fault(
        "condition-was-taken-for-a-pick",
        "Taking a pick back took the written condition on the same column instead.",
        "tests/console/test_where.py::test_of_two_words_on_a_column_the_last_is_the_pick",
    ),
)
