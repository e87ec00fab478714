"""Purges completed invocations whose retention has ended."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import trio

from actors.core import commands as c
from actors.engine.requests import ObjectRequest
from actors.engine.waiter import Reply
from actors.errors import TerminalError
from journal import invocation_keys, keys
from journal.events import Stamp
from journal.ids import InvocationId, StreamId, stream_of_invocation

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.engine.machine import Machine
    from journal.log.protocol import Journal

_PURGED_TOGETHER = 500
_LONGEST_NAP_SECONDS = 3600.0
_MICROSECOND = 1e-6


class Retention:
    """The ends of retention of one partition."""

    def __init__(self, journal: Journal, machine: Machine, take_in: Callable[[ObjectRequest], None]) -> None:
        self._journal = journal
        self._machine = machine
        self._clock = machine.environment.clock
        self._take_in = take_in

    async def purge_what_is_over(self) -> None:
        """Purge each invocation when its retention ends. Runs forever."""
        while True:
            start = invocation_keys.purge_prefix(self._machine.partition.number)
            now = invocation_keys.purge(
                self._machine.partition.number, self._clock.now() + _MICROSECOND, InvocationId("")
            )
            while page := self._journal.scan(start, now, limit=_PURGED_TOGETHER):
                await self._purge([InvocationId(invocation_keys.id_at_end(key)) for key, _ in page])
                start = page[-1][0] + b"\x00"
            await self._wait_for_purge(now)

    async def _purge(self, over: list[InvocationId]) -> None:
        by_stream: dict[StreamId, list[InvocationId]] = {}
        for invocation_id in over:
            by_stream.setdefault(stream_of_invocation(invocation_id), []).append(invocation_id)
        stamp = Stamp(self._clock.now(), "retention", "engine")
        last: Reply[None] | None = None
        for stream, invocation_ids in by_stream.items():
            last = Reply()
            self._take_in(ObjectRequest(stream, c.PurgeInvocations(invocation_ids=invocation_ids), stamp, reply=last))
        if last is not None:
            # Invocations that could not be purged (the object is damaged, or a client was faster) are checked again next time.
            with contextlib.suppress(TerminalError):
                await last.wait()

    async def _wait_for_purge(self, now: bytes) -> None:
        later = keys.after_prefix(invocation_keys.purge_prefix(self._machine.partition.number))
        following = self._journal.scan(now, later, limit=1)
        due_at = invocation_keys.date_of_purge(following[0][0]) if following else None
        seconds = _LONGEST_NAP_SECONDS if due_at is None else max(0.0, due_at - self._clock.now())
        with trio.move_on_after(min(seconds, _LONGEST_NAP_SECONDS)):
            await self._machine.completed.purge_sooner(due_at).wait()
