"""Faults of requests, answers and clients over HTTP."""

from __future__ import annotations

from tests.past.fault import Fault

FAULTS = (
    Fault(
        "nan-and-bent-texts-came-in",
        "NaN was a rate or a wait, and texts that are not UTF-8 ended the runtime, for any client.",
        "tests/test_entries.py::test_a_client_refuses_what_is_wrong_by_its_name",
    ),
    Fault(
        "address-not-utf8-was-bent",
        "Bytes of an address that are not UTF-8 were replaced, so that two keys became one.",
        "tests/http/test_entries.py::test_a_text_in_an_address_that_is_not_utf8_is_refused_and_not_bent",
    ),
    Fault(
        "endless-delay-ended-the-server",
        "A delay that is no number ended the server, and it did not come up again.",
        "tests/http/test_entries.py::test_a_delay_that_is_no_duration_is_refused",
    ),
    Fault(
        "growing-int-ended-the-server",
        "An integer of the largest size that a handler let grow ended the server.",
        "tests/http/test_entries.py::test_the_largest_int_comes_back_equal_and_one_that_grows_beyond_it_fails_alone",
    ),
    Fault(
        "request-of-two-lengths-was-followed-by-others",
        "A request with two lengths was refused, but the requests after it on the same connection were carried out.",
        "tests/http/test_connection.py::test_wrong_framing_is_refused_and_ends_the_connection",
    ),
    Fault(
        "idempotency-key-differed-by-client",
        "The same idempotency key was another key in another client.",
        "tests/http/test_entries.py::test_an_idempotency_key_is_the_same_key_here_and_far_away",
    ),
    Fault(
        "empty-chunked-body-was-refused",
        "A POST with an empty body in chunks was refused for its missing content type.",
        "tests/http/test_bodies.py::test_an_empty_body_in_chunks_is_no_body",
    ),
    Fault(
        "compressed-body-was-misread",
        "A body with a Content-Encoding was read as if it had none.",
        "tests/http/test_bodies.py::test_a_compressed_body_is_refused",
    ),
    Fault(
        "two-headers-of-one-name",
        "Two different values of one header were taken, and readers took different ones.",
        "tests/http/test_bodies.py::test_two_values_of_one_header_are_refused",
    ),
    Fault(
        "head-was-not-answered",
        "HEAD was refused where GET is answered.",
        "tests/http/test_bodies.py::test_head_is_answered_like_get_without_the_body",
    ),
    Fault(
        "doubled-json-name-was-taken",
        "A name that came twice in a JSON object was taken, and the last value won.",
        "tests/http/test_bodies.py::test_a_name_that_comes_twice_in_an_object_is_refused",
    ),
    Fault(
        "large-json-held-the-loop",
        "9 MiB of zeros in a list held the event loop for seconds.",
        "tests/http/test_bodies.py::test_a_body_has_a_limit_of_values",
    ),
    Fault(
        "dot-keys-reached-another-object",
        "The keys '.' and '..' were folded out of addresses, so that another object answered.",
        "tests/http/test_bodies.py::test_a_key_that_is_a_step_in_a_path_is_refused_everywhere",
    ),
    Fault(
        "broken-escape-was-taken",
        "A broken escape in a path was taken as it stood.",
        "tests/http/test_bodies.py::test_a_broken_escape_in_a_path_is_refused",
    ),
    Fault(
        "bodys-form-was-guessed",
        "Whether a body is the value of a parameter or names its parameters was guessed.",
        "tests/http/test_bodies.py::test_a_caller_may_say_which_parameter_the_body_is_the_value_of",
    ),
    Fault(
        "respelled-json-was-another-request",
        "The same JSON in another spelling under one idempotency key was refused as another request.",
        "tests/http/test_principals.py::test_the_same_json_in_another_spelling_is_the_same_request",
    ),
    Fault(
        "call-was-lost-at-a-server-restart",
        "A call over HTTP was lost when its server started again.",
        "tests/http/test_waiting_callers.py::test_a_call_is_found_again_after_a_restart_of_the_server",
    ),
    Fault(
        "caller-was-not-told-of-a-pause",
        "A caller over HTTP of an invocation that was paused waited without a word.",
        "tests/http/test_waiting_callers.py::test_a_caller_of_what_gets_paused_is_told",
    ),
    Fault(
        "unknown-outcome-named-nothing",
        "UnknownOutcomeError did not name the invocation.",
        "tests/http/test_waiting_callers.py::test_an_answer_that_never_comes_names_the_invocation",
    ),
    Fault(
        "recorded-failure-was-asked-again",
        "A handler that raised UnavailableError made clients ask again until they gave up.",
        "tests/http/test_recorded_failures.py::test_a_recorded_failure_takes_one_request",
    ),
    Fault(
        "failed-call-had-the-wrong-exit-code",
        "'playhead call' of an invocation that failed ended with the exit code of its error's class.",
        "tests/http/test_recorded_failures.py::test_a_call_that_failed_exits_as_failed",
    ),
    Fault(
        "retry-after-promised-too-much",
        "'retry-after' was sent where the same request can never succeed.",
        "tests/http/test_errors.py::test_what_may_be_tried_again_says_when",
    ),
    Fault(
        "error-over-http-lost-its-details",
        "What an error carried beside its text was lost over HTTP.",
        "tests/http/test_errors.py::test_every_attribute_of_an_error_comes_back_with_it",
    ),
    Fault(
        "call-without-a-key-called-another",
        "A call without the key that its class needs called another object and handler.",
        "tests/http/test_paths.py::test_a_client_that_errs_with_the_key_calls_nothing",
    ),
    Fault(
        "too-long-duration-was-called-none",
        "A duration that is too long was refused as one that is no duration.",
        "tests/http/test_durations.py::test_a_duration_that_is_too_long_is_told_the_limit",
    ),
    Fault(
        "signal-over-http-was-bent",
        "A tuple in a signal over HTTP arrived as a list.",
        "tests/http/test_values.py::test_a_tuple_for_a_signal_without_a_type_is_refused_from_elsewhere",
    ),
    Fault(
        "restart-over-http-refused-types",
        "A restart over HTTP refused input of the types of its handler.",
        "tests/http/test_values.py::test_a_restart_from_elsewhere_takes_the_types_of_the_handler",
    ),
    Fault(
        "steering-history-was-unreadable-over-http",
        "The history of a handler that steers another was a 500 over HTTP.",
        "tests/http/test_client.py::test_the_history_of_a_handler_that_steers_another_says_what_it_asked_for",
    ),
    Fault(
        "failure-was-taken-for-cancelled",
        "An invocation that failed because another was cancelled was taken for cancelled.",
        "tests/http/test_client.py::test_a_failure_of_one_that_awaited_a_cancelled_one_is_a_failure",
    ),
    Fault(
        "following-a-purged-one-hung-over-http",
        "Following an invocation whose stream was removed waited for ever over HTTP.",
        "tests/http/test_client.py::test_following_ends_when_it_is_purged",
    ),
    Fault(
        "class-called-like-a-path",
        "A class that is called like a path of the remote control could be defined and not reached.",
        "tests/http/test_routes.py::test_no_class_can_be_called_like_a_path_of_the_remote_control",
    ),
    Fault(
        "link-of-another-site-was-refused",
        "A link from another site to the console was refused.",
        "tests/http/test_guard.py::test_a_link_of_another_site_leads_to_the_console_and_nowhere_else",
    ),
    Fault(
        "check-was-silent-until-its-end",
        "A check of many took the newest thousand and said nothing until it was over.",
        "tests/http/test_checks.py::test_a_check_of_many_tells_how_far_it_has_come_and_at_last_what_both_clients_are_told",
    ),
    Fault(
        "large-heads-were-not-limited",
        "A head that came in one piece had no limit.",
        "tests/http/test_bounds.py::test_bodies_heads_keys_and_depths_have_limits_with_their_own_answers",
    ),
    Fault(
        "slow-numbers-held-the-loop",
        "A body of 200,000 numbers like 1.5e300 held the event loop for seconds.",
        "tests/http/test_bodies.py::test_a_number_that_is_slow_to_read_counts_as_many",
    ),
    Fault(
        "two-lengths-and-a-wrong-host-kept-the-connection",
        "A request with two lengths and another reason for a refusal kept its connection, and its body was read as a request.",
        "tests/http/test_connection.py::test_two_lengths_end_the_connection_whatever_else_is_wrong",
    ),
    Fault(
        "torn-event-looked-whole",
        "A shutdown ended the body of a stream in the middle of an event, so that its client read a part as the whole.",
        "tests/http/test_connection.py::test_a_torn_event_of_a_closing_server_has_no_end",
    ),
    Fault(
        "closing-server-reset-its-streams",
        "A closing server reset the connection of a stream if requests of its client were unread.",
        "tests/http/test_connection.py::test_a_stream_of_a_closing_server_ends_whole_before_unread_requests",
    ),
    Fault(
        "lost-stream-client-was-an-error",
        "Each client of a stream that was slow or lost put an error with a traceback into the log.",
        "tests/http/test_connection.py::test_a_stream_whose_client_is_lost_is_no_error_of_the_server",
    ),
    Fault(
        "asgi-without-raw-path-failed",
        "A server of ASGI that leaves out the optional raw path got an error for every request.",
        "tests/http/test_asgi.py::test_a_server_of_asgi_may_leave_out_the_raw_path",
    ),
    Fault(
        "stopped-server-loop-kept-the-runtime-open",
        "A runtime could not be closed while a request was in flight in an ASGI server whose asyncio loop had stopped.",
        "tests/http/test_mounted.py::test_a_runtime_ends_although_the_loop_of_its_server_has_stopped",
    ),
    Fault(
        "unclosed-string-held-the-loop",
        "A string of escaped quotes without an end took quadratic time in the event loop, before any token was needed.",
        "tests/http/test_bodies.py::test_each_byte_of_a_string_is_looked_at_once",
    ),
    Fault(
        "repeated-name-took-quadratic-time",
        "A name twice in a large object was found by counting each name among all.",
        "tests/http/test_bodies.py::test_the_name_that_comes_twice_is_found_without_comparing_each_with_each",
    ),
    Fault(
        "unsigned-webhook-was-read",
        "The body of a webhook was read before its signature headers were looked at.",
        "tests/http/test_webhooks.py::test_a_webhook_without_a_signature_is_refused_before_its_body_arrives",
    ),
    Fault(
        "dripping-body-was-kept",
        "A body of one byte in 29 seconds was read to its end.",
        "tests/http/test_bodies.py::test_a_body_that_drips_is_given_up_and_a_slow_long_one_is_not",
    ),
    Fault(
        "hidden-workflow-was-told",
        "A token with the scope invoke learned by lookup whether a workflow exists.",
        "tests/http/test_principals.py::test_a_hidden_workflow_is_answered_like_one_that_does_not_exist",
    ),
    Fault(
        "webhook-token-shared-keys",
        "A token called webhook shared the idempotency keys of verified webhooks.",
        "tests/http/test_principals.py::test_requesters_of_different_kinds_share_no_idempotency_key",
    ),
)
