"""Converts recorded outcomes back to values, and to errors, which are raised where the record is read."""

from __future__ import annotations

import functools
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from actors.errors import ErrorCode, InvocationCancelledError, StepFailedError, TerminalError
from actors.errors.names import deployment_of_module, instance_dict_of, is_built_in, module_of, qualname_of, type_name
from actors.values.error_details import made_again, made_with_text
from actors.values.failures import text_of
from actors.values.loaded_code import find_loaded, loads
from actors.values.texts import failure_in_words
from journal.errors import CorruptRecord
from journal.events import OutcomeKind

if TYPE_CHECKING:
    from actors.values.texts import FailureLike
    from journal.events import Failure, Outcome
    from journal.ids import InvocationId


class OutcomeLike(Protocol):
    """The part of an outcome that is shown in words, recorded or public."""

    @property
    def kind(self) -> OutcomeKind: ...

    @property
    def failure(self) -> FailureLike | None: ...

    @property
    def reason(self) -> str: ...


def error_of(failure: Failure, invocation_id: InvocationId | None = None, *, deployment: str = "") -> TerminalError:
    """Return the error that a failure describes, in its original class if that class is known, else as a
    ``TerminalError`` whose text names the class.

    ``deployment`` is the code that reads the error, in whose classes it is looked up; empty for normally imported code.
    """
    kind = _class_of(failure.type, deployment)
    error = None if kind is None else _made_again(kind, failure)
    if error is None:
        error = made_with_text(TerminalError, failure, _text_with_type(failure))
    instance_dict_of(error)["invocation_id"] = invocation_id
    return error


def _made_again(kind: type[TerminalError], failure: Failure) -> TerminalError | None:
    """Return the error in its original class, or None if its text would differ from the recorded one. An error of this
    package's own classes can always be rebuilt, if need be from its text alone."""
    error = made_again(kind, failure)
    if error is not None and text_of(error) == failure.message:
        return error
    return made_with_text(kind, failure, failure.message) if is_built_in(kind) else None


def value_of(outcome: Outcome, invocation_id: InvocationId | None = None, *, deployment: str = "") -> bytes:
    """Return the value of a successful outcome. Raises the error that any other outcome describes."""
    match outcome.kind:
        case OutcomeKind.SUCCEEDED:
            return outcome.value
        case OutcomeKind.FAILED:
            if outcome.failure is None:
                raise CorruptRecord("an outcome of kind 'failed' has no failure")
            raise error_of(outcome.failure, invocation_id, deployment=deployment)
        case OutcomeKind.CANCELLED:
            code = ErrorCode.DEADLINE_EXCEEDED if outcome.expired else ErrorCode.CANCELLED
            raise _ended(code, outcome, invocation_id)
        case OutcomeKind.KILLED:
            raise _ended(ErrorCode.KILLED, outcome, invocation_id)


def step_error_of(failure: Failure, name: str, *, deployment: str = "") -> TerminalError:
    """Return the error of a step that failed for good: its own error if that was terminal, else a
    :class:`StepFailedError`."""
    if _class_of(failure.type, deployment) is not None:
        return error_of(failure, deployment=deployment)
    return made_with_text(StepFailedError, failure, f"step {name!r} failed: {failure_in_words(failure)}")


def _ended(code: ErrorCode, outcome: Outcome, invocation_id: InvocationId | None) -> InvocationCancelledError:
    text = end_in_words(outcome, invocation_id)
    error = InvocationCancelledError(text, code=code, details=outcome.reason or None)
    error.invocation_id = invocation_id
    return error


def end_in_words(outcome: OutcomeLike, invocation_id: InvocationId | None) -> str:
    """Say how an invocation without a result ended: cancelled, killed or failed, with the reason."""
    ended, reason, failure = outcome.kind.value, outcome.reason, outcome.failure
    if outcome.kind is OutcomeKind.FAILED:
        return f"{invocation_id or 'the invocation'} failed" + (
            "" if failure is None else f": {_text_with_type(failure)}"
        )
    because = f": {reason}" if reason else ""
    if failure is not None:
        because += f"; meanwhile it failed with {failure_in_words(failure)}"
    return f"{invocation_id or 'the invocation'} was {ended}{because}"


def _text_with_type(failure: FailureLike) -> str:
    """Return the text of an error whose class is unknown here, preceded by the name of its type unless the text begins
    with that name."""
    alone = failure.type.removeprefix("builtins.")
    is_told = failure.type == _TERMINAL or failure.message == alone or failure.message.startswith(f"{alone}: ")
    return failure.message if is_told else failure_in_words(failure)


_TERMINAL = type_name(TerminalError)


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
    """Report whether the application itself defines the error's module. If it does, a class of another deployment would
    be a guess."""
    loaded = find_loaded(deployment)
    return loaded is not None and name.partition(".")[0] in loaded.own_names


@functools.lru_cache(maxsize=1)
def _known_types(_: int) -> dict[tuple[str, str], type[TerminalError]]:
    """Return the classes of terminal errors by deployment and name. Of classes with the same name, the last one defined
    counts."""
    known: dict[tuple[str, str], type[TerminalError]] = {}
    waiting: deque[type[TerminalError]] = deque([TerminalError])
    while waiting:
        kind = waiting.popleft()
        waiting += type.__subclasses__(kind)  # a metaclass may define a method of this name
        module = module_of(kind)
        deployment = deployment_of_module(module)
        for name in (type_name(kind), *_other_names(kind, module, deployment)):
            known[deployment, name] = kind
    return known


def _other_names(kind: type, module: str, deployment: str) -> list[str]:
    """Return the other name of a module that was run as a program: there it is ``__main__``, and elsewhere it has its
    own name."""
    if module == "__main__":
        file = getattr(sys.modules["__main__"], "__file__", None)
        return [] if file is None else [f"{Path(file).stem}.{qualname_of(kind)}"]
    loaded = find_loaded(deployment)
    if loaded is not None and module.partition(".")[2] in loaded.entries:
        return [f"__main__.{qualname_of(kind)}"]
    return []
