"""Faults of the data directory, backups, tokens and the server's process."""

from __future__ import annotations

from tests.past.fault import Fault

FAULTS = (
    Fault(
        "old-process-wrote-into-another-store",
        "A process whose directory was replaced wrote tables into the new store at the same path.",
        "tests/journal/test_held_directory.py::test_leaving_writes_nothing_at_the_path",
    ),
    Fault(
        "replaced-directory-went-unnoticed",
        "An idle server did not notice that its directory was moved, removed or replaced.",
        "tests/journal/test_held_directory.py::test_a_lost_directory_is_noticed_while_idle",
    ),
    Fault(
        "chdir-moved-the-store",
        "A chdir in a step made the server write into another directory.",
        "tests/journal/test_held_directory.py::test_a_relative_path_means_the_same_after_a_chdir",
    ),
    Fault(
        "removed-directory-acknowledged-calls",
        "A server whose directory was removed went on acknowledging calls.",
        "tests/journal/test_held_directory.py::test_a_removed_directory_acknowledges_nothing",
    ),
    Fault(
        "mounted-over-directory-went-unnoticed",
        "A volume that was mounted over the directory was written to as if it were the store.",
        "tests/journal/test_held_directory.py::test_a_directory_that_is_mounted_over_is_lost",
    ),
    Fault(
        "recovery-opened-another-store",
        "After a full disk was replaced, recovery opened the other store that lay there.",
        "tests/journal/test_held_directory.py::test_a_full_disk_never_recovers_on_another_store",
    ),
    Fault(
        "closed-descriptors-went-unnoticed",
        "A step that closed every descriptor left a server that wrote nowhere.",
        "tests/journal/test_held_directory.py::test_a_step_that_closes_every_descriptor_loses_the_directory",
    ),
    Fault(
        "link-in-place-of-a-file-was-followed",
        "A link in the place of one of the store's files was followed.",
        "tests/journal/test_held_directory.py::test_a_link_in_the_place_of_a_file_is_not_followed",
    ),
    Fault(
        "writable-file-of-others-was-taken",
        "Files of the store that other users may write to were taken.",
        "tests/journal/test_held_directory.py::test_a_file_that_others_may_write_to_is_refused",
    ),
    Fault(
        "added-files-went-unnoticed",
        "Files that were copied into a live directory went unnoticed, and RocksDB could write over them.",
        "tests/journal/test_held_directory.py::test_a_lost_directory_is_noticed_while_idle[through /proc-a backup copied into it]",
    ),
    Fault(
        "removed-log-lost-what-was-acknowledged",
        "A log that was removed under a server went unnoticed, and what it had acknowledged was lost.",
        "tests/journal/test_held_directory.py::test_a_log_that_is_removed_loses_nothing",
    ),
    Fault(
        "no-descriptor-failed-the-store",
        "A process without a free descriptor failed its commit, and with it the store.",
        "tests/journal/test_held_directory.py::test_a_commit_waits_for_a_descriptor_and_does_not_fail",
    ),
    Fault(
        "link-pointed-elsewhere-went-unnoticed",
        "A link that was pointed elsewhere went unnoticed by the server that had opened it.",
        "tests/journal/test_held_directory.py::test_a_link_that_is_pointed_elsewhere_loses_the_directory",
    ),
    Fault(
        "foreign-files-went-unnoticed",
        "doctor saw none of the tables that another process had left in the store.",
        "tests/journal/test_inventory.py::test_a_file_of_another_store_is_found",
    ),
    Fault(
        "empty-log-was-called-a-stranger",
        "doctor called an empty log that a crash had left a file of another store.",
        "tests/journal/test_inventory.py::test_an_empty_log_that_a_crash_leaves_is_no_stranger",
    ),
    Fault(
        "forgetful-store-was-shown-as-smaller",
        "A store at rest whose manifest was cut was shown as an empty store that is sound.",
        "tests/journal/test_inventory.py::test_a_store_that_has_forgotten_something_is_not_shown_as_a_smaller_one",
    ),
    Fault(
        "restore-followed-links",
        "'restore' followed links, trusted every byte, and copied whatever lay in the backup.",
        "tests/journal/test_backup.py::test_a_backup_that_was_changed_is_refused_by_name",
    ),
    Fault(
        "restore-kept-the-store-id",
        "A copy had the id and the epoch of its original.",
        "tests/journal/test_backup.py::test_a_copy_has_an_id_and_an_epoch_of_its_own",
    ),
    Fault(
        "failed-restore-left-half-a-store",
        "A restore that failed left half a store.",
        "tests/journal/test_backup.py::test_a_copy_that_is_refused_by_its_check_leaves_nothing",
    ),
    Fault(
        "damaged-tokens-were-a-500",
        "A damaged file of tokens was answered with 500, and no remedy.",
        "tests/cli/test_tokens.py::test_damaged_tokens_open_nothing_and_say_how_to_mend_it",
    ),
    Fault(
        "half-written-token-let-everybody-in",
        "A first start that died before its token was written left an empty token, which opened everything.",
        "tests/cli/test_tokens.py::test_a_first_start_that_dies_makes_a_whole_token_or_none",
    ),
    Fault(
        "empty-token-let-everybody-in",
        "An empty token file let everybody in.",
        "tests/cli/test_tokens.py::test_an_empty_file_lets_nobody_in_and_is_made_anew",
    ),
    Fault(
        "short-token-was-taken",
        "A token file that is a link, readable by others, or too short was taken for the token.",
        "tests/cli/test_tokens.py::test_a_file_that_is_not_a_secret_is_not_taken_for_the_token",
    ),
    Fault(
        "token-was-missing-in-the-audit",
        "A token whose maker died on the way was never in the audit.",
        "tests/cli/test_tokens.py::test_a_token_whose_maker_died_is_in_the_audit_once_when_it_is_served_again",
    ),
    Fault(
        "revocation-was-missing-in-the-audit",
        "A revocation whose maker died on the way was never in the audit.",
        "tests/cli/test_tokens.py::test_a_revoked_token_opens_nothing_although_its_revoker_died",
    ),
    Fault(
        "request-ids-could-be-guessed",
        "The id of an idempotent request was a plain hash, so that a guessed key gave the result of another principal.",
        "tests/http/test_principals.py::test_the_id_of_a_request_cannot_be_worked_out_without_the_store",
    ),
    Fault(
        "results-were-read-by-other-tokens",
        "A token that may only call could read the results of other tokens.",
        "tests/http/test_principals.py::test_a_token_that_may_only_call_reads_what_it_has_started",
    ),
    Fault(
        "verb-keys-were-shared-by-principals",
        "A verb under a key of one principal was taken for the verb of another.",
        "tests/http/test_guard.py::test_one_principals_verb_under_a_key_is_not_anothers",
    ),
    Fault(
        "health-was-always-ok",
        "/health answered ok whatever happened.",
        "tests/http/test_health.py::test_trouble_with_the_store_is_told",
    ),
    Fault(
        "full-disk-was-not-in-the-health",
        "/health did not tell of a full disk.",
        "tests/http/test_health.py::test_a_full_disk_is_told_until_there_is_room",
    ),
    Fault(
        "os-durability-reordered-commits",
        'With durability "os" a commit could overtake one that waited through a write stall.',
        "tests/journal/test_messages.py::test_a_message_is_not_overtaken_while_the_disk_takes_no_writes",
    ),
    Fault(
        "silent-sockets-locked-everybody-out",
        "A hundred sockets that sent nothing locked out everybody behind the same address.",
        "tests/http/test_bounds.py::test_heads_that_never_come_keep_no_operator_out",
    ),
    Fault(
        "waiting-calls-locked-everybody-out",
        "A hundred calls that waited locked out everybody behind the same address.",
        "tests/http/test_bounds.py::test_calls_that_wait_keep_nobody_out",
    ),
    Fault(
        "half-sent-bodies-locked-the-operator-out",
        "Connections that did not send the rest of a body, or did not read, kept the operator out.",
        "tests/http/test_bounds.py::test_clients_that_keep_the_server_waiting_keep_nobody_out",
    ),
    Fault(
        "waiting-calls-took-every-descriptor",
        "Eleven hundred waiting calls took every descriptor of the process, and the store failed.",
        "tests/http/test_bounds.py::test_connections_leave_descriptors_to_the_store",
    ),
    Fault(
        "descriptor-limit-was-not-raised",
        "A server kept the usual limit of 1,024 descriptors although it may raise it.",
        "tests/cli/test_descriptors.py::test_a_server_raises_its_limit_of_descriptors",
    ),
    Fault(
        "unread-stream-held-up-the-end",
        "A client that stopped reading kept the server from ending.",
        "tests/http/test_bounds.py::test_a_client_that_does_not_read_is_dropped_and_holds_up_nobody",
    ),
    Fault(
        "sigterm-did-not-end-the-server",
        "A step in a thread, or one that swallowed its cancellation, kept a server alive after SIGTERM.",
        "tests/cli/test_stop.py::test_one_sigterm_ends_it_whatever_runs",
    ),
    Fault(
        "application-took-signals-away",
        "An application that ignored SIGTERM or took the wakeup descriptor made its server immortal.",
        "tests/cli/test_stop.py::test_code_that_takes_signals_away_does_not_keep_them",
    ),
    Fault(
        "stubborn-task-held-up-the-end",
        "A task that swallowed its cancellation held up the end of the runtime.",
        "tests/engine/test_ending.py::test_a_task_that_swallows_its_cancellation_is_left_and_named",
    ),
    Fault(
        "hung-thread-held-up-the-end",
        "A thread that did not end held up the end of the runtime without a word.",
        "tests/engine/test_ending.py::test_a_thread_that_does_not_end_is_left_and_named",
    ),
    Fault(
        "look-prevented-a-start",
        "A look at a data directory took the lock, so that a server refused to start at that moment.",
        "tests/journal/test_datadir.py::test_who_only_looks_keeps_nobody_from_holding_it",
    ),
    Fault(
        "calls-went-to-a-stale-address",
        "Calls went to the address of the server before while a new one was starting.",
        "tests/cli/test_watching.py::test_a_process_that_holds_the_directory_and_takes_no_calls_is_named",
    ),
    Fault(
        "second-server-showed-a-traceback",
        "A second server on one directory showed a traceback.",
        "tests/cli/test_serve.py::test_a_second_server_on_the_same_directory_is_told_who_has_it",
    ),
    Fault(
        "log-escaped-its-tracebacks",
        "The text of a traceback was escaped into the line of its event.",
        "tests/cli/test_logs.py::test_a_traceback_of_a_handler_stands_apart_from_its_line",
    ),
    Fault(
        "multi-line-messages-forged-log-lines",
        "A message with line breaks made several lines of the log.",
        "tests/cli/test_logs.py::test_a_message_with_line_breaks_stays_one_line",
    ),
    Fault(
        "unwritten-store-was-called-damaged",
        "A store whose first start died was called damaged, and was to be restored from a backup.",
        "tests/journal/test_first_start.py::test_a_store_that_was_never_written_is_missing_and_not_damaged",
    ),
    Fault(
        "damage-at-rest-was-silent",
        "Damage at some places of a store at rest made no error and another answer.",
        "tests/crash/test_damage.py::test_damage_is_told_or_makes_no_difference",
    ),
    Fault(
        "store-exists-was-an-internal-error",
        "'restore' over a store ended with exit code 1, and any failure was said to be a backup that exists.",
        "tests/cli/test_copies.py::test_only_what_is_there_is_a_backup_that_exists",
    ),
    Fault(
        "removed-tables-went-unnoticed",
        "Tables that were removed under a server went unnoticed, and it acknowledged what the next start could not find.",
        "tests/journal/test_held_directory.py::test_a_lost_directory_is_noticed_while_idle[through /proc-its tables removed]",
    ),
    Fault(
        "disk-failure-that-two-tasks-met-had-exit-code-1",
        "A failed disk that two tasks met at the same moment ended the server with exit code 1 and a traceback, not with 74.",
        "tests/core/test_groups.py::test_errors_of_one_failure_are_one_error_and_others_stay_together",
        "tests/crash/test_disks.py::test_a_failing_disk_ends_the_server_and_nothing_else",
    ),
    Fault(
        "lack-of-descriptors-was-damage",
        "A lack of file descriptors disabled all named tokens until their file changed.",
        "tests/cli/test_tokens.py::test_tokens_that_could_not_be_read_for_a_moment_are_accepted_again",
    ),
    Fault(
        "token-lock-held-up-the-server",
        "A process that held the lock of the tokens held up the whole server.",
        "tests/cli/test_tokens.py::test_a_change_of_tokens_waits_for_another_process_and_holds_up_nobody",
    ),
    Fault(
        "clock-set-back-repeated-requests",
        "A recorded request between nodes was accepted again after the clock was set back.",
        "tests/engine/test_forwarding.py::test_a_recorded_request_is_refused_after_the_clock_was_set_back",
    ),
)
