"""Limits on all input and all growth. Each has a name, a default, and an error."""

from __future__ import annotations

import attrs

from actors.errors import ErrorCode, LimitExceededError
from actors.values.arguments import Seconds, checked_count, checked_seconds
from journal.events import LAST_DATE


def _unload_after_seconds(value: Seconds) -> float:
    return checked_seconds(value, "unload_after_seconds", is_above_zero=True)


def _thread_end_seconds(value: Seconds) -> float:
    return checked_seconds(value, "thread_end_seconds")


def _blocking_seconds(value: Seconds) -> float:
    return checked_seconds(value, "blocking_seconds", is_above_zero=True)


def _query_seconds(value: Seconds) -> float:
    return checked_seconds(value, "query_seconds", is_above_zero=True)


@attrs.frozen(kw_only=True)
class Limits:
    """The limits of one runtime. Sizes are bytes of JSON, times are seconds, or timedeltas. Raises ``InvalidArgumentError``.

    ==========================  ===========  =============================================================
    limit                       default      beyond it
    ==========================  ===========  =============================================================
    ``key_bytes``               1 KiB        ``LimitExceededError``
    ``payload_bytes``           10 MiB       ``LimitExceededError`` (each argument, result, signal, field and item)
    ``payload_values``          200,000      ``LimitExceededError`` (numbers, texts, lists … in one JSON body over HTTP)
    ``mailbox``                 10,000       ``LimitExceededError`` (invocations that wait for one object)
    ``signals``                 1,000        ``LimitExceededError`` (not yet awaited)
    ``call_depth``              100          ``LimitExceededError``
    ``history_events``          100,000      the invocation is paused, with this as its reason
    ``history_bytes``           64 MiB       the invocation is paused, with this as its reason
    ``output_pieces``           1,000,000    ``LimitExceededError`` from ``emit()`` in a step (pieces of one invocation, void
                                             ones included); if the handler emits them, the invocation is paused
    ``output_bytes``            64 MiB       likewise (JSON of these pieces)
    ``live_attempts``           10,000       the ones that have waited longest leave memory
    ``unload_after_seconds``    60           handlers that have waited this long leave memory
    ``idle_objects``            10,000       the ones unused longest leave memory
    ``resident_bytes``          256 MiB      likewise (fields of objects in memory, in each partition;
                                             the process takes up to three times as much)
    ``running_steps``           10,000       further steps wait for their turn
    ``threads``                 64           further steps that are plain functions wait for a thread
    ``abandoned_threads``       1,000        an abandoned thread takes the place of one that works
    ``thread_end_seconds``      60           the next try of its step begins beside the abandoned thread
    ``blocking_seconds``        3            code that blocks the event loop is interrupted, and its invocation
                                             is paused, with this as its reason
    ``requests``                100,000      ``UnavailableError`` (waiting for the engine)
    ``query_seconds``           10           ``LimitExceededError``
    ``query_rows``              10,000       ``LimitExceededError``
    ``query_bytes``             32 MiB       ``LimitExceededError`` (all values of a query's answer)
    ``queries``                 2            further queries wait for their turn; a token without a running
                                             query may run one more
    ==========================  ===========  =============================================================

    ::

        async with actors.open_runtime(Chat, path="data", limits=actors.Limits(mailbox=100)) as runtime:
            ...
    """

    key_bytes: int = 1 << 10
    payload_bytes: int = 10 << 20
    payload_values: int = 200_000
    mailbox: int = 10_000
    signals: int = 1_000
    call_depth: int = 100
    history_events: int = 100_000
    history_bytes: int = 64 << 20
    output_pieces: int = 1_000_000
    output_bytes: int = 64 << 20
    live_attempts: int = 10_000
    unload_after_seconds: float = attrs.field(default=60.0, converter=_unload_after_seconds)
    idle_objects: int = 10_000
    resident_bytes: int = 256 << 20
    running_steps: int = 10_000
    threads: int = 64
    abandoned_threads: int = 1_000
    thread_end_seconds: float = attrs.field(default=60.0, converter=_thread_end_seconds)
    blocking_seconds: float = attrs.field(default=3.0, converter=_blocking_seconds)
    requests: int = 100_000
    query_seconds: float = attrs.field(default=10.0, converter=_query_seconds)
    query_rows: int = 10_000
    query_bytes: int = 32 << 20
    queries: int = 2

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(Limits):
            if not field.name.endswith("_seconds"):
                checked_count(getattr(self, field.name), field.name)


NEVER = LAST_DATE
"""A time after every calendar date, in wall seconds."""

DEFAULT_LIMITS = Limits()


def within_limit(data: bytes, limit: int, what: str) -> bytes:
    """Return the bytes unchanged. Raises :class:`LimitExceededError` if they are more than ``limit``."""
    if len(data) > limit:
        raise too_large(data, limit, what)
    return data


def too_large(data: bytes, limit: int, what: str) -> LimitExceededError:
    """Return the error for a value with more than ``payload_bytes``."""
    return LimitExceededError(
        f"{what} has {len(data)} bytes of JSON, the limit is {limit} (payload_bytes)",
        limit="payload_bytes",
        maximum=limit,
        found=len(data),
        code=ErrorCode.TOO_LARGE,
    )
