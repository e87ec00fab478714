"""The public records of waits: the operations, the key and the code that an invocation waits for."""

from __future__ import annotations

import enum
from typing import Any

import attrs

from journal.ids import InvocationId, StepId

LOCK_WAIT = "lock"
"""The kind of a wait for a lock."""


class StepPhase(enum.Enum):
    """The phase of a step in the process that runs it."""

    TURN = "turn"
    """Waiting: ``Limits.running_steps`` others are running."""
    EARLIER_TRY = "earlier_try"
    """Waiting for the abandoned thread of an earlier try."""
    STOPPED_THREAD = "stopped_thread"
    """Waiting, after a cancel, for the abandoned thread of a step that the cancel stopped."""
    THREAD = "thread"
    """Waiting for a thread: all ``Limits.threads`` are in use."""
    RUNS = "runs"
    STOPPING = "stopping"
    """Timed out, cancelled or aborted, and its body has not stopped yet."""
    ABANDONED = "abandoned"
    """Like ``stopping``, and its result is ignored: the step begins again if its invocation continues."""


@attrs.frozen(kw_only=True)
class WaitInfo:
    """An operation that an invocation waits for: a step, a timer, a call, a signal, a lock; with its start and its date in wall
    seconds. ``invocation_id`` is the awaited invocation; of a lock, the one that has it or gets it before.

    ``phase`` is the phase of a step, known in the process that runs it. ``note`` describes it in words. ``heartbeat`` are the
    details of its last recorded heartbeat.
    """

    step: StepId
    kind: str
    name: str
    since: float
    until: float | None = None
    invocation_id: InvocationId | None = None
    failed_attempts: int = 0
    max_attempts: int | None = None
    phase: StepPhase | None = None
    note: str = ""
    heartbeat: Any = None


@attrs.frozen(kw_only=True)
class StepDoing:
    """The phase of a running step, with a description."""

    phase: StepPhase
    note: str = ""


@attrs.frozen(kw_only=True)
class LeftBehind:
    """Work that was stopped and has not ended: the invocation's own ``steps`` in abandoned threads, and the invocations whose
    steps it waits for (``unwinding``)."""

    steps: tuple[str, ...] = ()
    unwinding: tuple[InvocationId, ...] = ()


NOTHING_LEFT = LeftBehind()


@attrs.frozen(kw_only=True)
class CodeWait:
    """The code of an invocation is not loaded: the error of the last of ``tries`` attempts, and the time of the next, in wall
    seconds. Without an error it is being loaded."""

    deployment: str
    error: str = ""
    tries: int = 0
    again_at: float | None = None


@attrs.frozen(kw_only=True)
class KeyWait:
    """An invocation waits for its object: the holder of the key, and the number of invocations before it in the mailbox."""

    holder: InvocationId | None
    ahead: int
