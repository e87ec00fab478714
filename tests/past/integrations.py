"""Faults of what connects playhead with chat models, agents, assistants and addresses."""

from __future__ import annotations

from tests.past.fault import Fault

FAULTS = (
    Fault(
        "secret-behind-a-decorator-was-recorded",
        "A step whose decorator adds an argument had the value of a redacted parameter recorded.",
        "tests/engine/test_redaction.py::test_a_decorator_that_adds_an_argument_leaves_no_secret_in_its_place",
    ),
    Fault(
        "overloaded-model-was-not-asked-again",
        "An error in the middle of a stream of Anthropic's was recorded as a refusal, and the request was not repeated.",
        "tests/integrations/test_chat_clients.py::test_a_model_that_is_overloaded_in_the_middle_of_a_stream_is_asked_again",
    ),
    Fault(
        "cut-off-call-was-carried-out",
        "A call of a tool was carried out with the part of its arguments that had arrived when the answer reached its limit.",
        "tests/integrations/test_chat_clients.py::test_a_call_in_which_the_answer_was_cut_off_is_not_carried_out",
    ),
    Fault(
        "headers-of-model-requests-were-recorded",
        "Headers that were added to a model request, such as keys of a gateway, were stored in the history.",
        "tests/integrations/test_chat_clients.py::test_headers_of_a_request_are_sent_and_not_recorded",
    ),
    Fault(
        "answer-of-wrong-types-failed-the-handler",
        "An answer of a model with values of wrong types was recorded, and the handler failed on it in each attempt.",
        "tests/integrations/test_chat_clients.py::test_an_answer_of_wrong_types_is_an_error_of_its_own_type",
    ),
    Fault(
        "error-of-a-tool-came-out-in-a-group",
        "A terminal error of a tool came out of run_tools in an ExceptionGroup, which no 'except' for it catches.",
        "tests/integrations/test_chat_clients.py::test_the_error_of_a_tool_comes_out_of_the_loop_as_it_is",
    ),
    Fault(
        "endless-list-of-tools-was-read",
        "A server of MCP that returned the same page of its tools again and again filled the memory of the process.",
        "tests/integrations/test_mcp_tools.py::test_a_list_of_tools_that_never_ends_is_ended",
    ),
    Fault(
        "structured-result-was-told-as-nothing",
        "A result of a tool of MCP that has a structure and no text was an empty text for the model.",
        "tests/integrations/test_mcp_tools.py::test_a_result_without_texts_is_told_by_its_structure",
    ),
    Fault(
        "cancelled-connection-hung-all-later-steps",
        "After a connection to an MCP server of openai-agents that ended in a cancel, each later step that used the server hung.",
        "tests/integrations/test_openai_agents.py::test_a_connection_to_mcp_that_ends_in_a_cancel_is_tried_again",
    ),
    Fault(
        "notice-was-given-up-before-its-last-try-ended",
        "The audit log had a given-up notice twice, or one that was then delivered, if a crash came before the last try was on disk.",
        "tests/engine/test_notifications.py::test_a_notice_is_given_up_once_though_a_crash_comes_between_the_entry_and_its_record",
    ),
    Fault(
        "notices-without-the-extra-failed-in-silence",
        "A store with a notification that was served without the extra 'client' tried its notices for ever, and said nothing.",
        "tests/engine/test_notifications.py::test_without_the_extra_a_notice_says_what_is_missing_and_is_sent_once_it_is_there",
    ),
    Fault(
        "deleted-notification-left-its-counts",
        "A notification whose name was used before had the counts of the earlier one, if a crash had cut its deletion short.",
        "tests/engine/test_notifications.py::test_a_name_that_is_used_again_begins_with_no_counts_whenever_its_deletion_ends",
    ),
)
