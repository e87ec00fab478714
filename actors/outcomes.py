"""Exceptions to outcomes and back: what is recorded of an error, and what is raised where the record is read."""

from __future__ import annotations

import functools
import sys
from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from actors.core.errors import (
    CancelledError,
    InvocationCancelledError,
    InvocationKilledError,
    StepFailedError,
    TerminalError,
    deployment_of_module,
    type_name,
)
from actors.deployments.loading import find_loaded, loads
from actors.tracebacks import traceback_of
from journal.events import Failure, Outcome, OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from journal.ids import InvocationId

MESSAGE_CHARACTERS = 8_192
"""How much of an error's text is kept."""

_NAMED_LEAVES = 3
"""How many errors of a group its text tells."""

DETAILS_BYTES = 65_536
"""Larger details are not kept."""


def failure_of(error: BaseException) -> Failure:
    """What is kept of an error. Never raises, whatever the error does when it is shown."""
    return Failure(
        type=type_of(error),
        message=_message_of(error),
        traceback=_traceback_of(error),
        details=_details_of(error),
    )


def failed(error: BaseException) -> Outcome:
    """The outcome of what failed with this error."""
    return Outcome(OutcomeKind.FAILED, failure=failure_of(error))


def is_terminal(error: BaseException, also: tuple[type[BaseException], ...] = ()) -> bool:
    """Whether trying again is pointless. A group is if everything in it is."""
    return all(isinstance(leaf, (TerminalError, *also)) for leaf in _leaves(error))


def is_cancel(error: BaseException) -> bool:
    """Whether the error is the invocation's own cancel coming through, alone or with what broke on the way."""
    return any(isinstance(leaf, CancelledError) for leaf in _leaves(error))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The error, or what lies in its groups, however deep."""
    waiting = [error]
    while waiting:
        at = waiting.pop()
        if isinstance(at, BaseExceptionGroup):
            waiting += reversed(at.exceptions)
        else:
            yield at


def error_of(failure: Failure, invocation_id: InvocationId | None = None, *, deployment: str = "") -> TerminalError:
    """The error to raise for a recorded failure: of its own class where that is known, else the one that names it.

    ``deployment``: whose code awaits it, and so whose classes are meant; empty for code that was imported as usual.
    """
    kind = _class_of(failure.type, deployment) or TerminalError
    error = kind.__new__(kind)
    message = failure.message if kind is not TerminalError else _with_type(failure)
    Exception.__init__(error, message)
    error.details = msgspec.json.decode(failure.details) if failure.details else None
    error.type = failure.type
    error.invocation_id = invocation_id
    return error


def value_of(outcome: Outcome, invocation_id: InvocationId | None = None, *, deployment: str = "") -> bytes:
    """The value of an outcome, or what it was otherwise, raised."""
    match outcome.kind:
        case OutcomeKind.SUCCEEDED:
            return outcome.value
        case OutcomeKind.FAILED:
            assert outcome.failure is not None
            raise error_of(outcome.failure, invocation_id, deployment=deployment)
        case OutcomeKind.CANCELLED:
            raise _ended(InvocationCancelledError, "cancelled", outcome, invocation_id)
        case OutcomeKind.KILLED:
            raise _ended(InvocationKilledError, "killed", outcome, invocation_id)


def step_error_of(failure: Failure, name: str, *, deployment: str = "") -> TerminalError:
    """The error of a step that failed for good: its own if it was terminal, else that the step used up its attempts."""
    if _class_of(failure.type, deployment) is not None:
        return error_of(failure, deployment=deployment)
    error = StepFailedError(f"step {name!r} failed: {failure.type}: {failure.message}")
    error.type = failure.type
    return error


def _ended(kind: type[TerminalError], word: str, outcome: Outcome, invocation_id: InvocationId | None) -> TerminalError:
    because = f": {outcome.reason}" if outcome.reason else ""
    error = kind(f"{invocation_id or 'the invocation'} was {word}{because}", details=outcome.reason or None)
    error.invocation_id = invocation_id
    return error


def type_of(error: BaseException) -> str:
    """The type of an error as it is recorded, and sent over wires."""
    return error.type if isinstance(error, TerminalError) and error.type else type_name(type(error))


def _message_of(error: BaseException) -> str:
    text = _text(lambda: str(error), "text")
    if isinstance(error, BaseExceptionGroup):
        text = f"{text}: {_text(partial(_leaves_in_words, error), 'content')}"
    return text[:MESSAGE_CHARACTERS]


def _leaves_in_words(group: BaseExceptionGroup[BaseException]) -> str:
    """What is in a group: that is what somebody looks for, and what tells one failure from another."""
    leaves = list(_leaves(group))
    named = [f"{type(leaf).__name__}: {_text(partial(str, leaf), 'text')}" for leaf in leaves[:_NAMED_LEAVES]]
    more = len(leaves) - len(named)
    return "; ".join([*named, f"and {more} more"] if more else named)


def _traceback_of(error: BaseException) -> str:
    return _text(lambda: traceback_of(error), "traceback")


def _text(make: Callable[[], str], what: str) -> str:
    try:
        return _valid(make())
    except BaseException as problem:  # an error's methods are its author's, and may raise anything
        return f"(its {what} cannot be had: {type(problem).__name__})"


def _details_of(error: BaseException) -> bytes:
    try:
        details: Any = getattr(error, "details", None)
        data = b"" if details is None else msgspec.json.encode(details)
    except BaseException:  # as above
        return b""
    return data if len(data) <= DETAILS_BYTES else b""


def _valid(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _with_type(failure: Failure) -> str:
    return f"{failure.type}: {failure.message}" if failure.type != type_of(TerminalError()) else failure.message


def _class_of(name: str, deployment: str) -> type[TerminalError] | None:
    known = _known_types(loads())
    if (deployment, name) not in known:
        _known_types.cache_clear()
        known = _known_types(loads())
    found = known.get((deployment, name))
    if found is None and deployment and not _is_own(name, deployment):
        found = known.get(("", name))
    return found


def _is_own(name: str, deployment: str) -> bool:
    """Whether the application itself would define this: then another deployment's class would be a guess."""
    loaded = find_loaded(deployment)
    return loaded is not None and name.partition(".")[0] in loaded.own_names


@functools.lru_cache(maxsize=1)
def _known_types(_: int) -> dict[tuple[str, str], type[TerminalError]]:
    """By deployment and name; of two of one name the one that was defined last."""
    known: dict[tuple[str, str], type[TerminalError]] = {}
    waiting: deque[type[TerminalError]] = deque([TerminalError])
    while waiting:
        kind = waiting.popleft()
        deployment = deployment_of_module(kind.__module__)
        for name in (type_name(kind), *_other_names(kind, deployment)):
            known[deployment, name] = kind
        waiting += kind.__subclasses__()
    return known


def _other_names(kind: type[TerminalError], deployment: str) -> list[str]:
    """A module that was run as a program is ``__main__``, and is called by its own name everywhere else."""
    if kind.__module__ == "__main__":
        file = getattr(sys.modules["__main__"], "__file__", None)
        return [] if file is None else [f"{Path(file).stem}.{kind.__qualname__}"]
    loaded = find_loaded(deployment)
    if loaded is not None and kind.__module__.partition(".")[2] in loaded.entries:
        return [f"__main__.{kind.__qualname__}"]
    return []
