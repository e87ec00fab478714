"""Converts any exception into a record: texts of limited length that can always be encoded.

The class of an error is user code. It may have no text, a text that is not UTF-8, attributes that raise or never end, a
metaclass that lies, groups that contain themselves. No function here raises because of that, and no other module of the
engine inspects an error.
"""

from __future__ import annotations

import contextlib
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from actors.errors import Cancelled, CancelledError, TerminalError, UnserializableError
from actors.errors.names import bases_of, is_built_in, name_alone, plain_text, type_name
from actors.values.error_details import carried_by, details_of
from actors.values.error_groups import is_group, leaves_of
from actors.values.texts import shown
from actors.values.tracebacks import traceback_in, traceback_of
from journal.events import Failure, Outcome, OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

E = TypeVar("E", bound=BaseException)

TYPE_CHARACTERS = 512
"""The length to which the name of an error's type is cut, in characters."""

MESSAGE_CHARACTERS = 8_192
"""The length to which the text of an error is cut, in characters. A cut text says so at its end."""

_NAMED_LEAVES = 3
"""The number of errors of a group that its text names."""


def failure_of(error: BaseException) -> Failure:
    """Return the record of an error. Never raises."""
    details = details_of(error)
    if details.problem:
        refusal = UnserializableError(
            f"{type_of(error)} cannot be recorded because of its details: {details.problem}. Its text: {text_of(error)}"
        )
        return attrs.evolve(failure_of(refusal), traceback=traceback_of(error))
    return Failure(
        type=type_of(error),
        message=text_of(error),
        traceback=traceback_of(error),
        details=details.data,
        carried=carried_by(error, details),
    )


def failed(error: BaseException) -> Outcome:
    """Return the outcome *failed* with this error, and of a group with a single error, at any depth, with that error: code that runs
    its work in a nursery fails as it would without one. Never raises."""
    leaves = list(leaves_of(error, lambda group: issubclass(type(group), TerminalError)))
    return Outcome(OutcomeKind.FAILED, failure=failure_of(leaves[0] if len(leaves) == 1 else error))


def is_terminal(error: BaseException, also: type | tuple[Any, ...] = ()) -> bool:
    """Report whether the error is final, so that no retry is made. A group is terminal if its class is, or if all of its errors are.

    Raises ``TypeError`` if ``also`` is not a class or a tuple of classes.
    """

    def ends(one: BaseException) -> bool:
        return issubclass(type(one), TerminalError) or _is_one_of(type(one), also)

    return all(map(ends, leaves_of(error, ends)))


def _is_one_of(kind: type, also: Any) -> bool:
    """Report whether ``except also`` would catch the class, by the base classes that Python knows, without calling its
    metaclass."""
    if issubclass(type(also), tuple):
        return any(_is_one_of(kind, one) for one in tuple.__iter__(also))
    if not issubclass(type(also), type):
        raise TypeError(f"{shown(also)} is not a class of errors")
    return any(base is also for base in bases_of(kind))


def is_cancel(error: BaseException, also: type | tuple[Any, ...] = ()) -> bool:
    """Report whether the error is the invocation's own cancel, alone or together with terminal errors that occurred
    while it was being cancelled.

    Raises as :func:`is_terminal` does.
    """
    leaves = list(leaves_of(error))
    others = [leaf for leaf in leaves if not issubclass(type(leaf), _CANCELS)]
    return any(issubclass(type(leaf), CancelledError) for leaf in leaves) and all(
        is_terminal(leaf, also) for leaf in others
    )


_CANCELS = (CancelledError, Cancelled)


def cancelled_by(error: BaseException) -> Outcome:
    """Return the outcome of a handler that a cancel ended: the cancel's reason, and the terminal errors that occurred
    meanwhile. Never raises."""
    leaves = list(leaves_of(error))
    cancel: Any = next((leaf for leaf in leaves if issubclass(type(leaf), CancelledError)), None)
    failures = [leaf for leaf in [*leaves, *_errors_of(cancel)] if not issubclass(type(leaf), _CANCELS)]
    failure: Failure | None = None
    if failures:
        failure = failure_of(
            failures[0] if len(failures) == 1 else BaseExceptionGroup("errors while it was cancelled", failures)
        )
    return Outcome(
        OutcomeKind.CANCELLED, reason=_text(lambda: str(cancel.reason), "the reason of this cancel"), failure=failure
    )


def _errors_of(cancel: Any) -> list[BaseException]:
    errors: Any = ()
    with contextlib.suppress(BaseException):  # a subclass may store something else under this name
        errors = cancel.errors
    if type(errors) is not tuple:
        return []
    return [leaf for error in errors if issubclass(type(error), BaseException) for leaf in leaves_of(error)]


def first_of(error: BaseException, kind: type[E]) -> E | None:
    """Return the error if it is of this kind, else the first such error in its groups, or None."""
    found: E | None = next((leaf for leaf in leaves_of(error) if issubclass(type(leaf), kind)), None)  # type: ignore[assignment]  # of this kind
    return found


def type_of(error: Any) -> str:
    """Return the recorded name of an error's type, which is also sent over the wire. Never raises.

    An error of this package may represent another type and names that type. In a user class, an attribute ``type`` is
    the user's own.
    """
    kind = type(error)
    if issubclass(kind, TerminalError) and is_built_in(kind):
        with contextlib.suppress(BaseException):  # a user can assign anything to it
            named = plain_text(error.type, TYPE_CHARACTERS)
            if named:
                return named
    return type_name(kind)[:TYPE_CHARACTERS]


def text_of(error: BaseException) -> str:
    """Return the text of an error, and of a group also the texts of its first errors. Never raises."""
    text = _said_by(error)
    return f"{text}: {_leaves_in_words(error)}"[:MESSAGE_CHARACTERS] if is_group(error) else text


def frames_of(error: BaseException) -> list[tuple[FrameType, int]]:
    """Return the frames that the error passed through, outermost first, each with its line number. Never raises."""
    return list(walk_tb(traceback_in(error)))


def _said_by(error: BaseException) -> str:
    return _text(lambda: str(error), "str() of this exception")


def _leaves_in_words(group: BaseException) -> str:
    """Return the names and texts of a group's first errors, for people to read."""
    leaves = list(leaves_of(group))
    named = [f"{_short_name(leaf)}: {_said_by(leaf)}" for leaf in leaves[:_NAMED_LEAVES]]
    more = len(leaves) - len(named)
    return "; ".join([*named, f"and {more} more"] if more else named)


def _short_name(error: BaseException) -> str:
    return name_alone(type(error))


def _text(make: Callable[[], str], what: str) -> str:
    try:
        said = make()
        text = plain_text(said, MESSAGE_CHARACTERS)
        length = str.__len__(said)
        if length <= MESSAGE_CHARACTERS:
            return text
        mark = f"… (cut, {length} characters)"
        return text[: MESSAGE_CHARACTERS - len(mark)] + mark
    except BaseException as problem:  # the methods of an error are user code and may raise anything
        return f"({what} raised {_short_name(problem)})"
