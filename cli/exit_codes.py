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
    """No such invocation, service, handler, field, job or deployment; or a selection that nothing fits."""
    UNAVAILABLE = 5
    """No server answers, or it takes nothing for now."""
    PARTIAL = 6
    """Of several, some could not be done."""
    UNKNOWN = 7
    """Whether it was done is unknown."""
    ABANDONED = 8
    """The server has ended before all its steps did; they begin again at the next start."""
    FORCED = 9
    """The server has ended at once: because of a second signal, or since its event loop did not answer."""
    DISK_FAILED = 74
    """The disk failed, or the data directory was moved, removed or replaced under the server (``EX_IOERR``)."""
    IN_USE = 75
    """Another process holds the data directory (``EX_TEMPFAIL``)."""


def exit_code_of(error: BaseException) -> Exit:
    """The exit code for an error that ends a command."""
    # What an error is of is loaded when there is one.
    from actors import errors as ours
    from journal import errors as kept

    match error:
        case kept.StoreInUse():
            return Exit.IN_USE
        case kept.StoreFailed():
            return Exit.DISK_FAILED
        case kept.StoreMissing():
            return Exit.NOT_FOUND
        case kept.StoreExists() | kept.DirectoryNotEmpty():
            return Exit.REFUSED
        case kept.MalformedIdError():
            return Exit.USAGE
        case kept.Unavailable():
            return Exit.UNAVAILABLE
        case ours.ActorError():
            return EXIT_OF_CODE[ours.code_of(error)]
        case _:
            return Exit.FAILED


EXIT_OF_CODE: dict[str, Exit] = {
    **dict.fromkeys(
        (
            "blocked_loop",
            "cancelled",
            "deadline_exceeded",
            "deadlock",
            "failed",
            "field_misuse",
            "inside_step",
            "internal",
            "killed",
            "no_longer_fits",
            "non_durable_await",
            "nondeterminism",
            "outside_handler",
            "paused",
            "step_failed",
            "step_lost",
            "step_outcome_unknown",
            "step_timeout",
            "unserializable",
        ),
        Exit.FAILED,
    ),
    **dict.fromkeys(("invalid_argument", "invalid_definition"), Exit.USAGE),
    **dict.fromkeys(
        (
            "already_completed",
            "already_exists",
            "broken_deployment",
            "busy",
            "forbidden",
            "gone",
            "idempotency_conflict",
            "in_use",
            "incompatible",
            "key_collision",
            "key_held",
            "limit_exceeded",
            "missing_extra",
            "not_completed",
            "not_possible",
            "refused",
            "still_open",
            "still_running",
            "too_large",
            "too_many",
            "unauthenticated",
            "version_conflict",
        ),
        Exit.REFUSED,
    ),
    "not_found": Exit.NOT_FOUND,
    **dict.fromkeys(("damaged", "offline", "set_aside", "unavailable"), Exit.UNAVAILABLE),
    "outcome_unknown": Exit.UNKNOWN,
}
"""The exit code of an error, by its code. The codes are texts here, since their class is loaded only when there is an error."""
