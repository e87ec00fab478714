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
    OUTPUT_CLOSED = 141
    """The reader of stdout has closed it: the code that a shell shows for tools that SIGPIPE ends, such as git."""


def exit_code_of(error: BaseException) -> Exit:
    """Return the exit code of a command that ends with this error."""
    # The classes of errors are imported only when there is one.
    from actors.errors import ActorError, JournalError
    from actors.errors.base import code_of

    return EXIT_OF_CODE[code_of(error)] if isinstance(error, (ActorError, JournalError)) else Exit.FAILED


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
            "never_awaited",
            "internal",
            "killed",
            "no_longer_fits",
            "non_durable_await",
            "nondeterminism",
            "outside_handler",
            "paused",
            "signal_failed",
            "update_lost",
            "step_failed",
            "step_lost",
            "step_outcome_unknown",
            "step_timeout",
            "store_damaged",
            "store_format",
            "store_unusable",
            "unserializable",
            "wrong_loop",
            "wrong_store",
        ),
        Exit.FAILED,
    ),
    **dict.fromkeys(("invalid_argument", "invalid_definition"), Exit.USAGE),
    **dict.fromkeys(
        (
            "already_completed",
            "already_due",
            "already_exists",
            "already_restarted",
            "broken_deployment",
            "busy",
            "directory_not_empty",
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
            "no_budget",
            "no_run",
            "not_completed",
            "not_possible",
            "question_closed",
            "refused",
            "still_open",
            "still_running",
            "store_exists",
            "too_large",
            "too_many",
            "unauthenticated",
            "version_conflict",
        ),
        Exit.REFUSED,
    ),
    **dict.fromkeys(("not_found", "store_missing"), Exit.NOT_FOUND),
    **dict.fromkeys(("damaged", "disk_full", "not_owner", "offline", "set_aside", "unavailable"), Exit.UNAVAILABLE),
    "outcome_unknown": Exit.UNKNOWN,
    **dict.fromkeys(("directory_lost", "log_diverged", "log_trimmed", "store_failed"), Exit.DISK_FAILED),
    "store_in_use": Exit.IN_USE,
}
"""The exit code of each error code. The codes are texts here, because their class is imported only when there is an error."""
