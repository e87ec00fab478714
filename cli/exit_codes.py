"""Exit codes, and the exit code of each error."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """The exit code of a command."""

    DONE = 0
    FAILED = 1
    """The called or awaited invocation failed, or was cancelled or killed."""
    USAGE = 2
    """The command line is invalid."""
    REFUSED = 3
    """The request was refused; nothing has changed."""
    NOT_FOUND = 4
    """The invocation, service, handler, field, job or deployment does not exist, or nothing matches the selection."""
    UNAVAILABLE = 5
    """No server answers, or it accepts no requests for now."""
    PARTIAL = 6
    """Some of several requests failed."""
    UNKNOWN = 7
    """Whether the request was executed is unknown."""
    ABANDONED = 8
    """The server has ended before all its steps did; they begin again at the next start."""
    FORCED = 9
    """The server was stopped at once: by a second signal, or because its event loop did not answer."""
    DISK_FAILED = 74
    """The disk failed, or the data directory was moved, removed or replaced under the server (``EX_IOERR``)."""
    IN_USE = 75
    """Another process holds the data directory (``EX_TEMPFAIL``)."""


def exit_code_of(error: BaseException) -> Exit:
    """Return the exit code of a command that ends with this error."""
    # The class of an error is imported only when there is one.
    from actors import errors as ours
    from actors.errors.base import code_of
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
            return EXIT_OF_CODE[code_of(error)]
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
            "signal_failed",
            "step_failed",
            "step_lost",
            "step_outcome_unknown",
            "step_timeout",
            "unserializable",
            "wrong_loop",
        ),
        Exit.FAILED,
    ),
    **dict.fromkeys(("invalid_argument", "invalid_definition"), Exit.USAGE),
    **dict.fromkeys(
        (
            "already_completed",
            "already_due",
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
            "link_expired",
            "missing_extra",
            "not_completed",
            "not_possible",
            "question_closed",
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
    **dict.fromkeys(("damaged", "not_owner", "offline", "set_aside", "unavailable"), Exit.UNAVAILABLE),
    "outcome_unknown": Exit.UNKNOWN,
}
"""The exit code of each error code. The codes are texts here, because their class is imported only when there is an error."""
