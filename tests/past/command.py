"""Faults of the command line."""

from __future__ import annotations

from tests.past.fault import Fault

FAULTS = (
    Fault(
        "bare-group-escaped-its-help",
        "A bare command printed its help as one escaped line.",
        "tests/cli/test_arguments.py::test_a_group_without_a_command_prints_its_help",
    ),
    Fault(
        "argument-not-utf8-was-a-traceback",
        "An argument that is not UTF-8 ended in a traceback.",
        "tests/cli/test_arguments.py::test_an_argument_that_is_not_utf8_is_refused",
    ),
    Fault(
        "missing-character-was-a-traceback",
        "A character that a terminal cannot show ended in a traceback.",
        "tests/cli/test_arguments.py::test_a_character_that_a_stream_lacks_is_escaped",
    ),
    Fault(
        "multi-line-message-was-escaped",
        "A message of several lines was printed as one, with its line breaks escaped.",
        "tests/cli/test_arguments.py::test_a_message_of_several_lines_stays_one_message",
        "tests/cli/test_arguments.py::test_a_usage_error_of_several_lines_stays_one_error",
    ),
    Fault(
        "option-took-nan",
        "Options took NaN as a number, and a server with such a --drain never ended.",
        "tests/cli/test_arguments.py::test_an_option_that_is_no_time_or_rate_is_refused_by_its_name",
    ),
    Fault(
        "key-not-utf8-was-bent",
        "A percent-encoded key that is not UTF-8 became another key.",
        "tests/cli/test_arguments.py::test_a_key_that_is_not_utf8_percent_encoded_is_refused",
    ),
    Fault(
        "stdin-depended-on-the-locale",
        "JSON from stdin was read in the encoding of the locale.",
        "tests/cli/test_arguments.py::test_json_from_stdin_is_utf_8_in_any_locale",
    ),
    Fault(
        "locale-refusal-named-no-remedy",
        "An argument that the locale cannot read was refused without naming what to set.",
        "tests/cli/test_arguments.py::test_an_argument_that_the_locale_cannot_read_names_what_to_set",
    ),
    Fault(
        "printed-keys-could-not-be-typed-back",
        "A key with a slash, a percent sign or invisible characters could not be typed back from a list.",
        "tests/cli/test_arguments.py::test_what_is_shown_of_a_key_can_be_typed_back",
    ),
    Fault(
        "exiting-app-ended-with-0",
        "An app that raises SystemExit while it is imported ended the command with exit code 0.",
        "tests/cli/test_arguments.py::test_an_app_that_raises_while_it_is_imported_is_not_served",
    ),
    Fault(
        "check-said-yes-after-a-sample",
        "'check' replayed the newest 100 and ended with 0 although older ones diverged.",
        "tests/cli/test_check.py::test_a_sample_is_never_a_yes",
    ),
    Fault(
        "check-of-nothing-was-a-yes",
        "'check' with a condition that fits nothing ended with 0.",
        "tests/cli/test_check.py::test_a_condition_that_fits_nothing_is_no_yes",
    ),
    Fault(
        "unknown-service-was-an-empty-list",
        "A service that does not exist was an empty list, and a verb on it ended with 0.",
        "tests/cli/test_listing.py::test_what_does_not_exist_is_an_error_and_no_empty_list",
    ),
    Fault(
        "listed-targets-could-not-be-typed-back",
        "What a list prints could not be typed back as a target.",
        "tests/cli/test_listing.py::test_targets_and_objects_that_lists_print_can_be_typed_back",
    ),
    Fault(
        "list-and-describe-differed",
        "'list -o json' gave no pause and no waits for what 'describe' said is paused.",
        "tests/cli/test_listing.py::test_a_list_and_describe_give_the_same_values",
    ),
    Fault(
        "unknown-audit-target-was-an-empty-list",
        "An audit of an unknown target was an empty list with exit code 0.",
        "tests/cli/test_audit.py::test_a_target_that_does_not_exist_is_an_error",
    ),
    Fault(
        "refusal-named-its-invocation-twice",
        "A refusal named its invocation twice.",
        "tests/cli/test_steering.py::test_a_refusal_names_the_invocation_once",
    ),
    Fault(
        "dry-run-as-json-did-not-count",
        "A dry run as JSON gave the oldest five as if they were all.",
        "tests/cli/test_steering.py::test_a_dry_run_shows_the_oldest_and_says_how_many_there_are_to_people_and_to_programs",
    ),
    Fault(
        "describe-had-no-traceback",
        "'describe' showed no traceback.",
        "tests/cli/test_steering.py::test_describe_ends_with_the_error_and_its_traceback_from_the_users_line_on",
    ),
    Fault(
        "dev-kept-broken-code-for-a-restart",
        "Under 'playhead dev' what failed was restarted on the code that had failed.",
        "tests/cli/test_dev.py::test_what_failed_is_restarted_on_the_code_that_was_fixed",
    ),
    Fault(
        "own-cli-py-hid-the-package",
        "A user's own cli.py or actors.py beside the app hid the package, and the error named neither.",
        "tests/test_own_names.py::test_a_file_that_hides_a_package_is_named",
    ),
    Fault(
        "own-journal-py-hid-the-package",
        "A user's own journal.py made 'import actors' fail with an unclear error.",
        "tests/test_own_names.py::test_a_journal_of_the_users_is_named_by_import_actors",
    ),
    Fault(
        "own-playhead-py-hid-the-package",
        "A script named playhead.py failed with words about a partly initialized module.",
        "tests/test_own_names.py::test_a_playhead_of_the_users_is_named_by_import_actors",
    ),
    Fault(
        "import-playhead-failed",
        "'import playhead' failed.",
        "tests/test_own_names.py::test_the_distribution_can_be_imported_by_its_own_name",
    ),
    Fault(
        "python-m-playhead-failed",
        "'python -m playhead' failed.",
        "tests/test_own_names.py::test_the_command_can_be_run_as_a_module",
    ),
    Fault(
        "app-imported-our-cli",
        "An app that imported a module of its own with one of our names got ours.",
        "tests/test_own_names.py::test_an_app_that_imports_a_module_with_our_name_is_refused",
    ),
    Fault(
        "empty-token-variable-was-a-token",
        "An empty PLAYHEAD_TOKEN was sent as a token.",
        "tests/test_entries.py::test_an_empty_variable_is_no_token",
    ),
    Fault(
        "terminal-obeyed-a-mistake",
        "A mistake in a command was shown with characters that a terminal obeys.",
        "tests/cli/test_what_a_terminal_obeys.py::test_what_is_not_understood_is_shown_safely_too",
    ),
    Fault(
        "help-took-two-seconds",
        "The help of a command took up to 1.7 s, because it loaded the store and SQL.",
        "tests/cli/test_door.py::test_no_help_loads_anything_that_a_command_needs",
    ),
    Fault(
        "own-playhead-folder-hid-the-package",
        "A user's folder named playhead hid the package, and the error did not name it.",
        "tests/test_own_names.py::test_a_folder_playhead_of_the_users_is_named_by_import_actors",
    ),
)
