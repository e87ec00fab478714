"""Faults of steps in threads, and of clocks that tests mock."""

from __future__ import annotations

from tests.past.fault import Fault

FAULTS = (
    Fault(
        "timeout-of-a-plain-step-did-nothing",
        "The timeout of a step in a thread had no effect.",
        "tests/engine/test_threads.py::test_the_timeout_of_a_plain_step_holds_at_once",
    ),
    Fault(
        "cancel-waited-for-a-thread",
        "A cancel reached its handler only when the thread of its step had ended.",
        "tests/engine/test_threads.py::test_a_cancel_reaches_the_handler_before_its_thread_ends",
    ),
    Fault(
        "killed-steps-kept-their-threads",
        "Sixty-four hung threads of killed steps stopped every plain step.",
        "tests/engine/test_threads.py::test_an_abandoned_thread_gives_its_place_to_others",
    ),
    Fault(
        "hung-thread-kept-the-runtime-open",
        "A runtime could not be left while a thread hung.",
        "tests/engine/test_threads.py::test_a_runtime_can_be_left_while_a_thread_is_hung",
    ),
    Fault(
        "two-tries-ran-at-once",
        "The next try of a step could begin while the thread of the one before still ran.",
        "tests/engine/test_threads.py::test_the_next_try_begins_when_the_abandoned_thread_has_ended",
    ),
    Fault(
        "waiting-for-a-thread-was-step-time",
        "The time of waiting for a thread counted against the timeout of the step.",
        "tests/engine/test_threads.py::test_waiting_for_a_thread_is_not_the_time_of_the_step",
    ),
    Fault(
        "steps-waited-for-threads-in-silence",
        "Steps beyond the limit of threads waited, and 'why' said that they run.",
        "tests/engine/test_threads.py::test_steps_beyond_the_limit_say_that_they_wait_for_their_turn",
    ),
    Fault(
        "lambda-of-a-coroutine-was-no-step",
        "run(lambda: coroutine()) recorded a coroutine object as its result, or failed.",
        "tests/engine/test_threads.py::test_a_callable_may_return_an_awaitable",
    ),
    Fault(
        "batch-of-steps-cost-the-square",
        "A batch of items inside steps cost time by the square of its size.",
        "tests/engine/test_threads.py::test_work_for_a_batch_inside_steps_grows_with_its_size",
    ),
    Fault(
        "mock-clock-never-ended",
        "A test under trio's MockClock never ended, at full load.",
        "tests/engine/test_mock_clock.py::test_a_wait_of_days_takes_no_time",
    ),
    Fault(
        "mock-clock-jumped-over-a-thread",
        "The time of a mocked clock jumped while a thread worked.",
        "tests/engine/test_mock_clock.py::test_time_stands_still_while_a_thread_is_waited_for",
    ),
    Fault(
        "abandoned-thread-emitted-in-silence",
        "emit() in a thread whose try was over raised nothing, and its output was dropped.",
        "tests/engine/test_stopped_steps.py::test_what_an_abandoned_thread_emits_is_refused_there",
    ),
    Fault(
        "abandoned-thread-was-not-counted",
        "A thread that was left behind after a timeout was counted nowhere.",
        "tests/engine/test_stopped_steps.py::test_a_thread_that_timed_out_is_counted_while_its_handler_goes_on",
    ),
    Fault(
        "stuck-thread-was-not-named",
        "The next invocation of a key did not say whose thread it waits for.",
        "tests/engine/test_stopped_steps.py::test_the_next_of_a_key_says_whose_step_has_not_given_way",
    ),
    Fault(
        "compensations-ran-beside-the-thread-of-their-action",
        "After a cancel, a compensation ran while the thread of the plain function that it takes back was still running.",
        "tests/engine/test_threads.py::test_a_compensation_waits_for_the_thread_that_the_cancel_left",
    ),
    Fault(
        "threads-emitted-beyond-the-limit",
        "A step in a thread emitted far more than the limits of output, because what the event loop had not taken was not counted.",
        "tests/engine/test_streams.py::test_what_a_thread_emits_is_within_the_limit_to_the_piece",
        "tests/engine/test_streams.py::test_the_limit_is_for_the_steps_of_one_invocation_together",
    ),
)
