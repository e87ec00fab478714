"""The errors that all others derive from."""

from __future__ import annotations

from typing import Any

from actors.errors.names import bases_of, instance_dict_of, is_ours, type_name
from journal.error_codes import ErrorCode
from journal.errors import JournalError
from journal.ids import InvocationId


class ActorError(Exception):
    """The base of every error of this package, except the two cancellations. ``code`` says what happened.

    ::

        except actors.ActorError as error:
            log.warning("%s: %s", error.code, error)
    """

    code: ErrorCode = ErrorCode.INTERNAL


def code_of(error: BaseException) -> ErrorCode:
    """The error code, even if a user's class stores something else as ``code``. Never raises."""
    own = instance_dict_of(error).get("code")
    if type(own) is ErrorCode:
        return own
    return next(
        (kind.code for kind in bases_of(type(error)) if is_ours(kind) and issubclass(kind, (ActorError, JournalError))),
        ErrorCode.INTERNAL,
    )


class TerminalError(ActorError):
    """Raise it in a handler or a step to fail finally: it is recorded, never retried, and raised at the caller's await.

    A subclass arrives as itself, with its attributes, if its class is known: ``except InsufficientFunds`` works across a call,
    across a replay and over HTTP. An attribute is kept if it is JSON, of a common type of the standard library, or of the type in
    its annotation, in the class or in the parameters of its ``__init__``. If one cannot be kept, or they exceed 64 KiB as JSON, a
    plain ``TerminalError`` arrives, with ``type``, text and ``details``. ``details`` are kept by the same rule; an error whose
    details cannot be kept, or exceed 64 KiB, is recorded as ``UnserializableError``. ``invocation_id`` is that of the invocation
    that raised it. Its cause is part of the recorded traceback, and is not raised again.

    ::

        class InsufficientFunds(actors.TerminalError): ...

        raise InsufficientFunds("balance is 3, asked for 5", details={"balance": 3})
    """

    code: ErrorCode = ErrorCode.FAILED
    invocation_id: InvocationId | None = None
    details: Any = None
    type: str = ""

    def __init__(self, message: str = "", *, details: Any = None) -> None:
        super().__init__(message)
        # A subclass may be frozen, or define properties with these names.
        instance_dict_of(self).update(details=details, type=type_name(type(self)))
