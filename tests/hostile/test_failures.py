"""Every error, also one that misbehaves, is kept as bounded text that can be encoded and decoded."""

from __future__ import annotations

import pytest

import actors
from actors.errors import TerminalError
from actors.values.error_details import DETAILS_BYTES
from actors.values.failures import MESSAGE_CHARACTERS, TYPE_CHARACTERS, failure_of, is_cancel, is_terminal, text_of
from journal import codec
from journal import events as e
from journal.events import Failure, Stamp
from journal.ids import InvocationId
from tests.hostile.errors import CANCELS, ERRORS, nested_group
from tests.hostile.values import Closed, StrangeError

STAMP = Stamp(1.0, "cause", "by")


def raised(which: str) -> BaseException:
    """The error, with a traceback, as an engine has it."""
    error = ERRORS[which]()
    try:
        raise error
    except BaseException as caught:
        return caught


def kept_of(which: str) -> Failure:
    """What is kept of an error. pytest is not shown the error: it would break pytest as well."""
    try:
        return failure_of(raised(which))
    except BaseException as another:
        problem = type.__repr__(type(another))
    raise AssertionError(f"failure_of raised {problem}")


@pytest.mark.parametrize("which", ERRORS)
def test_what_is_kept_of_an_error_can_be_written_and_read(which: str) -> None:
    failure = kept_of(which)
    event = e.AttemptFailed(
        invocation_id=InvocationId("inv_1"), attempt=1, failure=failure, handed_over=0, retry_at=None, max_attempts=1
    )
    [read] = codec.decode_record(codec.encode_record([(STAMP, event)]), 1)
    assert read.event == event
    assert 0 < len(failure.type) <= TYPE_CHARACTERS
    assert len(failure.message) <= MESSAGE_CHARACTERS
    assert len(failure.details) <= DETAILS_BYTES
    assert {type(text) for text in (failure.type, failure.message, failure.traceback)} == {str}
    assert "test_failures.py" in failure.traceback, "at least its frames can always be had"


@pytest.mark.parametrize("which", ERRORS)
def test_an_error_can_always_be_told_in_a_line(which: str) -> None:
    text = text_of(raised(which))
    assert type(text) is str
    assert len(text.encode()) <= 4 * (TYPE_CHARACTERS + MESSAGE_CHARACTERS)


@pytest.mark.parametrize("which", ERRORS)
def test_what_an_error_is_does_not_depend_on_what_it_says(which: str) -> None:
    error = raised(which)
    assert is_cancel(error) == (which in CANCELS)
    only_terminal = which == "group of terminal ones" or issubclass(type(error), TerminalError)
    assert is_terminal(error) == only_terminal


def test_a_policy_may_name_a_class_or_several() -> None:
    for also in (ValueError, (KeyError, ValueError), (KeyError, (ValueError,))):
        assert is_terminal(ValueError("x"), also)  # type: ignore[arg-type]
        assert not is_terminal(TypeError("x"), also)  # type: ignore[arg-type]


def test_a_policy_names_classes_as_except_does_and_asks_no_metaclass() -> None:
    strange = (StrangeError, KeyError)
    assert is_terminal(KeyError("x"), strange)
    assert is_terminal(StrangeError("x"), strange)
    assert not is_terminal(ValueError("x"), strange)
    for none in (5, Closed(), (KeyError, "x")):
        with pytest.raises(TypeError):
            is_terminal(ValueError("x"), none)  # type: ignore[arg-type]


class Several(actors.TerminalError, ExceptionGroup[Exception]):
    def __init__(self, *_: object) -> None:
        super().__init__("several")


class Many(ExceptionGroup[Exception]):
    pass


def test_a_group_is_terminal_if_its_class_is() -> None:
    error = Several("x", [ValueError("y")])
    assert is_terminal(error)
    assert is_terminal(ExceptionGroup("z", [error, actors.TerminalError("x")]))
    assert not is_terminal(ExceptionGroup("z", [error, ValueError("y")]))


def test_a_policy_may_name_a_class_of_groups() -> None:
    assert is_terminal(Many("x", [ValueError("y")]), (Many,))
    assert not is_terminal(Many("x", [ValueError("y")]), (KeyError,))


def test_a_class_that_cannot_be_asked_keeps_its_name() -> None:
    failure = failure_of(raised("class cannot be asked"))
    assert failure.type == "tests.hostile.errors.Mute"


def test_a_type_that_is_no_text_is_the_name_of_the_class() -> None:
    for which in ("type is a number", "type is a class"):
        assert failure_of(raised(which)).type.endswith(".Carries")


def test_a_text_that_is_cut_says_so_with_its_length() -> None:
    message = failure_of(raised("text is long")).message
    assert len(message) == MESSAGE_CHARACTERS
    assert message.endswith("… (cut, 1000000 characters)")


def test_of_a_deep_group_the_bottom_is_told() -> None:
    assert "at the bottom" in failure_of(nested_group(3_000)).message


def test_the_text_of_an_ordinary_error_is_told_as_it_is() -> None:
    assert text_of(ValueError("é")) == "é"
    assert failure_of(actors.TerminalError("no", details={"a": 1})).details == b'{"a":1}'
