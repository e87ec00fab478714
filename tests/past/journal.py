"""Faults of the store, and of RocksDB where the store has to work around them."""

from __future__ import annotations

from tests.past.fault import Fault

FAULTS = (
    Fault(
        "forked-process-used-the-store",
        "A forked process used the store, and its writes vanished.",
        "tests/journal/test_rocks.py::test_a_process_that_was_forked_is_refused_at_its_first_use",
    ),
    Fault(
        "messages-of-two-commits-shared-a-place",
        "Two messages of two commits to a partition without an owner got the same place, and the first was lost.",
        "tests/journal/test_messages.py::test_messages_of_several_commits_at_once_to_a_partition_that_nobody_owns_all_arrive",
    ),
    Fault(
        "message-under-way-waited-for-the-next",
        "A message whose commit was under way while its partition was claimed waited for the next one.",
        "tests/journal/test_messages.py::test_a_message_that_is_under_way_while_its_partition_is_claimed_arrives_once_it_is_durable",
    ),
    Fault(
        "consumed-message-came-again",
        "A message that was consumed as soon as it came was handed out again.",
        "tests/journal/test_messages.py::test_a_message_that_is_consumed_as_soon_as_it_comes_does_not_come_again",
    ),
    Fault(
        "message-places-were-given-twice",
        "Places of messages were given twice after a restart.",
        "tests/journal/test_messages.py::test_what_is_posted_at_once_has_places_of_its_own_also_after_a_restart",
    ),
    Fault(
        "simultaneous-messages-overwrote-each-other",
        "Two messages that were sent at once to a partition without an owner overwrote each other.",
        "tests/journal/test_agreement.py::test_two_messages_sent_at_once_to_a_partition_without_an_owner_both_arrive",
    ),
    Fault(
        "message-was-overwritten-at-a-claim",
        "A message on its way while a partition changed hands was overwritten.",
        "tests/journal/test_agreement.py::test_a_message_on_its_way_while_a_partition_changes_hands_is_not_overwritten",
    ),
    Fault(
        "message-came-before-its-commit",
        "A message was read before its commit had returned, and came twice.",
        "tests/journal/test_agreement.py::test_a_message_read_before_its_commit_has_returned_comes_once",
    ),
    Fault(
        "message-sent-twice-came-twice",
        "A message that was sent twice at once came twice.",
        "tests/journal/test_agreement.py::test_a_message_sent_twice_at_once_comes_once",
    ),
    Fault(
        "old-message-was-doubled",
        "A message that still waited was doubled when it was sent again late.",
        "tests/journal/test_agreement.py::test_a_message_that_still_waits_is_not_doubled_by_sending_it_again_however_late",
    ),
    Fault(
        "cancelled-wait-took-a-message",
        "A cancelled wait for messages took one away.",
        "tests/journal/test_agreement.py::test_a_cancelled_wait_for_messages_takes_none_away",
    ),
    Fault(
        "reader-failed-beside-a-purge",
        "A stream could not be read while it was being shortened.",
        "tests/journal/test_agreement.py::test_a_stream_reads_well_while_it_is_being_shortened",
    ),
    Fault(
        "readers-saw-unsettled-commits",
        "Readers saw rows and heads of commits that were not on disk.",
        "tests/journal/test_agreement.py::test_rows_and_heads_are_those_of_the_commits_that_have_returned",
    ),
    Fault(
        "cut-events-were-written-again",
        "An append that cut off events and erased some of them wrote those again.",
        "tests/journal/test_agreement.py::test_what_is_cut_off_is_gone_also_if_the_same_append_erases_some_of_it",
    ),
    Fault(
        "readers-saw-what-was-in-doubt",
        "Readers saw events of a commit whose flush had failed.",
        "tests/journal/test_rocks.py::test_a_reader_never_sees_what_is_in_doubt",
    ),
    Fault(
        "damaged-event-broke-its-neighbours",
        "A damaged event stopped the streams that lay beside it.",
        "tests/journal/test_rocks.py::test_a_damaged_event_does_not_stop_the_streams_that_lie_beside_it",
    ),
    Fault(
        "compaction-of-damage-stopped-writes",
        "A compaction that met a damaged block stopped all writes.",
        "tests/journal/test_rocks.py::test_a_damaged_event_does_not_stop_the_store_when_tables_are_compacted",
    ),
    Fault(
        "rewrite-of-damage-named-nothing",
        "An append that had to rewrite a damaged event did not name the stream.",
        "tests/journal/test_rocks.py::test_an_append_that_must_rewrite_a_damaged_event_names_the_stream",
    ),
    Fault(
        "kept-error-kept-the-store-open",
        "An error that a program kept held the store open after its close.",
        "tests/journal/test_rocks.py::test_an_error_that_somebody_keeps_does_not_keep_the_store_open",
    ),
    Fault(
        "flipped-bit-hung-a-start",
        "A flipped bit in a log made RocksDB read for ever at the start.",
        "tests/journal/test_rocks.py::test_a_flipped_bit_never_keeps_a_start_from_coming_to_an_end",
    ),
    Fault(
        "partitions-count-was-not-checked",
        "A flipped bit in the number of partitions went unnoticed.",
        "tests/journal/test_rocks.py::test_a_flipped_bit_in_the_number_of_partitions_is_noticed",
    ),
    Fault(
        "owners-recovered-one-by-one",
        "The second owner of a failed store to recover raised a TypeError.",
        "tests/journal/test_rocks.py::test_the_owners_of_several_partitions_recover_together",
    ),
    Fault(
        "full-disk-at-a-start-was-not-named",
        "A start on a full disk did not say that the disk is full.",
        "tests/journal/test_rocks.py::test_a_start_on_a_full_disk_says_that_the_disk_is_full",
    ),
    Fault(
        "failed-recovery-was-final",
        "A store that could not be opened again at once took no writes later.",
        "tests/journal/test_rocks.py::test_a_store_that_could_not_be_opened_again_at_once_takes_writes_later",
    ),
    Fault(
        "foreign-directory-was-changed",
        "A directory that holds something else was changed before it was refused.",
        "tests/journal/test_rocks.py::test_a_directory_that_holds_something_else_is_left_as_it_was",
    ),
    Fault(
        "forgotten-table-was-not-missed",
        "A manifest that had forgotten a table was opened, because the log went on after it.",
        "tests/journal/test_rocks.py::test_a_manifest_that_forgot_a_table_is_refused_though_the_log_goes_on_behind_it",
    ),
    Fault(
        "stalled-tables-hung-the-process",
        "A process whose disk failed under its tables stood still inside RocksDB and said nothing.",
        "tests/journal/test_rocks.py::test_commits_stop_when_tables_cannot_be_written_and_lose_nothing",
    ),
    Fault(
        "cut-manifest-deleted-the-tables",
        "RocksDB opened a manifest that was cut by 20 bytes as an empty store, and deleted its tables.",
        "tests/journal/test_rocks.py::test_a_manifest_that_lost_its_last_20_bytes_is_refused_and_no_table_is_deleted",
    ),
    Fault(
        "missing-log-opened-in-silence",
        "RocksDB opened a store with a missing log as if nothing had happened.",
        "tests/journal/test_rocks.py::test_a_store_with_files_missing_or_cut_is_refused_and_nothing_of_it_is_deleted",
    ),
    Fault(
        "flipped-bit-dropped-the-rest",
        "RocksDB dropped all records after a flipped bit in a log, in silence.",
        "tests/journal/test_rocks.py::test_a_flipped_bit_in_the_log_is_refused_also_where_no_mark_was_made",
    ),
    Fault(
        "flipped-bit-shortened-a-stream",
        "A scan of RocksDB ended early at a damaged block, without an error.",
        "tests/journal/test_rocks.py::test_a_flipped_bit_anywhere_is_harmless_or_an_error_and_never_a_shorter_stream",
    ),
    Fault(
        "unreadable-disk-looked-like-a-new-object",
        "A disk that could not be read made an object look new.",
        "tests/journal/test_rocks.py::test_a_disk_that_cannot_be_read_is_damage_and_never_an_object_that_looks_new",
    ),
    Fault(
        "failed-fsync-was-acknowledged",
        "After a failed fsync RocksDB reported success for later writes.",
        "tests/journal/test_rocks.py::test_after_a_failed_fsync_nothing_more_is_acknowledged_or_lost",
    ),
    Fault(
        "fsync-stopped-the-interpreter",
        "A synced write of RocksDB kept the interpreter for the whole fsync.",
        "tests/journal/test_rocks.py::test_the_event_loop_runs_on_while_the_disk_is_slow",
    ),
    Fault(
        "default-mode-was-pickle",
        "The default mode of rocksdict ran code that was planted in a stored value.",
        "tests/journal/test_rocks.py::test_a_pickle_that_somebody_planted_stays_bytes",
    ),
    Fault(
        "closed-store-stayed-locked",
        "A view that was still referenced kept a closed store open and its directory locked.",
        "tests/journal/test_rocks.py::test_closing_the_store_closes_its_views_and_frees_the_directory",
    ),
    Fault(
        "cut-log-left-a-hole",
        "A store with two logs of which the first was cut opened with a hole, in silence.",
        "tests/journal/test_logs.py::test_a_log_that_is_cut_leaves_no_hole",
    ),
    Fault(
        "missing-beginning-was-not-missed",
        "A store whose logs had lost their beginning was opened.",
        "tests/journal/test_logs.py::test_the_beginning_of_the_logs_is_missed_as_well",
    ),
    Fault(
        "power-cut-over-two-logs-refused-the-store",
        "A power cut during a commit over two logs left a gap, and the store could not be opened.",
        "tests/journal/test_logs.py::test_a_power_cut_in_a_commit_over_two_logs_loses_that_commit_only",
    ),
    Fault(
        "set-aside-log-was-overwritten",
        "The log that was set aside after a second power cut overwrote the first one.",
        "tests/journal/test_logs.py::test_a_log_that_is_set_aside_overwrites_none_that_was_before",
    ),
    Fault(
        "following-a-removed-stream-hung",
        "Following a stream that was removed waited for ever.",
        "tests/journal/test_contract.py::test_following_a_stream_that_is_removed_ends",
    ),
    Fault(
        "dead-creation-was-unusable",
        "A death while a store was created left a directory that could not be used.",
        "tests/journal/test_power.py::test_a_death_while_a_store_is_created_leaves_a_directory_that_can_be_used",
    ),
    Fault(
        "store-in-an-existing-directory-was-readable",
        "A store in a directory that was there before could be read by other users.",
        "tests/journal/test_rocks.py::test_nobody_else_can_read_a_store_in_a_directory_that_was_there_before",
    ),
    Fault(
        "forgotten-id-was-still-known",
        "A message whose id was forgotten in the same batch was dropped as one that had come before.",
        "tests/journal/test_agreement.py::test_a_message_whose_id_is_forgotten_comes_again",
    ),
    Fault(
        "lost-head-was-not-found",
        "'doctor' did not find an object of which the head was lost, and --rebuild cleared its name away.",
        "tests/engine/test_doctor.py::test_an_object_whose_head_is_lost_is_found_and_nothing_of_it_is_cleared_away",
    ),
    Fault(
        "message-had-the-name-of-a-lost-claims",
        "A letter was dropped as a repetition when an earlier claim had died before its number was durable.",
        "tests/engine/test_calls.py::test_a_message_is_not_taken_for_one_of_a_claim_that_left_no_number",
    ),
    Fault(
        "empty-record-stopped-the-engine",
        "A record that was cut before its first event stopped the whole engine instead of its object.",
        "tests/engine/test_damage_and_doubt.py::test_an_object_whose_record_ends_early_is_set_aside_alone",
        "tests/journal/test_codec.py::test_a_record_cut_anywhere_is_corrupt_or_shorter_but_never_another_error",
    ),
    Fault(
        "damaged-row-could-not-be-replaced",
        "A commit that replaced or removed a damaged row, as the purge of an object's last invocation, stopped the whole engine.",
        "tests/journal/test_committed_view.py::test_a_damaged_row_can_be_replaced_and_only_its_readers_hear_of_it",
        "tests/engine/test_damage_and_doubt.py::test_the_last_invocation_of_an_object_can_be_purged_while_its_head_is_damaged",
    ),
    Fault(
        "doctor-misread-named-streams",
        "The doctor called a sound output with pieces in a named stream damaged, and its repair counted too few bytes.",
        "tests/engine/test_named_streams.py::test_a_reader_gets_one_stream_after_any_crash_and_restart",
    ),
)
