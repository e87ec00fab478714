"""Exit codes, and which error gives which."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """What the exit code of a command says."""

    DONE = 0
    FAILED = 1
    """The invocation that was called or awaited has failed, or was cancelled or killed."""
    USAGE = 2
    """The command was not understood."""
    REFUSED = 3
    """It cannot be done as things stand; nothing has changed."""
    NOT_FOUND = 4
    """No such invocation, service, handler, field, job or deployment."""
    UNAVAILABLE = 5
    """No server answers, or it takes nothing for now."""
    PARTIAL = 6
    """Of several, some could not be done."""
    UNKNOWN = 7
    """Whether it was done is unknown."""
    IN_USE = 75
    """Another process holds the data directory (``EX_TEMPFAIL``)."""


_NOT_FOUND = (
    "UnknownInvocationError",
    "UnknownServiceError",
    "UnknownHandlerError",
    "UnknownTokenError",
    "UnknownJobError",
    "UnknownDeploymentError",
    "UnknownFieldError",
    "UnknownFileError",
    "StoreMissing",
)
_UNAVAILABLE = ("UnavailableError", "DiskFull", "Unavailable")
_USAGE = (
    "InvalidArgumentError",
    "InvalidKeyError",
    "InvalidQueryError",
    "InvalidScopeError",
    "MalformedIdError",
    "DefinitionError",
)


def exit_code_of(error: BaseException) -> Exit:
    """The exit code for an error that ends a command."""
    names = {kind.__name__ for kind in type(error).__mro__}
    for group, code in (
        (_NOT_FOUND, Exit.NOT_FOUND),
        (_UNAVAILABLE, Exit.UNAVAILABLE),
        (_USAGE, Exit.USAGE),
        (("StoreInUse",), Exit.IN_USE),
        (("UnknownOutcomeError",), Exit.UNKNOWN),
        (("Refused",), Exit.REFUSED),
    ):
        if names.intersection(group):
            return code
    return Exit.FAILED
