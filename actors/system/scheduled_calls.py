"""The calls of schedules: the invocations that wait for scheduled runs."""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar

from actors.errors import ConflictError, NotFoundError
from actors.model.classes import Service, service_name
from actors.model.handlers import handler
from actors.model.verbs.calls import invocation, send
from actors.model.verbs.stored_calls import call_stored, id_of_stored_call, outcome_of
from actors.values.names import SYSTEM_NAMESPACE
from actors.values.texts import failure_in_words
from journal.events import Outcome, Target
from journal.ids import InvocationId

FORGET_SECONDS = 60.0
"""How long the invocations of a schedule itself are kept."""

_FAILURE_SHOWN = 300


class ScheduledCall(Service):
    """The calls of schedules: each waits for one run, and reports the outcome to its schedule. The schedule takes the first word."""

    _namespace: ClassVar[str] = SYSTEM_NAMESPACE

    @handler(retention=FORGET_SECONDS)
    async def run(self, schedule: str, request: str, target: Target, argument: bytes, parameter: str) -> None:
        """Call the target, and report how it ended."""
        of = id_of_stored_call(target, request)
        await _tell(schedule, of, await call_stored(target, argument, parameter, request, {"schedule": schedule}))

    @handler(retention=FORGET_SECONDS)
    async def watch(self, schedule: str, of: InvocationId, call: InvocationId) -> None:
        """Report how a run ended once ``call``, which calls it, has ended in any way. A run that is not found has failed."""
        await outcome_of(call)
        await _tell(schedule, of, await outcome_of(of))

    @handler(retention=FORGET_SECONDS)
    async def cancel(self, of: InvocationId, reason: str) -> None:
        """Cancel a run, if it has not ended."""
        with suppress(ConflictError, NotFoundError):
            await invocation(of).cancel(reason=reason)


async def _tell(schedule: str, of: InvocationId, outcome: Outcome) -> None:
    failure = "" if outcome.failure is None else failure_in_words(outcome.failure)[:_FAILURE_SHOWN]
    await send(schedule_target(schedule, "ended"), {"of": of, "outcome": outcome.kind.value, "failure": failure})


def id_of_call(of: InvocationId) -> InvocationId:
    """Return the id of the invocation that calls a run."""
    return id_of_stored_call(Target(service_name(ScheduledCall), None, "run"), of)


def schedule_target(name: str, handler_name: str) -> Target:
    """Return the target of a handler of a schedule."""
    return Target(f"{SYSTEM_NAMESPACE}Schedule", name, handler_name)
