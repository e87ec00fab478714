"""Formats tracebacks for storage: they begin in the user's own code, and long ones are cut in the middle.

Between the engine and a handler or step are frames of this package and of trio, which do not help the handler's author.
Frames of other packages that the author's code called stay, because they show what the code was doing when it failed.
Frames of this package are left out: the author's line shows which function of this package was called, and the error
says what was wrong.
"""

from __future__ import annotations

import contextlib
import functools
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.errors.names import instance_dict_of, qualname_of
from actors.values.error_groups import exceptions_in, is_group

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

TRACEBACK_CHARACTERS = 16_384
"""The length to which a traceback is cut, in characters: its beginning with the user's frames, and its end with the
error, are kept."""


@functools.cache
def _around() -> tuple[str, ...]:
    """Return the directories of the packages whose frames surround the user's."""
    import outcome  # few processes have an error to show, and importing the API imports neither
    import trio

    return (*(f"{Path(str(file)).parent}/" for file in (trio.__file__, outcome.__file__)), _ours())


@functools.cache
def _ours() -> str:
    return f"{Path(__file__).parents[1]}/"


_SHOWN_ERRORS = 500
"""The largest number of errors inside an error, nested or as causes, with which it is shown in full: their number can
grow exponentially with the depth of nested groups."""

# Python's own data in an error. No class can change these, as it can attributes with the same names.
traceback_in: Callable[[BaseException], TracebackType | None] = vars(BaseException)["__traceback__"].__get__
_cause_of: Callable[[BaseException], BaseException | None] = vars(BaseException)["__cause__"].__get__
_context_of: Callable[[BaseException], BaseException | None] = vars(BaseException)["__context__"].__get__
_class_dict_of: Callable[[type], Mapping[str, Any]] = vars(type)["__dict__"].__get__
_bases_of: Callable[[type], tuple[type, ...]] = vars(type)["__mro__"].__get__

_ASKED = ("exceptions", "__traceback__", "__cause__", "__context__", "__notes__", "__getattribute__")
"""The attributes that a traceback is made of. A class that overrides one of them may return values without end."""


def traceback_of(error: BaseException) -> str:
    """Return the traceback of the error and its causes, beginning with the user's frames. Never raises.

    If the error overrides the attributes that a traceback is made of, or contains too many errors, return only its
    frames.
    """
    if _can_be_shown(error):
        with contextlib.suppress(BaseException):  # the methods of an error are user code and may raise anything
            return _encodable(_whole_traceback_of(error))
    try:
        return _encodable(_frames_of(error))
    except BaseException as problem:  # the loader of a module is asked for its source line
        return f"(the traceback of this exception raised {qualname_of(type(problem))})"


def _can_be_shown(error: BaseException) -> bool:
    """Report whether everything that a full traceback is made of is Python's own, and finite."""
    waiting, behind, count = [error], {id(error)}, 0
    while waiting:
        at = waiting.pop()
        count += 1
        if count > _SHOWN_ERRORS or _answers_for_itself(at):
            return False
        if is_group(at):
            waiting += exceptions_in(at)  # an error that is in two groups is shown twice
        for other in (_cause_of(at), _context_of(at)):
            if other is not None and id(other) not in behind:
                behind.add(id(other))
                waiting.append(other)
    return True


def _answers_for_itself(error: BaseException) -> bool:
    for kind in _bases_of(type(error)):
        if kind is BaseException or kind is BaseExceptionGroup:
            break
        if (
            kind is not Exception
            and kind is not ExceptionGroup
            and any(name in _class_dict_of(kind) for name in _ASKED)
        ):
            return True
    return type(instance_dict_of(error).get("__notes__", [])) is not list


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _frames_of(error: BaseException) -> str:
    frames = _from_the_users_code(traceback.StackSummary.extract(traceback.walk_tb(traceback_in(error))))
    return _cut("".join(["Traceback (most recent call last):\n", *frames.format()]))


def _whole_traceback_of(error: BaseException) -> str:
    shown = traceback.TracebackException.from_exception(error, compact=True)
    waiting = [shown]
    while waiting:
        one = waiting.pop()
        one.stack = _from_the_users_code(one.stack)
        waiting += [other for other in (one.__cause__, one.__context__, *(one.exceptions or ())) if other is not None]
    return _cut("".join(shown.format()))


def _from_the_users_code(stack: traceback.StackSummary) -> traceback.StackSummary:
    """Return the frames from the first user frame on, without those of this package; all frames if none is the user's."""
    around, ours = _around(), _ours()
    first = next((n for n, frame in enumerate(stack) if not frame.filename.startswith(around)), None)
    if first is None:
        return stack
    return traceback.StackSummary.from_list([frame for frame in stack[first:] if not frame.filename.startswith(ours)])


def _cut(text: str) -> str:
    if len(text) <= TRACEBACK_CHARACTERS:
        return text
    half = TRACEBACK_CHARACTERS // 2
    head, tail = text[:half].rpartition("\n")[0], text[-half:].partition("\n")[2]
    left_out = len(text) - len(head) - len(tail)
    return f"{head}\n  … {left_out} characters left out …\n{tail}"
