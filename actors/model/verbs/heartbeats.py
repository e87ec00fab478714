"""Heartbeats: the progress of a step, for its next try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from actors.errors import ErrorCode, MisuseError
from actors.model.contexts import current_step
from actors.model.payloads import json_of
from actors.replay.branches import current_branch

if TYPE_CHECKING:
    from actors.model.contexts import StepSurroundings


def heartbeat(details: Any = None) -> None:
    """Report the progress of the running step: ``details`` is a plain JSON value, which :func:`last_heartbeat` returns in the step's next
    try, even after the process has died.

    It does not wait. The first heartbeat of a try is recorded at once, then one in each second, or in each sixtieth of the try's time
    so far if that is longer, and the last one of a try that fails or is stopped. Each recorded heartbeat is an event in the history, and
    its ``details`` count towards ``Limits.history_bytes``. Raises :class:`UnserializableError`, :class:`LimitExceededError` beyond ``Limits.payload_bytes``,
    and :class:`MisuseError` outside of a step or in a try that is over.

    ::

        @actors.step(retry=actors.RetryPolicy(max_attempts=5))
        async def load(path: str) -> int:
            done = actors.last_heartbeat() or 0
            for number, row in enumerate(read(path, start=done), done + 1):
                await insert(row)
                actors.heartbeat(number)
            return number
    """
    _running_step("heartbeat").heartbeat(json_of(details, "heartbeat()"))


def last_heartbeat() -> Any:
    """Return the details of the last heartbeat that is recorded of an earlier try of the running step, or None.

    Raises :class:`MisuseError` outside of a step. See :func:`heartbeat`.

    ::

        start = actors.last_heartbeat() or 0
    """
    details = _running_step("last_heartbeat").last_heartbeat
    return msgspec.json.decode(details) if details else None


def _running_step(verb: str) -> StepSurroundings:
    step = current_step.get()
    if step is None or current_branch.get() is not None:
        raise MisuseError(
            f"actors.{verb}() is for a step; call it in the body of a step", code=ErrorCode.OUTSIDE_HANDLER
        )
    return step
